#![doc = include_str!("cookbook.md")]
#![allow(unused_imports, reason = "for its links")]

use crate::client::*;
