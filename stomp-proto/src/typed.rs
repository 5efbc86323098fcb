//! Headers that the protocol gives a type, and frames that only a broker sends.

use alloc::string::ToString as _;

use crate::{AckMode, Command, Frame, FrameRef, HeartBeat, Text, Version};

/// A header of the protocol whose value is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the header {name} has a value that the protocol does not know")]
#[non_exhaustive]
pub struct InvalidHeader {
    /// Its name.
    pub name: &'static str,
}

/// What a frame says in the protocol's own terms. A header that is missing means what the protocol says it means then; one
/// that makes no sense is an [`InvalidHeader`].
impl Frame {
    /// The `ack` of a SUBSCRIBE: [`AckMode::Auto`] when it is missing ("ack Header").
    ///
    /// # Errors
    /// [`InvalidHeader`] when it is no mode.
    pub fn ack_mode(&self) -> Result<AckMode, InvalidHeader> {
        self.as_ref().ack_mode()
    }

    /// The `content-length`, if there is one.
    ///
    /// # Errors
    /// [`InvalidHeader`] when it is not a number, which can happen only in a frame that you made: the parser lets none through.
    pub fn content_length(&self) -> Result<Option<u64>, InvalidHeader> {
        self.as_ref().content_length()
    }

    /// The `heart-beat` of CONNECT or CONNECTED: `0,0` when it is missing (1.1 and 1.2, "Heart-beating").
    ///
    /// # Errors
    /// [`InvalidHeader`] when it is not two numbers with a comma between them.
    pub fn heart_beat(&self) -> Result<HeartBeat, InvalidHeader> {
        self.as_ref().heart_beat()
    }

    /// The `version` of a CONNECTED: 1.0 when it is missing, since 1.0 has no such header (1.1 and 1.2, "Protocol
    /// Negotiation").
    ///
    /// # Errors
    /// [`InvalidHeader`] when it is none that is known.
    pub fn version(&self) -> Result<Version, InvalidHeader> {
        self.as_ref().version()
    }
}

/// What a frame says in the protocol's own terms, as a [`Frame`] says it.
impl FrameRef<'_> {
    /// As [`Frame::ack_mode`].
    ///
    /// # Errors
    /// As there.
    pub fn ack_mode(self) -> Result<AckMode, InvalidHeader> {
        self.typed("ack", AckMode::Auto, |text| AckMode::from_name(&text.text().ok()?))
    }

    /// As [`Frame::content_length`].
    ///
    /// # Errors
    /// As there.
    pub fn content_length(self) -> Result<Option<u64>, InvalidHeader> {
        self.typed("content-length", None, |text| text.number().map(Some))
    }

    /// As [`Frame::heart_beat`].
    ///
    /// # Errors
    /// As there.
    pub fn heart_beat(self) -> Result<HeartBeat, InvalidHeader> {
        self.typed("heart-beat", HeartBeat::default(), |text| HeartBeat::from_octets(&text.octets()))
    }

    /// As [`Frame::version`].
    ///
    /// # Errors
    /// As there.
    pub fn version(self) -> Result<Version, InvalidHeader> {
        self.typed("version", Version::V1_0, |text| Version::from_name(&text.text().ok()?))
    }

    fn typed<T>(
        self,
        name: &'static str,
        missing: T,
        read: impl FnOnce(Text<'_>) -> Option<T>,
    ) -> Result<T, InvalidHeader> {
        self.header(name).map_or(Ok(missing), |text| read(text).ok_or(InvalidHeader { name }))
    }
}

/// Frames that a broker sends, with the headers that the protocol requires of them.
///
/// ```
/// use stomp_proto::{Frame, HeartBeat, Version};
///
/// let connected = Frame::connected(Version::V1_2, HeartBeat { outgoing: 5000, incoming: 5000 });
/// assert_eq!(connected.version(), Ok(Version::V1_2));
/// let message = Frame::message("0", "7", "/queue/a").with_header("ack", "7").with_body("hello");
/// assert_eq!(message.header("subscription").unwrap(), "0");
/// assert_eq!(Frame::receipt("1").header("receipt-id").unwrap(), "1");
/// assert_eq!(Frame::error("no such queue").header("message").unwrap(), "no such queue");
/// ```
impl Frame {
    /// A CONNECTED that agrees on that version. 1.0 has neither versions nor heart-beats, and its headers say neither.
    #[must_use]
    pub fn connected(version: Version, heart_beat: HeartBeat) -> Self {
        let frame = Self::new(Command::Connected);
        match version {
            Version::V1_0 => frame,
            version => frame
                .with_header("version", version.as_str())
                .with_header("heart-beat", heart_beat.to_string()),
        }
    }

    /// An ERROR with a short description; a longer one goes into the body.
    #[must_use]
    pub fn error(message: &str) -> Self {
        Self::new(Command::Error).with_header("message", message)
    }

    /// A MESSAGE for a subscription. One that is to be acknowledged has an `ack` header too in 1.2.
    #[must_use]
    pub fn message(subscription: &str, message_id: &str, destination: &str) -> Self {
        Self::new(Command::Message)
            .with_header("subscription", subscription)
            .with_header("message-id", message_id)
            .with_header("destination", destination)
    }

    /// The RECEIPT for the frame that asked for this one.
    #[must_use]
    pub fn receipt(receipt_id: &str) -> Self {
        Self::new(Command::Receipt).with_header("receipt-id", receipt_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_means_what_the_protocol_says() {
        let frame = Frame::new(Command::Connected);
        assert_eq!(frame.ack_mode(), Ok(AckMode::Auto));
        assert_eq!(frame.content_length(), Ok(None));
        assert_eq!(frame.heart_beat(), Ok(HeartBeat { outgoing: 0, incoming: 0 }));
        assert_eq!(frame.version(), Ok(Version::V1_0));
    }

    #[test]
    fn what_is_there_is_read() {
        for mode in [AckMode::Auto, AckMode::Client, AckMode::ClientIndividual] {
            let frame = Frame::new(Command::Subscribe).with_header("ack", mode.as_str());
            assert_eq!(frame.ack_mode(), Ok(mode));
        }
        let beat = HeartBeat { outgoing: 1, incoming: 20 };
        for version in [Version::V1_1, Version::V1_2] {
            let frame = Frame::connected(version, beat).with_header("content-length", "0");
            assert_eq!(
                (frame.version(), frame.heart_beat(), frame.content_length()),
                (Ok(version), Ok(beat), Ok(Some(0)))
            );
        }
        assert_eq!(Frame::connected(Version::V1_0, beat).headers().len(), 0);
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        let frame = ["ack", "content-length", "heart-beat", "version"]
            .iter()
            .fold(Frame::new(Command::Connected), |frame, name| frame.with_header(name, "1.3"));
        assert_eq!(frame.ack_mode(), Err(InvalidHeader { name: "ack" }));
        assert_eq!(frame.content_length(), Err(InvalidHeader { name: "content-length" }));
        assert_eq!(frame.heart_beat(), Err(InvalidHeader { name: "heart-beat" }));
        assert_eq!(frame.version(), Err(InvalidHeader { name: "version" }));
    }
}
