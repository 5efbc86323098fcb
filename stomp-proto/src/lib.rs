#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod ack_mode;
mod buffer;
#[cfg(feature = "tokio-codec")]
mod codec;
mod command;
mod encode;
mod error;
mod escape;
mod frame;
mod frame_ref;
mod headers;
mod heart_beat;
mod item;
mod limits;
mod line;
mod parse;
mod prepared;
mod scan;
mod slots;
mod text;
mod typed;
mod version;
mod word;

pub use ack_mode::AckMode;
#[cfg(feature = "tokio-codec")]
pub use codec::{Codec, CodecError, Eol};
pub use command::{Command, Sender};
pub use encode::FrameWriter;
pub use error::{EncodeError, ParseError, ParseErrorKind};
pub use frame::Frame;
pub use frame_ref::FrameRef;
pub use headers::{Headers, HeadersRef};
pub use heart_beat::HeartBeat;
pub use item::{Excess, Item, ItemRef};
pub use limits::{Limits, Oversize};
pub use parse::Parser;
pub use prepared::PreparedFrame;
pub use text::{NotUtf8, Text};
pub use typed::InvalidHeader;
pub use version::Version;

pub use bytes;
