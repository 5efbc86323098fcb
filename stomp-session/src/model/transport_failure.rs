//! What a transport reports when it fails.

use alloc::string::String;
use core::fmt;

/// The failure of a transport: a text, and the kind of the `io::Error` that it came from.
///
/// ```
/// use std::io;
/// use stomp_session::{Lost, TransportFailure};
///
/// let reset = io::Error::from(io::ErrorKind::ConnectionReset);
/// let lost = Lost::Io(TransportFailure::from(&reset));
/// let Lost::Io(failure) = &lost else { unreachable!() };
/// assert_eq!(failure.kind(), Some(io::ErrorKind::ConnectionReset));
/// // What is no `io::Error` is said in words.
/// assert_eq!(TransportFailure::from("unplugged").kind(), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TransportFailure {
    text: String,
    code: Option<u16>,
    #[cfg(feature = "std")]
    kind: Option<std::io::ErrorKind>,
}

impl TransportFailure {
    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the number with which the peer gave its reason, if it did: the status with which the handshake of a WebSocket
    /// was refused, such as 503 (RFC 9110, section 15), or the code with which the WebSocket was closed, such as 1009 (RFC
    /// 6455, section 7.4).
    #[must_use]
    pub const fn code(&self) -> Option<u16> {
        self.code
    }

    /// Returns the failure as one that the peer gave this [`code`](Self::code) for.
    #[must_use]
    pub const fn of_code(mut self, code: u16) -> Self {
        self.code = Some(code);
        self
    }

    /// The same with another text.
    pub(crate) fn reworded(self, reword: impl FnOnce(String) -> String) -> Self {
        Self { text: reword(self.text), ..self }
    }

    /// Returns the kind of the `io::Error`, if there was one. Exists with the feature `std`.
    #[cfg(feature = "std")]
    #[must_use]
    pub const fn kind(&self) -> Option<std::io::ErrorKind> {
        self.kind
    }

    /// Returns the failure as one of that kind. Exists with the feature `std`.
    #[cfg(feature = "std")]
    #[must_use]
    pub const fn of_kind(mut self, kind: std::io::ErrorKind) -> Self {
        self.kind = Some(kind);
        self
    }
}

impl From<String> for TransportFailure {
    fn from(text: String) -> Self {
        Self {
            text,
            code: None,
            #[cfg(feature = "std")]
            kind: None,
        }
    }
}

impl From<&str> for TransportFailure {
    fn from(text: &str) -> Self {
        Self::from(String::from(text))
    }
}

#[cfg(feature = "std")]
impl From<&std::io::Error> for TransportFailure {
    fn from(error: &std::io::Error) -> Self {
        Self::from(alloc::format!("{error}")).of_kind(error.kind())
    }
}

impl fmt::Display for TransportFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// As its text: the kind is there to be asked for.
impl fmt::Debug for TransportFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}
