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
    /// What becomes of a body whose announced length is over [`Limits::body`].
    pub oversize: Oversize,
}

/// What becomes of a body that is over the limit and whose length was announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oversize {
    /// The stream fails with [`BodyTooLarge`](crate::ParseErrorKind::BodyTooLarge).
    #[default]
    Fail,
    /// The body is read past without being kept, and the frame surfaces as
    /// [`Item::TooLarge`](crate::Item::TooLarge). A consumer that fails instead meets the message again after each
    /// reconnect.
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
