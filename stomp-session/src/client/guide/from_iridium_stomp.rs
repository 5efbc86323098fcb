#![doc = include_str!("from_iridium_stomp.md")]
#![allow(unused_imports, reason = "for its links")]

use crate::client::*;
