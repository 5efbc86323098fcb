//! The reasons why a connection, a frame, a subscription or a session has ended, and the ERROR frame of the broker.

use alloc::{borrow::ToOwned, boxed::Box, string::String, sync::Arc};
use core::{
    fmt::{self, Write as _},
    time::Duration,
};

use stomp_proto::{Command, Frame, ParseError, ParseErrorKind, Version};

pub use super::command_error::{CommandError, SendError};
use super::{
    endpoint::Endpoint, frames::FrameError, mask::Mask, profile::ConnectEscaping,
    transport_failure::TransportFailure,
};

/// An ERROR frame from the broker.
///
/// It displays as the message and the first line of the body.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerError {
    /// Shared, since everybody who waits for something may get the same one.
    said: Arc<Said>,
}

#[derive(PartialEq, Eq)]
struct Said {
    frame: Frame,
    /// The message and the detail as they are displayed, if they repeat the client's passcode.
    shown: Option<(String, String)>,
}

impl ServerError {
    pub(crate) fn new(frame: Frame, mask: &Mask) -> Self {
        let frame = frame.into_owned();
        let (message, detail) = (text(&frame, "message").unwrap_or_default(), detail(&frame));
        let shown = match (mask.hide(&message), mask.hide(&detail)) {
            (None, None) => None,
            (hidden, hidden_detail) => Some((hidden.unwrap_or(message), hidden_detail.unwrap_or(detail))),
        };
        Self { said: Arc::new(Said { frame, shown }) }
    }

    /// Returns the value of the `message` header, or an empty string if there is none. Fragments of the client's
    /// passcode are left out.
    #[must_use]
    pub fn message(&self) -> String {
        let shown = self.said.shown.as_ref().map(|shown| shown.0.clone());
        shown.unwrap_or_else(|| self.text("message").unwrap_or_default())
    }

    /// Returns the whole ERROR frame as it came. It may repeat what the client has sent, its passcode included.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        &self.said.frame
    }

    pub(crate) fn text(&self, header: &str) -> Option<String> {
        text(&self.said.frame, header)
    }

    /// Returns whether the message or the body contains this text, compared without regard to case.
    pub(crate) fn says(&self, text: &str) -> bool {
        let message = self.text("message").unwrap_or_default();
        let line = self.said.frame.body().split(|octet| *octet == b'\n').next().unwrap_or_default();
        contains(message.as_bytes(), text) || contains(line.get(..SEARCHED).unwrap_or(line), text)
    }

    /// 1.1 and 1.2, "Protocol Negotiation": an ERROR for want of a common version lists those of the server. RabbitMQ lists
    /// them in every ERROR. Blanks around them are no reason to give a broker up for good.
    pub(crate) fn speaks_none_of(&self, offered: &[Version]) -> bool {
        let listed = self.text("version");
        let named = |name: &str| Version::from_name(name.trim_matches([' ', '\t']));
        let spoken = |list: &str| list.split(',').filter_map(named).any(|it| offered.contains(&it));
        listed.is_some_and(|list| !spoken(&list))
    }

    fn detail(&self) -> String {
        self.said.shown.as_ref().map_or_else(|| detail(&self.said.frame), |shown| shown.1.clone())
    }
}

fn text(frame: &Frame, header: &str) -> Option<String> {
    frame.header(header).map(|value| String::from_utf8_lossy(&value.octets()).into_owned())
}

/// The first line of the body, where RabbitMQ says what it means.
fn detail(frame: &Frame) -> String {
    let line = frame.body().split(|octet| *octet == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line.get(..200).unwrap_or(line)).trim().to_owned()
}

/// The number of octets of the first line that are searched for phrases. After them, a broker may echo a frame or a
/// stack trace.
const SEARCHED: usize = 1024;

fn contains(octets: &[u8], text: &str) -> bool {
    octets.windows(text.len().max(1)).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerError({self})")
    }
}

/// Displays the message and the first line of the body. They are escaped and shortened, since a broker may echo a frame
/// of the client there.
impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, detail) = (self.message(), self.detail());
        escape(&message, f)?;
        if detail.is_empty() || message.contains(&detail) {
            Ok(())
        } else {
            f.write_str(": ")?;
            escape(&detail, f)
        }
    }
}

/// Escapes what is not printable. Quotes are: RabbitMQ puts names into them.
fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    text.chars().try_for_each(|letter| match letter {
        '\'' | '"' => f.write_char(letter),
        _ => write!(f, "{}", letter.escape_debug()),
    })
}

/// The reason why a connection ended or was not established.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The broker refused a login that contains a backslash, or closed the connection instead of answering. Brokers do
    /// not agree on how to write a backslash in CONNECT.
    #[error("{}", backslash_refused(.error.as_ref(), .broke.as_ref(), *.sent))]
    BackslashRefused {
        /// The ERROR, if there was one.
        error: Option<ServerError>,
        /// The error of the transport, if it reported one.
        broke: Option<TransportFailure>,
        /// How the backslash was written.
        sent: ConnectEscaping,
    },
    /// Reading or writing failed before the broker answered CONNECT.
    #[error(
        "the connection broke before CONNECTED ({0}): is it a STOMP port without TLS, and is the login right?"
    )]
    BrokeBeforeConnected(TransportFailure),
    /// The broker closed the connection instead of answering CONNECT.
    #[error(
        "the broker closed the connection before CONNECTED: is it a STOMP port without TLS, and is the login right?"
    )]
    ClosedBeforeConnected,
    /// The broker did not answer CONNECT within this time.
    #[error("the broker accepted the connection and did not answer CONNECT within {}", seconds(.0))]
    ConnectedTimeout(Duration),
    /// The transport was not opened within this time.
    #[error("the connection was not made within {}: is the host reachable from here?", seconds(.0))]
    ConnectTimeout(Duration),
    /// The transport could not be opened.
    #[error("cannot connect: {reason}")]
    DialFailed {
        /// The error of the operating system or the TLS library.
        reason: TransportFailure,
        /// Whether another attempt cannot succeed.
        permanent: bool,
    },
    /// The driver that runs the session was dropped.
    #[error("the driver of the session was dropped")]
    DriverDropped,
    /// The broker closed the connection.
    #[error("the broker closed the connection")]
    Eof,
    /// Nothing was received from the broker for this time, which is too long.
    #[error("nothing was heard from the broker for {}", seconds(.0))]
    HeartBeat(Duration),
    /// Nothing was received from the broker for too long. It promised a heart-beat at this interval and has sent none
    /// on this connection.
    #[error("nothing was heard from the broker: it promised a heart-beat every {} and sent none", seconds(.0))]
    NoHeartBeats(Duration),
    /// Reading or writing failed.
    #[error("the connection broke: {0}")]
    Io(TransportFailure),
    /// The `heart-beat` header of CONNECTED is invalid.
    #[error("the broker's heart-beat header is invalid: \"{0}\"")]
    InvalidHeartBeat(String),
    /// The program, its runtime or the machine was suspended for this time, not for the first time, and nothing was
    /// received from the broker.
    #[error("time was reported {} too late, again, and nothing was heard from the broker", seconds(.0))]
    LocalStall(Duration),
    /// The application asked the session to leave the connection.
    #[error("the connection was left at the application's request")]
    Left,
    /// The broker has refused this login in words that are known, and it is not sent again for this time. Many accounts
    /// are locked after a few wrong logins. A different login is sent at once.
    #[error("the broker has refused this login, which is not sent again for {}: use another login to connect sooner", seconds(.0))]
    LoginHeldBack(Duration),
    /// The broker, or what stands before it, has refused the login before CONNECT: the handshake of a WebSocket was answered
    /// with the HTTP status 401 or 403.
    #[error("cannot connect: {0}")]
    LoginRefused(TransportFailure),
    /// The provider of credentials returned none.
    #[error("there are no credentials for the broker: {0}")]
    NoCredentials(String),
    /// The application disconnected the session.
    #[error("the session was disconnected")]
    Disconnected,
    /// The broker sent something that is not STOMP.
    #[error("{}", not_stomp(.0))]
    Protocol(ParseError),
    /// The broker answered CONNECT with an ERROR.
    #[error("the broker refused the connection: {0}")]
    Refused(ServerError),
    /// The broker sent an ERROR that names no frame of the client.
    #[error("the broker sent an ERROR: {0}")]
    ServerError(ServerError),
    /// The broker sent a frame that is not allowed at this point.
    #[error("the broker sent a {0} frame where none is allowed")]
    UnexpectedFrame(Command),
    /// The broker chose a version that was not offered.
    #[error("the broker chose STOMP version \"{0}\", which was not offered")]
    VersionMismatch(String),
}

impl Lost {
    /// Whether the broker said nothing.
    pub(crate) const fn is_silent(&self) -> bool {
        matches!(self, Self::Eof | Self::Io(_))
    }

    /// The ERROR that answered CONNECT.
    pub(crate) const fn refusal(&self) -> Option<&ServerError> {
        match self {
            Self::Refused(error) | Self::BackslashRefused { error: Some(error), .. } => Some(error),
            _ => None,
        }
    }
}

fn seconds(duration: &Duration) -> String {
    alloc::format!("{:.1} s", duration.as_secs_f64())
}

fn backslash_refused(
    error: Option<&ServerError>,
    broke: Option<&TransportFailure>,
    sent: ConnectEscaping,
) -> String {
    let answer = match (error, broke) {
        (Some(error), _) => alloc::format!("said: {error}"),
        (None, Some(broke)) => alloc::format!("closed the connection ({broke})"),
        (None, None) => "closed the connection".into(),
    };
    let hint = match sent {
        ConnectEscaping::Backslash => {
            "was sent doubled, as RabbitMQ and ActiveMQ expect: for Artemis, set Profile::ARTEMIS (?profile=artemis), or \
             ConnectEscaping::Literal in a profile"
        }
        ConnectEscaping::Literal => {
            "was sent as it is: for RabbitMQ and ActiveMQ, set ConnectEscaping::Backslash in the profile, and offer 1.1 or later"
        }
    };
    alloc::format!("the broker refused a login with a backslash and {answer}. The backslash {hint}")
}

fn gave_up(attempts: u32, broker: Option<&Endpoint>) -> String {
    match (attempts, broker) {
        (1, Some(broker)) => alloc::format!("no connection to {broker}"),
        (_, Some(broker)) => alloc::format!("no connection after {attempts} attempts, at {broker}"),
        (_, None) => "no connection".into(),
    }
}

fn not_stomp(error: &ParseError) -> String {
    let spoken = match error.excerpt.as_slice() {
        [0x15 | 0x16, 3, ..] => "TLS: use stomp+ssl://",
        excerpt if excerpt.starts_with(b"HTTP/") || excerpt.starts_with(b"<") => {
            "HTTP: STOMP has a port of its own, usually 61613, and a WebSocket is reached by ws://"
        }
        excerpt if excerpt.starts_with(b"AMQP") => "AMQP: RabbitMQ's STOMP port is usually 61613",
        _ => "",
    };
    match error.kind {
        ParseErrorKind::UnknownCommand | ParseErrorKind::CommandTooLong { .. } if !spoken.is_empty() => {
            alloc::format!("the broker speaks {spoken} ({error})")
        }
        _ => alloc::format!("the broker sent something that is not STOMP: {error}"),
    }
}

/// The outcome of a frame that asked for a RECEIPT.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "these are the outcomes there are")]
pub enum Outcome {
    /// The RECEIPT came: the broker has processed the frame.
    ///
    /// For a SEND, this promises neither that the message is durable, unless it is persistent, nor that anybody will
    /// read it.
    Confirmed,
    /// An ERROR that names the frame came: the broker has refused it.
    Rejected(ServerError),
    /// Nothing of the frame was handed to the transport, and nothing will be. The broker does not have it.
    NotSent(NotSent),
    /// Neither a RECEIPT nor an ERROR came. The broker may or may not have processed the frame.
    Unknown(Unknown),
}

/// The reason why a frame was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSent {
    /// The client's inbox is full to its hard limit, and the RECEIPT would come only after messages for which it has no
    /// room.
    #[error(
        "nothing was sent: {octets} octets of messages wait to be taken, and the RECEIPT would come after them: take \
         them first, or subscribe with a smaller prefetch"
    )]
    InboxFull {
        /// The number of octets in the inbox.
        octets: usize,
    },
    /// The connection ended before the frame was handed to the transport.
    #[error("nothing was sent: the connection ended first ({0})")]
    Lost(Lost),
    /// Nothing of the frame was handed to the transport within this time.
    #[error("nothing was sent: the frame could not leave within {}", seconds(.0))]
    Timeout(Duration),
    /// The frame cannot be written in the STOMP version of the connection that was established.
    #[error("nothing was sent: {0}")]
    Unwritable(CommandError),
}

/// The reason why an outcome is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unknown {
    /// Brokers closed connections without a word when this frame came, for more than a minute. The frame is not
    /// sent again.
    ///
    /// The frame was alone on each of these connections. Six of them count: the second at least 2 s after the first, and the
    /// next ones 4, 8, 16 and 32 s after the one before. They were at more than one broker, unless no other broker of the
    /// list has been connected within the last minute. A queue of RabbitMQ that elects its leader closes connections in the
    /// same way, for up to tens of seconds; a minute without such a close therefore begins the count anew.
    ///
    /// In the meantime the frame is tried alone after 2, 4 and 8 s, then every 10 s, and after one and a half minutes ever more
    /// rarely. Other frames do not wait for it.
    #[error(
        "the broker silently closed several connections when this frame came, and may have processed it: {0}"
    )]
    KillsConnection(Lost),
    /// The client's inbox is full to its hard limit. If the RECEIPT comes, it comes after messages for which there is
    /// no room.
    #[error(
        "{octets} octets of messages wait to be taken, and the RECEIPT comes after them: take them first, or subscribe \
         with a smaller prefetch; the broker may or may not have processed the frame"
    )]
    InboxFull {
        /// The number of octets in the inbox.
        octets: usize,
    },
    /// The connection ended before the RECEIPT came.
    #[error(
        "the connection ended before the RECEIPT came ({0}): the broker may or may not have processed the frame"
    )]
    Lost(Lost),
    /// No RECEIPT came within this time.
    #[error("no RECEIPT within {}: the broker may or may not have processed the frame", seconds(.0))]
    Timeout(Duration),
    /// No RECEIPT came in time, after refusals that were considered temporary.
    #[error("no RECEIPT within {}, the broker may or may not have processed the frame: {last}", seconds(.limit))]
    TimeoutAfter {
        /// The time limit.
        limit: Duration,
        /// The reason of the latest repetition.
        last: Box<Lost>,
    },
    /// The COMMIT was answered, but a frame of its transaction was refused. The other frames may or may not have taken
    /// effect.
    #[error(
        "a frame of the transaction was refused, and the broker may or may not have processed the others: {0}"
    )]
    PartRejected(ServerError),
    /// The frame was sent on an earlier connection, and cannot be written in the STOMP version of this one.
    #[error(
        "an earlier broker may or may not have processed the frame, and it cannot be sent to this one: {0}"
    )]
    Unwritable(CommandError),
}

const fn how_it_parted(confirmed: bool, closed: bool) -> &'static str {
    match (confirmed, closed) {
        (true, _) => "confirmed by the broker",
        (false, true) => "the broker closed the connection instead of confirming it",
        (false, false) => "unconfirmed",
    }
}

/// The reason why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// The application disconnected the session.
    #[error("the session was disconnected ({})", how_it_parted(*.confirmed, *.closed))]
    Disconnected {
        /// Whether the broker has confirmed the DISCONNECT, and with it everything that was sent before.
        confirmed: bool,
        /// Whether the broker, once the DISCONNECT was sent, closed the connection in good order instead of confirming it.
        /// Some brokers always do.
        closed: bool,
        /// The number of frames that were pending when the disconnect began and whose RECEIPT came.
        receipted: usize,
        /// The number of frames that were pending when the disconnect began and that were rejected, not sent, or not
        /// answered. Each of them had its [`Event::Receipt`](crate::Event::Receipt).
        ///
        /// If the broker closed the connection instead of confirming the DISCONNECT, this includes the SENDs without a
        /// receipt since the last frame whose RECEIPT came: it is unknown whether they have arrived.
        unreceipted: usize,
    },
    /// No broker could be reached any more.
    #[error("{}: {last}", gave_up(*.attempts, .broker.as_deref()))]
    GaveUp {
        /// The number of attempts that have failed in a row.
        attempts: u32,
        /// The broker to which `last` applies.
        broker: Option<Box<Endpoint>>,
        /// The last failure that a broker has answered with an ERROR, or the last failure if none has.
        last: Lost,
    },
    /// The driver that ran the session was dropped.
    #[error("the driver of the session was dropped")]
    DriverDropped,
    /// The same error ended three connections within ten minutes. This happens when a message that cannot be decoded is
    /// delivered again and again.
    #[error("three connections within ten minutes ended with the same error: {}", not_stomp(.0))]
    ProtocolErrorLoop(ParseError),
}

/// The reason why a subscription ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ended {
    /// The queue that the subscription [browses](crate::Profile::browse_end) has been shown to its end.
    #[error("the queue has been browsed to its end")]
    Browsed,
    /// The session has ended.
    #[error("{0}")]
    Closed(Closed),
    /// The broker refused the subscription, or ended it later.
    #[error("the broker ended the subscription: {0}")]
    Rejected(ServerError),
    /// Brokers closed connections without a word while the SUBSCRIBE was alone on them, for more than a minute: see
    /// [`Unknown::KillsConnection`].
    ///
    /// This ends only a subscription that was never accepted, or one that its owner does not want
    /// [to be sent again](crate::Subscribe::retry). Any other is tried ever more rarely, for as long as the session lives.
    #[error("the broker silently closed the connection when it was asked to subscribe: {0}")]
    KillsConnection(Lost),
    /// The application unsubscribed.
    #[error("unsubscribed")]
    Unsubscribed,
    /// The SUBSCRIBE cannot be written in the STOMP version of the new connection.
    #[error("the subscription cannot be written: {0}")]
    Unwritable(CommandError),
}

/// Converts the error of a CONNECTED into the reason why the connection is lost.
impl From<FrameError> for Lost {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::InvalidHeartBeat(value) => Self::InvalidHeartBeat(value),
            FrameError::VersionMismatch(version) => Self::VersionMismatch(version),
            FrameError::MissingHeader { command, .. }
            | FrameError::NotInVersion { command, .. }
            | FrameError::WrongCommand { found: command, .. } => Self::UnexpectedFrame(command),
        }
    }
}
