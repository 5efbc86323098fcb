//! Frames that are too large: RabbitMQ 4 closes the connection and says nothing.

use stomp_proto::{Frame, ParseErrorKind};

/// What one frame may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameLimits {
    /// From the command to the NUL.
    pub(super) octets: usize,
    pub(super) headers: usize,
}

impl FrameLimits {
    pub(super) fn are_exceeded_by(self, frame: &Frame) -> bool {
        // A ':' and an LF for each header, and what stands around the headers: the command, two LFs, and the NUL.
        let lines =
            frame.headers().iter().map(|(name, value)| name.octets().len() + value.octets().len() + 2);
        let head = frame.command().as_str().len() + 3 + lines.sum::<usize>();
        head + frame.body().len() > self.octets || frame.headers().iter().count() > self.headers
    }
}

/// Whether a stream has failed because one frame of it is too large.
pub(super) const fn is_excess(kind: &ParseErrorKind) -> bool {
    matches!(
        kind,
        ParseErrorKind::BodyTooLarge { .. }
            | ParseErrorKind::HeaderBlockTooLarge { .. }
            | ParseErrorKind::HeaderLineTooLong { .. }
            | ParseErrorKind::TooManyHeaders { .. }
    )
}
