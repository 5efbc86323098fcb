//! Headers to which the protocol gives a type, and frames that only a broker sends.

use alloc::string::ToString as _;

use crate::{AckMode, Command, Frame, FrameRef, HeartBeat, Text, Version};

/// An error returned if a header of the protocol has a value that the protocol does not define.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the header {name} has an invalid value")]
#[non_exhaustive]
pub struct InvalidHeader {
    /// The name of the header.
    pub name: &'static str,
}

/// Typed access to headers that the protocol defines.
///
/// A missing header has the default value that the protocol defines, and an invalid one is an [`InvalidHeader`] error.
impl Frame {
    /// Returns the `ack` header of a SUBSCRIBE, or [`AckMode::Auto`] if it is missing ("ack Header").
    ///
    /// # Errors
    /// Returns [`InvalidHeader`] if the value is not an acknowledgement mode.
    pub fn ack_mode(&self) -> Result<AckMode, InvalidHeader> {
        self.as_ref().ack_mode()
    }

    /// Returns the `content-length` header, or `None` if it is missing.
    ///
    /// # Errors
    /// Returns [`InvalidHeader`] if the value is not a [number](Text::number). The parser refuses such a frame, except
    /// that in 1.0 it accepts white space around the number.
    pub fn content_length(&self) -> Result<Option<u64>, InvalidHeader> {
        self.as_ref().content_length()
    }

    /// Returns the `heart-beat` header of a CONNECT or CONNECTED, or `0,0` if it is missing (STOMP 1.1 and 1.2,
    /// "Heart-beating").
    ///
    /// # Errors
    /// Returns [`InvalidHeader`] if the value is not two numbers separated by a comma.
    pub fn heart_beat(&self) -> Result<HeartBeat, InvalidHeader> {
        self.as_ref().heart_beat()
    }

    /// Returns the `version` header of a CONNECTED, or 1.0 if it is missing, since 1.0 has no such header (STOMP 1.1
    /// and 1.2, "Protocol Negotiation").
    ///
    /// # Errors
    /// Returns [`InvalidHeader`] if the value is not a known version.
    pub fn version(&self) -> Result<Version, InvalidHeader> {
        self.as_ref().version()
    }
}

/// Typed access to headers that the protocol defines, as for a [`Frame`].
impl FrameRef<'_> {
    /// Returns the `ack` header of a SUBSCRIBE. See [`Frame::ack_mode`].
    ///
    /// # Errors
    /// Returns the same errors as [`Frame::ack_mode`].
    pub fn ack_mode(self) -> Result<AckMode, InvalidHeader> {
        self.typed("ack", AckMode::Auto, |text| AckMode::from_name(&text.text().ok()?))
    }

    /// Returns the `content-length` header. See [`Frame::content_length`].
    ///
    /// # Errors
    /// Returns the same errors as [`Frame::content_length`].
    pub fn content_length(self) -> Result<Option<u64>, InvalidHeader> {
        self.typed("content-length", None, |text| text.number().map(Some))
    }

    /// Returns the `heart-beat` header of a CONNECT or CONNECTED. See [`Frame::heart_beat`].
    ///
    /// # Errors
    /// Returns the same errors as [`Frame::heart_beat`].
    pub fn heart_beat(self) -> Result<HeartBeat, InvalidHeader> {
        self.typed("heart-beat", HeartBeat::default(), |text| HeartBeat::from_octets(&text.octets()))
    }

    /// Returns the `version` header of a CONNECTED. See [`Frame::version`].
    ///
    /// # Errors
    /// Returns the same errors as [`Frame::version`].
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

/// Constructors for frames that a broker sends, with the headers that the protocol requires.
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
    /// Creates a CONNECTED with this version and these heart-beats.
    ///
    /// For 1.0 it has no headers, since 1.0 has neither a `version` nor a `heart-beat` header.
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

    /// Creates an ERROR with a short description. Put a longer one into the body.
    #[must_use]
    pub fn error(message: &str) -> Self {
        Self::new(Command::Error).with_header("message", message)
    }

    /// Creates a MESSAGE for a subscription.
    ///
    /// In 1.2, add an `ack` header if the message is to be acknowledged.
    #[must_use]
    pub fn message(subscription: &str, message_id: &str, destination: &str) -> Self {
        Self::new(Command::Message)
            .with_header("subscription", subscription)
            .with_header("message-id", message_id)
            .with_header("destination", destination)
    }

    /// Creates the RECEIPT for a frame with this `receipt` header.
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
