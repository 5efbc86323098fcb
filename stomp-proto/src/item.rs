//! What comes out of the parser.

use core::fmt;

use crate::{Frame, FrameRef};

/// What a stream consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// A whole frame.
    Frame(Frame),
    /// An end of line between frames: a heart-beat from 1.1 on, padding in 1.0.
    HeartBeat,
    /// A frame that was over a limit and has been read past ([`Oversize::Drain`](crate::Oversize::Drain)).
    TooLarge {
        /// What is left of the frame: no body, and of headers over a limit those of the protocol alone.
        frame: Frame,
        /// What of it was over.
        excess: Excess,
    },
}

/// What of a frame was over a limit: see [`Item::TooLarge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Excess {
    /// The body was over [`Limits::body`](crate::Limits::body). All headers are there.
    Body {
        /// The length that the frame announced, in octets; or one more than the limit, where an ERROR announced none and
        /// went on beyond it. The stream fails behind such an ERROR, since nobody knows where it ends.
        length: u64,
    },
    /// The headers were over [`Limits::header_line`](crate::Limits::header_line), [`Limits::headers`](crate::Limits::headers)
    /// or [`Limits::header_block`](crate::Limits::header_block). The headers that the protocol needs are there, wherever in the
    /// block they stood: `ack`, `content-length`, `destination`, `heart-beat`, `id`, `message`, `message-id`, `receipt`,
    /// `receipt-id`, `server`, `session`, `subscription`, `transaction` and `version`, each of them once, and none whose line
    /// has more than 4 KiB (the `message` of an ERROR is cut there instead). All others are gone, and so is the body,
    /// whatever its length.
    Headers {
        /// Octets in all header lines, their ends included.
        length: u64,
    },
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body { length } => write!(f, "a body of {length} octets"),
            Self::Headers { length } => write!(f, "headers of {length} octets"),
        }
    }
}

impl Item {
    /// The item, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> ItemRef<'_> {
        match self {
            Self::Frame(frame) => ItemRef::Frame(frame.as_ref()),
            Self::HeartBeat => ItemRef::HeartBeat,
            Self::TooLarge { frame, excess } => ItemRef::TooLarge { frame: frame.as_ref(), excess: *excess },
        }
    }
}

/// What a stream consists of, borrowed from the [`Parser`](crate::Parser) that read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemRef<'a> {
    /// As [`Item::Frame`].
    Frame(FrameRef<'a>),
    /// As [`Item::HeartBeat`].
    HeartBeat,
    /// As [`Item::TooLarge`].
    TooLarge {
        /// What is left of the frame.
        frame: FrameRef<'a>,
        /// What of it was over.
        excess: Excess,
    },
}

impl ItemRef<'_> {
    /// The item to keep.
    #[must_use]
    pub fn to_item(self) -> Item {
        match self {
            Self::Frame(frame) => Item::Frame(frame.to_frame()),
            Self::HeartBeat => Item::HeartBeat,
            Self::TooLarge { frame, excess } => Item::TooLarge { frame: frame.to_frame(), excess },
        }
    }
}
