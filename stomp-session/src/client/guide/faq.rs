#![doc = include_str!("faq.md")]
#![allow(unused_imports, reason = "for its links")]

use crate::client::*;
