//! Why a frame is refused: the classes of ERROR and their words.

use stomp_proto::{Excess, ParseError};

/// The class of an ERROR that the broker sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// A second CONNECT.
    AlreadyConnected,
    /// A header whose value cannot be used.
    BadHeader,
    /// An unknown login or a wrong passcode.
    BadLogin,
    /// A SUBSCRIBE with an id that is already in use.
    DuplicateSubscription,
    /// A BEGIN for a transaction that is already open.
    DuplicateTransaction,
    /// A destination that cannot exist, which is one that begins with `/impossible/`.
    Impossible,
    /// A SUBSCRIBE to a queue that another connection uses exclusively.
    Locked,
    /// Octets that are not valid STOMP.
    Malformed,
    /// A frame without a header that it needs.
    MissingHeader,
    /// A CONNECT that offers no version that the broker supports.
    NoCommonVersion,
    /// A frame before CONNECT.
    NotConnected,
    /// A frame that asks for something that real brokers have and this one has not.
    NotSupported,
    /// An ERROR requested by a test, with [`Broker::send_error`](super::Broker::send_error).
    Scripted,
    /// An ACK or NACK for a message that is not waiting for one.
    UnknownAck,
    /// An UNSUBSCRIBE for a subscription that does not exist.
    UnknownSubscription,
    /// A frame that names a transaction that is not open.
    UnknownTransaction,
}

impl ErrorClass {
    /// All classes.
    pub const ALL: [Self; 16] = [
        Self::AlreadyConnected,
        Self::BadHeader,
        Self::BadLogin,
        Self::DuplicateSubscription,
        Self::DuplicateTransaction,
        Self::Impossible,
        Self::Locked,
        Self::Malformed,
        Self::MissingHeader,
        Self::NoCommonVersion,
        Self::NotConnected,
        Self::NotSupported,
        Self::Scripted,
        Self::UnknownAck,
        Self::UnknownSubscription,
        Self::UnknownTransaction,
    ];

    /// The `message` header of its ERROR.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::AlreadyConnected => "Already connected",
            Self::BadHeader => "Bad header",
            Self::BadLogin => "Bad CONNECT",
            Self::DuplicateSubscription => "Duplicate subscription",
            Self::DuplicateTransaction => "Duplicate transaction",
            Self::Impossible => "not_found",
            Self::Locked => "resource_locked",
            Self::Malformed => "Malformed frame",
            Self::MissingHeader => "Missing header",
            Self::NoCommonVersion => "Version mismatch",
            Self::NotConnected => "Illegal command",
            Self::NotSupported => "Not supported",
            Self::Scripted => "Scripted error",
            Self::UnknownAck => "Unknown message",
            Self::UnknownSubscription => "Subscription not found",
            Self::UnknownTransaction => "Unknown transaction",
        }
    }
}

/// An ERROR to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) class: ErrorClass,
    /// The `message` header, where it is not that of the class.
    pub(super) message: Option<String>,
    /// The `version` header.
    pub(super) version: Option<String>,
    /// The body.
    pub(super) detail: String,
    /// The header that it is about.
    pub(super) header: Option<&'static str>,
    /// Whether the length of the body is not said.
    pub(super) unannounced: bool,
    /// Whether nothing is said but the message.
    pub(super) bare: bool,
    /// Whether the connection ends without a word instead.
    pub(super) silent: bool,
}

impl Refusal {
    pub(super) const fn new(class: ErrorClass, detail: String) -> Self {
        Self {
            class,
            message: None,
            version: None,
            detail,
            header: None,
            bare: false,
            unannounced: false,
            silent: false,
        }
    }

    /// The same refusal in other words.
    pub(super) fn saying(self, message: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { message: Some(message.into()), detail: detail.into(), ..self }
    }

    /// Says nothing but the message.
    pub(super) fn bare(self) -> Self {
        Self { bare: true, ..self }
    }

    /// Ends the connection without a word.
    pub(super) fn silent(self) -> Self {
        Self { silent: true, ..self }
    }

    pub(super) fn missing(header: &'static str) -> Self {
        let refusal = Self::new(ErrorClass::MissingHeader, format!("The header {header} is missing"));
        Self { header: Some(header), ..refusal }
    }

    pub(super) fn bad(header: &'static str) -> Self {
        let detail = format!("The header {header} has a value that cannot be used");
        Self { header: Some(header), ..Self::new(ErrorClass::BadHeader, detail) }
    }

    pub(super) fn too_large(excess: Excess) -> Self {
        match excess {
            Excess::Headers { .. } => Self::new(ErrorClass::BadHeader, format!("There are {excess}")),
            _ => Self::bad("content-length"),
        }
    }

    pub(super) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_else(|| self.class.message())
    }
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Self::new(ErrorClass::Malformed, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_words_that_any_version_can_write() {
        for (number, class) in ErrorClass::ALL.into_iter().enumerate() {
            let plain = |octet: u8| matches!(octet, b' '..=b'~') && octet != b':' && octet != b'\\';
            assert!(class.message().bytes().all(plain), "{class:?}");
            assert!(ErrorClass::ALL[..number].iter().all(|other| other.message() != class.message()));
        }
    }
}
