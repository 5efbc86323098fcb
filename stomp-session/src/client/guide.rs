#![doc = include_str!("guide.md")]
#![cfg_attr(feature = "websocket", doc = include_str!("guide_web_socket.md"))]
#![allow(unused_imports, reason = "for its links")]

use super::*;
