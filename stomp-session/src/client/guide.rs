#![doc = include_str!("guide.md")]
#![cfg_attr(feature = "websocket", doc = include_str!("guide_web_socket.md"))]
#![allow(unused_imports, reason = "for the links of the pages")]

use super::*;

#[doc = include_str!("guide/cookbook.md")]
pub mod cookbook {}

#[doc = include_str!("guide/faq.md")]
pub mod faq {}

#[doc = include_str!("guide/from_iridium_stomp.md")]
pub mod from_iridium_stomp {}

#[doc = include_str!("guide/from_jms.md")]
pub mod from_jms {}

#[doc = include_str!("guide/from_stomp_py.md")]
pub mod from_stomp_py {}

#[doc = include_str!("guide/from_stompest.md")]
pub mod from_stompest {}
