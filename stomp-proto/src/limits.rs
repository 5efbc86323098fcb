//! Bounds on what a peer may send.

/// Bounds on what a peer may send.
///
/// They are checked before anything is stored. Memory grows with the octets that arrive, never with a length that a
/// header announces.
///
/// The defaults accept everything that RabbitMQ, ActiveMQ and Artemis are known to relay, since a message that is
/// refused is delivered again after each reconnect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The maximum length of the first line, in octets without the line end. The default is 32: the longest command has
    /// 11 octets, and a longer line belongs to another protocol.
    pub command: usize,
    /// The maximum length of a header line, in octets without the line end. The default is 64 KiB. ActiveMQ allows 10
    /// KiB, and RabbitMQ has no bound.
    pub header_line: usize,
    /// The maximum number of headers in a frame. The default is 1,000, as on ActiveMQ.
    pub headers: usize,
    /// The maximum length of all header lines of a frame together, in octets with the line ends. The default is 1 MiB.
    pub header_block: usize,
    /// The maximum length of a body, in octets. The default is 128 MiB, the longest body that RabbitMQ 3.10 relays.
    pub body: u64,
    /// What the parser does with a frame that exceeds a limit. The default is [`Oversize::Fail`].
    pub oversize: Oversize,
}

/// What the parser does with a frame that exceeds a limit.
///
/// This applies to a frame whose headers exceed a limit, and to one whose body does if a `content-length` announced it.
/// The stream fails in any case if a command, or a body without `content-length`, is too long, since it is then unknown
/// what follows, or how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oversize {
    /// The stream fails with [`BodyTooLarge`](crate::ParseErrorKind::BodyTooLarge),
    /// [`HeaderLineTooLong`](crate::ParseErrorKind::HeaderLineTooLong),
    /// [`TooManyHeaders`](crate::ParseErrorKind::TooManyHeaders) or
    /// [`HeaderBlockTooLarge`](crate::ParseErrorKind::HeaderBlockTooLarge).
    #[default]
    Fail,
    /// The parser reads past the frame, and returns an [`Item::TooLarge`](crate::Item::TooLarge) with the part of it
    /// that was kept.
    ///
    /// A consumer that failed instead would receive the message again after each reconnect. RabbitMQ relays headers of
    /// any size, such as the stack trace of a dead letter.
    ///
    /// An ERROR is the last frame of a connection and says why it ends. If its body has no `content-length` and exceeds
    /// the limit, the parser therefore returns its headers as an [`Item::TooLarge`](crate::Item::TooLarge) before the
    /// stream fails.
    ///
    /// In a header line that exceeds its limit, the parser looks for nothing but its end. The stream fails nevertheless
    /// if a header block exceeds 16 MiB, or [`Limits::header_block`] where that is larger, or if the line of a
    /// `content-length` exceeds [`Limits::header_line`].
    Drain,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command: 32,
            header_line: 64 * 1024,
            headers: 1000,
            header_block: 1024 * 1024,
            body: 128 * 1024 * 1024,
            oversize: Oversize::Fail,
        }
    }
}
