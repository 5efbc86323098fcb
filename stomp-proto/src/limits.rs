//! What a peer may make us hold.

/// Bounds on what a peer may send, checked before anything is stored.
///
/// The defaults refuse nothing that RabbitMQ, ActiveMQ or Artemis are known to relay, since a message that is refused
/// comes again after each reconnect; memory grows with the octets that arrive, never with what a header announces.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Octets in the first line, without its end. 32: the longest command has 11, and a longer line is another protocol.
    pub command: usize,
    /// Octets in one header line, without its end. 64 KiB: ActiveMQ allows 10 KiB, RabbitMQ has no bound.
    pub header_line: usize,
    /// Headers in a frame. 1,000, as ActiveMQ.
    pub headers: usize,
    /// Octets in all header lines of a frame, their ends included. 1 MiB.
    pub header_block: usize,
    /// Octets in a body. 128 MiB: the largest that RabbitMQ 3.10 relays.
    pub body: u64,
    /// What becomes of a frame that is over a limit.
    pub oversize: Oversize,
}

/// What becomes of a frame whose headers are over a limit, or whose body is and has announced its length. A command that is
/// too long, and a body without `content-length` that is, are fatal in any case: nobody knows what, or how much, is to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oversize {
    /// The stream fails with [`BodyTooLarge`](crate::ParseErrorKind::BodyTooLarge),
    /// [`HeaderLineTooLong`](crate::ParseErrorKind::HeaderLineTooLong),
    /// [`TooManyHeaders`](crate::ParseErrorKind::TooManyHeaders) or
    /// [`HeaderBlockTooLarge`](crate::ParseErrorKind::HeaderBlockTooLarge).
    #[default]
    Fail,
    /// The frame is read past, and surfaces as [`Item::TooLarge`](crate::Item::TooLarge) with what was kept of it. A consumer
    /// that fails instead meets the message again after each reconnect: RabbitMQ relays headers of any size, such as the
    /// stack trace of a dead letter.
    ///
    /// Of an ERROR, the last that a peer says, the headers surface before the stream fails over a body that announced nothing:
    /// a refusal is one, however long its text.
    ///
    /// Nothing is looked for in a header line over its limit but its end, which must come: a header block is fatal past
    /// 16 MiB, or past [`Limits::header_block`] where that is more, and so is a `content-length` over
    /// [`Limits::header_line`].
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
