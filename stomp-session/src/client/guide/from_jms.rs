#![doc = include_str!("from_jms.md")]
#![allow(unused_imports, reason = "for its links")]

use crate::client::*;
