//! What comes out of the parser.

use crate::{Frame, FrameRef};

/// What a stream consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// A whole frame.
    Frame(Frame),
    /// An end of line between frames: a heart-beat from 1.1 on, padding in 1.0.
    HeartBeat,
    /// A frame whose body was over [`Limits::body`](crate::Limits::body) and has been read past
    /// ([`Oversize::Drain`](crate::Oversize::Drain)).
    TooLarge {
        /// The frame without its body.
        frame: Frame,
        /// The length that it announced.
        length: u64,
    },
}

impl Item {
    /// The item, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> ItemRef<'_> {
        match self {
            Self::Frame(frame) => ItemRef::Frame(frame.as_ref()),
            Self::HeartBeat => ItemRef::HeartBeat,
            Self::TooLarge { frame, length } => ItemRef::TooLarge { frame: frame.as_ref(), length: *length },
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
        /// The frame without its body.
        frame: FrameRef<'a>,
        /// The length that it announced.
        length: u64,
    },
}

impl ItemRef<'_> {
    /// The item to keep.
    #[must_use]
    pub fn to_item(self) -> Item {
        match self {
            Self::Frame(frame) => Item::Frame(frame.to_frame()),
            Self::HeartBeat => Item::HeartBeat,
            Self::TooLarge { frame, length } => Item::TooLarge { frame: frame.to_frame(), length },
        }
    }
}
