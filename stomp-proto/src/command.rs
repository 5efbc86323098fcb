//! The commands: which side may send them, in which version, and which may have a body.

use core::fmt;

use crate::Version;

/// The side of a connection that sends a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Sender {
    /// The side that opened the connection. It sends CONNECT, SEND, SUBSCRIBE, ACK, …
    Client,
    /// The broker. It sends CONNECTED, MESSAGE, RECEIPT and ERROR.
    Server,
}

/// The command of a frame, which is its first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the protocol has these commands")]
#[allow(missing_docs, reason = "each is the command of that name")]
pub enum Command {
    Abort,
    Ack,
    Begin,
    Commit,
    Connect,
    Connected,
    Disconnect,
    Error,
    Message,
    Nack,
    Receipt,
    Send,
    Stomp,
    Subscribe,
    Unsubscribe,
}

impl Command {
    /// All commands, of every version and both sides, in alphabetical order.
    pub const ALL: [Self; 15] = [
        Self::Abort,
        Self::Ack,
        Self::Begin,
        Self::Commit,
        Self::Connect,
        Self::Connected,
        Self::Disconnect,
        Self::Error,
        Self::Message,
        Self::Nack,
        Self::Receipt,
        Self::Send,
        Self::Stomp,
        Self::Subscribe,
        Self::Unsubscribe,
    ];

    /// Returns the command as it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Abort => "ABORT",
            Self::Ack => "ACK",
            Self::Begin => "BEGIN",
            Self::Commit => "COMMIT",
            Self::Connect => "CONNECT",
            Self::Connected => "CONNECTED",
            Self::Disconnect => "DISCONNECT",
            Self::Error => "ERROR",
            Self::Message => "MESSAGE",
            Self::Nack => "NACK",
            Self::Receipt => "RECEIPT",
            Self::Send => "SEND",
            Self::Stomp => "STOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Unsubscribe => "UNSUBSCRIBE",
        }
    }

    /// Returns the command that consists of exactly these octets, or `None` if there is none.
    ///
    /// Commands are case-sensitive and never padded.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        Some(match octets {
            b"MESSAGE" => Self::Message,
            b"SEND" => Self::Send,
            b"RECEIPT" => Self::Receipt,
            b"ACK" => Self::Ack,
            b"ABORT" => Self::Abort,
            b"BEGIN" => Self::Begin,
            b"COMMIT" => Self::Commit,
            b"CONNECT" => Self::Connect,
            b"CONNECTED" => Self::Connected,
            b"DISCONNECT" => Self::Disconnect,
            b"ERROR" => Self::Error,
            b"NACK" => Self::Nack,
            b"STOMP" => Self::Stomp,
            b"SUBSCRIBE" => Self::Subscribe,
            b"UNSUBSCRIBE" => Self::Unsubscribe,
            _ => return None,
        })
    }

    /// Returns the side that sends this command.
    #[must_use]
    pub const fn sender(self) -> Sender {
        match self {
            Self::Connected | Self::Error | Self::Message | Self::Receipt => Sender::Server,
            _ => Sender::Client,
        }
    }

    /// Returns `true` if this version has the command. NACK and STOMP were added in 1.1.
    #[must_use]
    pub const fn exists_in(self, version: Version) -> bool {
        !matches!((self, version), (Self::Nack | Self::Stomp, Version::V1_0))
    }

    /// Returns `true` if a frame with this command may have a body. Only SEND, MESSAGE and ERROR may (STOMP 1.1 and
    /// 1.2).
    #[must_use]
    pub const fn may_have_body(self) -> bool {
        matches!(self, Self::Send | Self::Message | Self::Error)
    }

    /// Returns `true` if the headers of a frame with this command are escaped in this version.
    ///
    /// Those of CONNECT and CONNECTED never are, so that a 1.0 peer can read them (STOMP 1.2, "Value Encoding").
    #[must_use]
    pub const fn escapes_in(self, version: Version) -> bool {
        version.escapes() && !matches!(self, Self::Connect | Self::Connected)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_its_own_name() {
        for command in Command::ALL {
            assert_eq!(Command::from_octets(command.as_str().as_bytes()), Some(command));
            let lower = command.as_str().to_ascii_lowercase();
            assert_eq!(Command::from_octets(lower.as_bytes()), None);
            assert_eq!(alloc::format!("{command}"), command.as_str());
        }
    }
}
