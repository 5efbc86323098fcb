#![doc = include_str!("guide.md")]
#![cfg_attr(feature = "websocket", doc = include_str!("guide_web_socket.md"))]
#![allow(unused_imports, reason = "for its links")]

pub mod cookbook;
pub mod faq;
pub mod from_iridium_stomp;
pub mod from_jms;
pub mod from_stomp_py;
pub mod from_stompest;

use super::*;
