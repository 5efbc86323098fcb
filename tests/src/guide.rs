#![doc = include_str!("guide.md")]
#![allow(unused_imports, reason = "for its links")]

use crate::{broker::*, pair::Pair, server::*};
