//! Functions that build and check single frames, without a session.
//!
//! Each frame is built as its version requires, and checked as a client must check it.
//!
//! A [`Session`](crate::Session) uses these functions. They are public for programs that conduct a conversation
//! themselves, with [`Parser`](stomp_proto::Parser) and [`Frame::encode`]. Some parts need no function:
//!
//! - A SEND is `Frame::new(Command::Send).with_header("destination", …)`.
//! - To ask for a receipt, add `.with_header("receipt", id)` to any frame but CONNECT.
//! - [`HeartBeat::agree`] computes the heart-beats that two sides agree on.
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
    borrow::Cow,
    string::{String, ToString},
    vec::Vec,
};

use bytes::Bytes;
use stomp_proto::{AckMode, Command, Frame, HeartBeat, Text, Version};

/// An error returned when a frame cannot be built or is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The `heart-beat` header of CONNECTED is invalid.
    #[error("the broker's heart-beat header is invalid: \"{0}\"")]
    InvalidHeartBeat(String),
    /// The frame lacks a header that it must have.
    #[error("the {command} has no header \"{header}\"")]
    MissingHeader {
        /// The frame's command.
        command: Command,
        /// The header's name.
        header: &'static str,
    },
    /// The version does not have this command.
    #[error("STOMP {version} has no {command}")]
    NotInVersion {
        /// The command.
        command: Command,
        /// The version.
        version: Version,
    },
    /// The broker chose a version that was not offered.
    #[error("the broker chose STOMP version \"{0}\", which was not offered")]
    VersionMismatch(String),
    /// The frame has another command than expected.
    #[error("this is a {found}, not a {expected}")]
    WrongCommand {
        /// The expected command.
        expected: Command,
        /// The frame's command.
        found: Command,
    },
}

/// Creates a CONNECT.
///
/// If only 1.0 is offered, it has neither `accept-version` nor `heart-beat`, which 1.0 does not define. The values are
/// written unchanged: see [`ConnectEscaping`](crate::ConnectEscaping).
#[must_use]
pub fn connect(versions: &[Version], host: &str, heart_beat: HeartBeat) -> Frame {
    opening(Command::Connect, versions, host, heart_beat)
}

/// Creates a STOMP frame, which 1.1 and 1.2 define as an alternative to CONNECT. Most brokers accept either.
///
/// # Errors
/// Returns [`FrameError::NotInVersion`] if only 1.0 is offered.
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

/// Creates a SUBSCRIBE. The id is required from 1.1 on, and allowed in 1.0.
#[must_use]
pub fn subscribe(id: &str, destination: &str, ack_mode: AckMode) -> Frame {
    Frame::new(Command::Subscribe)
        .with_header("id", id)
        .with_header("destination", destination)
        .with_header("ack", ack_mode.as_str())
}

/// Creates an UNSUBSCRIBE. In 1.0, where a subscription may be known by its destination alone, it also names the
/// destination.
#[must_use]
pub fn unsubscribe(id: &str, destination: &str, version: Version) -> Frame {
    let frame = Frame::new(Command::Unsubscribe).with_header("id", id);
    if version == Version::V1_0 { frame.with_header("destination", destination) } else { frame }
}

/// Creates the ACK of a MESSAGE.
///
/// It names the `message-id` in 1.0, the `subscription` and the `message-id` in 1.1, and the value of `ack` in 1.2. To
/// acknowledge the message in a transaction, add the `transaction` header.
///
/// # Errors
/// Returns a [`FrameError`] if `message` is not a MESSAGE or lacks one of these headers.
pub fn ack(message: &Frame, version: Version) -> Result<Frame, FrameError> {
    with_ack_headers(message, version, |headers| {
        let named = headers.iter().map(|(name, value)| (*name, value));
        named.fold(Frame::new(Command::Ack), |frame, (name, value)| frame.with_header(name, value))
    })
}

/// A header that is to be written.
pub(crate) type Header<'a> = (&'a str, Cow<'a, [u8]>);

/// Does something with the headers by which an ACK or NACK names a MESSAGE. They are lent, since each move of something that was
/// just made costs as much as writing it.
#[inline]
pub(crate) fn with_ack_headers<R>(
    message: &Frame,
    version: Version,
    run: impl FnOnce(&[Header<'_>]) -> R,
) -> Result<R, FrameError> {
    expect(message, Command::Message)?;
    let value = |name| Ok::<_, FrameError>(need(message, name)?.octets());
    Ok(match version {
        Version::V1_0 => run(&[("message-id", value("message-id")?)]),
        Version::V1_1 => {
            run(&[("subscription", value("subscription")?), ("message-id", value("message-id")?)])
        }
        Version::V1_2 => run(&[("id", value("ack")?)]),
    })
}

/// Creates the NACK of a MESSAGE. Its effect differs from broker to broker: see [`Nack`](crate::Nack).
///
/// # Errors
/// Returns the same errors as [`ack`], and [`FrameError::NotInVersion`] in 1.0.
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

/// Creates a BEGIN.
#[must_use]
pub fn begin(transaction: &str) -> Frame {
    Frame::new(Command::Begin).with_header("transaction", transaction)
}

/// Creates a COMMIT.
#[must_use]
pub fn commit(transaction: &str) -> Frame {
    Frame::new(Command::Commit).with_header("transaction", transaction)
}

/// Creates an ABORT.
#[must_use]
pub fn abort(transaction: &str) -> Frame {
    Frame::new(Command::Abort).with_header("transaction", transaction)
}

/// The contents of a CONNECTED.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreement {
    /// The version that the broker chose.
    pub version: Version,
    /// The heart-beats that the broker offers, or `0,0` if it offers none. 1.0 does not define them, whatever the
    /// header says.
    pub heart_beat: HeartBeat,
    /// The broker's name.
    pub server: Option<String>,
    /// The broker's name for the session.
    pub session: Option<String>,
}

/// Reads a CONNECTED. If it has no `version` header, the version is 1.0 (STOMP 1.1 and 1.2, "Protocol Negotiation").
///
/// # Errors
/// Returns a [`FrameError`] if `frame` is not a CONNECTED, names a version that was not offered, or has an invalid
/// `heart-beat`.
pub fn connected(frame: &Frame, offered: &[Version]) -> Result<Agreement, FrameError> {
    agreement(frame, offered, HeartBeat::from_octets)
}

/// Reads a CONNECTED, and its `heart-beat` with this function.
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

/// Checks a MESSAGE and returns the id of its subscription.
///
/// The result is `None` only in 1.0, where a MESSAGE may be assigned to its subscription by the destination alone.
///
/// # Errors
/// Returns a [`FrameError`] if `frame` is not a MESSAGE or lacks a header that the version requires.
pub fn message(frame: &Frame, version: Version) -> Result<Option<Text<'_>>, FrameError> {
    expect(frame, Command::Message)?;
    need(frame, "message-id")?;
    need(frame, "destination")?;
    match version {
        Version::V1_0 => Ok(frame.header("subscription")),
        _ => need(frame, "subscription").map(Some),
    }
}

/// Checks a RECEIPT and returns the id of the receipt.
///
/// # Errors
/// Returns a [`FrameError`] if `frame` is not a RECEIPT or has no `receipt-id`.
pub fn receipt(frame: &Frame) -> Result<Text<'_>, FrameError> {
    expect(frame, Command::Receipt)?;
    need(frame, "receipt-id")
}

/// The size in octets from which a frame may keep its read buffer alive, which has up to 128 KiB.
const WORTHY: usize = 64 * 1024;

/// A frame that is to wait for long. If it is less than half of a read buffer, this is a copy with its own octets: the frame,
/// or its body, may have been received. A larger one is taken.
pub(crate) fn take_owned(frame: &mut Frame) -> Frame {
    match frame.size() < WORTHY {
        true => frame.as_ref().to_frame(),
        false => core::mem::replace(frame, Frame::new(frame.command())),
    }
}

/// The body of a [taken](take_owned) frame, if it is not our own: it may run anything when it is dropped.
pub(crate) fn foreign_body(frame: &Frame) -> Option<Bytes> {
    (frame.size() >= WORTHY).then(|| frame.body_bytes())
}

/// Gives a frame that is to wait its own octets, if it is less than half of a read buffer. Returns the body that it had.
#[cfg(feature = "client")]
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

/// A copy, since the body may be anybody's. Of CONNECT what is known to be harmless: a header of one's own may be a token.
pub(crate) fn without_secrets(frame: &Frame) -> Frame {
    const HARMLESS: [&str; 5] = ["accept-version", "client-id", "heart-beat", "host", "login"];
    if frame.command() != Command::Connect {
        return frame.clone().into_owned();
    }
    let shown =
        frame.headers().iter().filter(|(name, _)| HARMLESS.iter().any(|harmless| *name == **harmless));
    shown.fold(Frame::new(Command::Connect), |copy, (name, value)| {
        copy.with_header(name.octets(), value.octets())
    })
}
