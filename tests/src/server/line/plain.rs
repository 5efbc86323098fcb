//! STOMP over TCP as it is: nothing else is spoken without the feature `websocket`.

use std::borrow::Cow;

/// What a connection speaks.
pub(crate) struct Line {}

/// What came is for the broker.
pub(crate) enum Came {
    Plain,
    /// Part of it is, and part of it is answered.
    #[allow(dead_code, reason = "plain STOMP has no such thing")]
    Read {
        payload: Vec<u8>,
        answer: Vec<u8>,
        ended: bool,
    },
}

impl Line {
    pub(crate) const fn new(_: bool) -> Self {
        Self {}
    }

    pub(crate) const fn came(&self, _: &[u8]) -> Came {
        Came::Plain
    }

    pub(crate) const fn say<'a>(&self, frames: &'a [u8]) -> Cow<'a, [u8]> {
        Cow::Borrowed(frames)
    }

    pub(crate) const fn close(&self) -> Vec<u8> {
        Vec::new()
    }
}
