//! Single frames, without a session: built as each version wants them, and checked as a client must.
//!
//! A [`Session`](crate::Session) uses them. They are public for programs that hold a conversation of their own, with
//! [`Parser`](stomp_proto::Parser) and [`Frame::encode`]: SEND is just
//! `Frame::new(Command::Send).with_header("destination", …)`, a receipt is `.with_header("receipt", id)` on any frame but
//! CONNECT, and what two sides agree on for heart-beats is [`HeartBeat::agree`].
//!
//! ```
//! use stomp_session::{frames, proto::{AckMode, Command, Frame, HeartBeat, Version}};
//!
//! let connect = frames::connect(&Version::ALL, "/", HeartBeat { outgoing: 10_000, incoming: 10_000 });
//! assert_eq!(connect.header("accept-version").unwrap(), "1.0,1.1,1.2");
//!
//! let answer = Frame::new(Command::Connected).with_header("version", "1.2");
//! let agreed = frames::connected(&answer, &Version::ALL)?;
//! let subscribe = frames::subscribe("0", "/queue/a", AckMode::ClientIndividual);
//!
//! let message = Frame::new(Command::Message)
//!     .with_header("message-id", "7")
//!     .with_header("destination", "/queue/a")
//!     .with_header("subscription", "0")
//!     .with_header("ack", "x");
//! assert_eq!(frames::message(&message, agreed.version)?.unwrap(), "0");
//! assert_eq!(frames::ack(&message, agreed.version)?.header("id").unwrap(), "x");
//! # Ok::<(), frames::FrameError>(())
//! ```

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use bytes::Bytes;
use stomp_proto::{AckMode, Command, Frame, HeartBeat, Text, Version};

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// CONNECTED carries a `heart-beat` that is none.
    #[error("the broker's heart-beat header is invalid: \"{0}\"")]
    InvalidHeartBeat(String),
    /// A header that the frame must have.
    #[error("the {command} has no header \"{header}\"")]
    MissingHeader {
        /// The frame's command.
        command: Command,
        /// The header's name.
        header: &'static str,
    },
    /// A command that the version does not have.
    #[error("STOMP {version} has no {command}")]
    NotInVersion {
        /// The command.
        command: Command,
        /// The version.
        version: Version,
    },
    /// A version that was not offered.
    #[error("the broker chose STOMP version \"{0}\", which was not offered")]
    VersionMismatch(String),
    /// A frame of another command.
    #[error("this is a {found}, not a {expected}")]
    WrongCommand {
        /// The command that was expected.
        expected: Command,
        /// The frame's command.
        found: Command,
    },
}

/// CONNECT. With 1.0 alone it has neither `accept-version` nor `heart-beat`, which 1.0 does not know. The values are
/// written as they are: see [`ConnectEscaping`](crate::ConnectEscaping).
#[must_use]
pub fn connect(versions: &[Version], host: &str, heart_beat: HeartBeat) -> Frame {
    opening(Command::Connect, versions, host, heart_beat)
}

/// STOMP, which 1.1 and 1.2 know beside CONNECT. Most brokers take either.
///
/// # Errors
/// [`FrameError::NotInVersion`] when 1.0 alone is offered.
pub fn stomp(versions: &[Version], host: &str, heart_beat: HeartBeat) -> Result<Frame, FrameError> {
    match versions.iter().max().filter(|newest| newest.escapes()) {
        Some(_) => Ok(opening(Command::Stomp, versions, host, heart_beat)),
        None => Err(FrameError::NotInVersion { command: Command::Stomp, version: Version::V1_0 }),
    }
}

fn opening(command: Command, versions: &[Version], host: &str, heart_beat: HeartBeat) -> Frame {
    let knows_more = versions.iter().any(|version| version.escapes());
    let mut frame = Frame::new(command);
    if knows_more {
        frame.headers_mut().push("accept-version", accept_version(versions));
    }
    frame.headers_mut().push("host", host);
    if knows_more {
        frame.headers_mut().push("heart-beat", heart_beat.to_string());
    }
    frame
}

/// Oldest first and without blanks: RabbitMQ, ActiveMQ and Artemis match each name exactly, blanks included.
fn accept_version(versions: &[Version]) -> String {
    let mut versions: Vec<_> = versions.to_vec();
    versions.sort_unstable();
    versions.dedup();
    versions.iter().map(|version| version.as_str()).collect::<Vec<_>>().join(",")
}

/// SUBSCRIBE. An id is a must from 1.1 on, and right in 1.0.
#[must_use]
pub fn subscribe(id: &str, destination: &str, ack_mode: AckMode) -> Frame {
    Frame::new(Command::Subscribe)
        .with_header("id", id)
        .with_header("destination", destination)
        .with_header("ack", ack_mode.as_str())
}

/// UNSUBSCRIBE. In 1.0 a subscription may be known by its destination alone, which is named there as well.
#[must_use]
pub fn unsubscribe(id: &str, destination: &str, version: Version) -> Frame {
    let frame = Frame::new(Command::Unsubscribe).with_header("id", id);
    if version == Version::V1_0 { frame.with_header("destination", destination) } else { frame }
}

/// The ACK of a MESSAGE: 1.0 names its `message-id`, 1.1 its `subscription` as well, 1.2 its `ack` header. To put it into a
/// transaction, add the header.
///
/// # Errors
/// [`FrameError`], when it is no MESSAGE or lacks the header.
pub fn ack(message: &Frame, version: Version) -> Result<Frame, FrameError> {
    expect(message, Command::Message)?;
    let frame = Frame::new(Command::Ack);
    Ok(match version {
        Version::V1_0 => frame.with_header("message-id", need(message, "message-id")?.octets()),
        Version::V1_1 => frame
            .with_header("subscription", need(message, "subscription")?.octets())
            .with_header("message-id", need(message, "message-id")?.octets()),
        Version::V1_2 => frame.with_header("id", need(message, "ack")?.octets()),
    })
}

/// The NACK of a MESSAGE. What follows differs from broker to broker: see [`Nack`](crate::Nack).
///
/// # Errors
/// As [`ack`], and [`FrameError::NotInVersion`] in 1.0.
pub fn nack(message: &Frame, version: Version) -> Result<Frame, FrameError> {
    if version == Version::V1_0 {
        return Err(FrameError::NotInVersion { command: Command::Nack, version });
    }
    Ok(with_command(Command::Nack, &ack(message, version)?))
}

/// The same headers under another command.
pub(crate) fn with_command(command: Command, frame: &Frame) -> Frame {
    let headers = frame.headers().iter();
    headers.fold(Frame::new(command), |frame, (name, value)| frame.with_header(name.octets(), value.octets()))
}

/// BEGIN.
#[must_use]
pub fn begin(transaction: &str) -> Frame {
    Frame::new(Command::Begin).with_header("transaction", transaction)
}

/// COMMIT.
#[must_use]
pub fn commit(transaction: &str) -> Frame {
    Frame::new(Command::Commit).with_header("transaction", transaction)
}

/// ABORT.
#[must_use]
pub fn abort(transaction: &str) -> Frame {
    Frame::new(Command::Abort).with_header("transaction", transaction)
}

/// What a CONNECTED says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreement {
    /// The version that holds.
    pub version: Version,
    /// What the broker offers, `0,0` where it offers nothing. 1.0 knows no heart-beats, whatever stands there.
    pub heart_beat: HeartBeat,
    /// Its name.
    pub server: Option<String>,
    /// The name of the session there.
    pub session: Option<String>,
}

/// Reads a CONNECTED. Without a `version` header it is 1.0 (1.1 and 1.2, "Protocol Negotiation").
///
/// # Errors
/// [`FrameError`]: it is another frame, names a version that was not offered, or has a `heart-beat` that is none.
pub fn connected(frame: &Frame, offered: &[Version]) -> Result<Agreement, FrameError> {
    agreement(frame, offered, HeartBeat::from_octets)
}

/// The same, with a `heart-beat` that is read like that.
pub(crate) fn agreement(
    frame: &Frame,
    offered: &[Version],
    heart_beat: impl FnOnce(&[u8]) -> Option<HeartBeat>,
) -> Result<Agreement, FrameError> {
    expect(frame, Command::Connected)?;
    let text =
        |name: &str| frame.header(name).map(|value| String::from_utf8_lossy(&value.octets()).into_owned());
    let named = text("version").unwrap_or_else(|| Version::V1_0.to_string());
    let version = Version::from_name(&named).filter(|version| offered.contains(version));
    let version = version.ok_or(FrameError::VersionMismatch(named))?;
    let heart_beat = match frame.header("heart-beat") {
        None => HeartBeat::default(),
        Some(value) => {
            heart_beat(&value.octets()).ok_or_else(|| FrameError::InvalidHeartBeat(value.to_string()))?
        }
    };
    Ok(Agreement { version, heart_beat, server: text("server"), session: text("session") })
}

/// Checks a MESSAGE. Gives the id of the subscription that it is for; in 1.0 it may have none and go by its destination.
///
/// # Errors
/// [`FrameError`]: it is another frame, or lacks a header that the version wants.
pub fn message(frame: &Frame, version: Version) -> Result<Option<Text<'_>>, FrameError> {
    expect(frame, Command::Message)?;
    need(frame, "message-id")?;
    need(frame, "destination")?;
    match version {
        Version::V1_0 => Ok(frame.header("subscription")),
        _ => need(frame, "subscription").map(Some),
    }
}

/// Checks a RECEIPT. Gives the receipt that it answers.
///
/// # Errors
/// [`FrameError`]: it is another frame, or names none.
pub fn receipt(frame: &Frame) -> Result<Text<'_>, FrameError> {
    expect(frame, Command::Receipt)?;
    need(frame, "receipt-id")
}

/// Octets of a frame that is worth what it may hold up: a read buffer has up to 128 KiB.
const WORTHY: usize = 64 * 1024;

/// A frame that is to wait for long, and is less than half of a read buffer, gets octets of its own: it may be a received one,
/// or have the body of one. Returns the body that it had.
pub(crate) fn unpin(frame: &mut Frame) -> Option<Bytes> {
    (frame.size() < WORTHY).then(|| {
        let body = frame.body_bytes();
        *frame = frame.as_ref().to_frame();
        body
    })
}

/// The same for a body alone.
#[cfg(feature = "client")]
pub(crate) fn unpin_body(body: &mut Bytes) -> Option<Bytes> {
    (body.len() < WORTHY).then(|| core::mem::replace(body, Bytes::copy_from_slice(body)))
}

fn expect(frame: &Frame, expected: Command) -> Result<(), FrameError> {
    let found = frame.command();
    if found == expected { Ok(()) } else { Err(FrameError::WrongCommand { expected, found }) }
}

fn need<'a>(frame: &'a Frame, header: &'static str) -> Result<Text<'a>, FrameError> {
    frame.header(header).ok_or_else(|| FrameError::MissingHeader { command: frame.command(), header })
}
