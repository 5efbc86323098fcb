//! What the parser returns.

use core::fmt;

use crate::{Frame, FrameRef};

/// An item of a stream, returned by [`Parser::next_item`](crate::Parser::next_item).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// A complete frame.
    Frame(Frame),
    /// An end of line between frames, which is a heart-beat from 1.1 on and padding in 1.0.
    HeartBeat,
    /// A frame that exceeded a limit and was read past ([`Oversize::Drain`](crate::Oversize::Drain)).
    TooLarge {
        /// The part of the frame that was kept. It has no body. If the headers exceeded a limit, it has only those that
        /// [`Excess::Headers`] lists.
        frame: Frame,
        /// The part of the frame that exceeded the limit.
        excess: Excess,
    },
}

/// The part of a frame that exceeded a limit. See [`Item::TooLarge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Excess {
    /// The body exceeded [`Limits::body`](crate::Limits::body). All headers were kept.
    Body {
        /// The length of the body that the frame announced, in octets.
        ///
        /// For an ERROR without `content-length` it is one more than the limit. The stream fails after such an ERROR,
        /// since it is unknown where it ends.
        length: u64,
    },
    /// The headers exceeded [`Limits::header_line`](crate::Limits::header_line),
    /// [`Limits::headers`](crate::Limits::headers) or [`Limits::header_block`](crate::Limits::header_block).
    ///
    /// The headers that the protocol needs were kept, wherever in the block they were: `ack`, `content-length`,
    /// `destination`, `heart-beat`, `id`, `message`, `message-id`, `receipt`, `receipt-id`, `server`, `session`,
    /// `subscription`, `transaction` and `version`. Of several headers with the same name only the first was kept. A
    /// header whose line has more than 4 KiB was dropped, except that the `message` of an ERROR was cut to that length,
    /// and that a `content-length` was kept. All other headers were dropped, and so was the body, whatever its length.
    Headers {
        /// The length of all header lines together, in octets with the line ends.
        length: u64,
    },
}

impl Excess {
    /// Returns the length of what was over the limit, in octets.
    #[must_use]
    pub const fn length(self) -> u64 {
        match self {
            Self::Body { length } | Self::Headers { length } => length,
        }
    }
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
    /// Returns a borrowed view of the item.
    #[must_use]
    pub fn as_ref(&self) -> ItemRef<'_> {
        match self {
            Self::Frame(frame) => ItemRef::Frame(frame.as_ref()),
            Self::HeartBeat => ItemRef::HeartBeat,
            Self::TooLarge { frame, excess } => ItemRef::TooLarge { frame: frame.as_ref(), excess: *excess },
        }
    }
}

/// An item of a stream, borrowed from the [`Parser`](crate::Parser) that read it. See [`Item`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemRef<'a> {
    /// A complete frame. See [`Item::Frame`].
    Frame(FrameRef<'a>),
    /// An end of line between frames. See [`Item::HeartBeat`].
    HeartBeat,
    /// A frame that exceeded a limit and was read past. See [`Item::TooLarge`].
    TooLarge {
        /// The part of the frame that was kept.
        frame: FrameRef<'a>,
        /// The part of the frame that exceeded the limit.
        excess: Excess,
    },
}

impl ItemRef<'_> {
    /// Copies the borrowed parts into an owned [`Item`].
    #[must_use]
    pub fn to_item(self) -> Item {
        match self {
            Self::Frame(frame) => Item::Frame(frame.to_frame()),
            Self::HeartBeat => Item::HeartBeat,
            Self::TooLarge { frame, excess } => Item::TooLarge { frame: frame.to_frame(), excess },
        }
    }
}
