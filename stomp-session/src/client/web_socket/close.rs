//! The codes with which a WebSocket is closed, in words (RFC 6455, section 7.4.1, and the registry of IANA).

use std::{fmt, io};

use crate::{client::runtime::TransportError, model::mask::Mask};

/// Closed in good order.
pub(super) const NORMAL: u16 = 1000;
/// What came breaks the protocol.
pub(super) const PROTOCOL_ERROR: u16 = 1002;
/// The peer goes away: the server is shut down.
const GOING_AWAY: u16 = 1001;

/// Why nothing more comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The peer has closed it, with this code and these words.
    Closed { code: Option<u16>, words: String },
    /// What came is no WebSocket.
    Broken(&'static str),
}

impl End {
    /// The code of the answer (section 5.5.1: the same).
    pub(super) fn answer(&self) -> u16 {
        match self {
            Self::Closed { code, .. } => code.unwrap_or(NORMAL),
            Self::Broken(_) => PROTOCOL_ERROR,
        }
    }

    /// The end as an error, or `None` where the peer has closed in good order, which is an end like any other.
    pub(super) fn error(&self, mask: &Mask) -> Option<io::Error> {
        let (code, words) = match self {
            Self::Closed { code: None | Some(NORMAL | GOING_AWAY), .. } => return None,
            Self::Closed { code: Some(code), words } => (*code, words),
            Self::Broken(what) => {
                let text = format!("what the broker sent is no WebSocket: {what}");
                return Some(TransportError::new(text).of_kind(io::ErrorKind::InvalidData).into());
            }
        };
        let words = mask.hide(words).unwrap_or_else(|| words.clone());
        let text = format!("the broker closed the WebSocket: {code}, {}{}", meaning(code), Said(&words));
        Some(TransportError::new(text).of_code(code).of_kind(io::ErrorKind::ConnectionAborted).into())
    }
}

/// The words of the peer, if it has any, without what is not printable.
struct Said<'a>(&'a str);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0.escape_debug()) }
    }
}

const fn meaning(code: u16) -> &'static str {
    match code {
        1002 => "it calls what was sent a protocol error",
        1003 => "it takes no such data (is it to be sent as text? see WebSocketConfig::text)",
        1007 => "what was sent as text is no UTF-8 (see WebSocketConfig::text)",
        1008 => "its policy was violated",
        1009 => "a message was too large for it (see WebSocketConfig::message_limit)",
        1010 => "it misses an extension",
        1011 => "it met an error of its own",
        1012 => "it restarts",
        1013 => "it is overloaded: try again later",
        1014 => "a gateway got no good answer",
        3000..4000 => "a code of its software",
        4000..5000 => "a code of its application",
        _ => "a code without a meaning",
    }
}

/// What is written in a frame that closes, and what is read from one. Section 5.5.1.
pub(super) fn read(payload: &[u8]) -> End {
    match payload {
        [] => End::Closed { code: None, words: String::new() },
        [high, low, words @ ..] => End::Closed {
            code: Some(u16::from_be_bytes([*high, *low])),
            words: String::from_utf8_lossy(words).into_owned(),
        },
        [_] => End::Broken("a close frame with half a code"),
    }
}
