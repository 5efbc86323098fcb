#![doc = include_str!("from_stomp_py.md")]
#![allow(unused_imports, reason = "for its links")]

use crate::client::*;
