#![doc = include_str!("from_stompest.md")]
#![allow(unused_imports, reason = "for its links")]

use crate::client::*;
