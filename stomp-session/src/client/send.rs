//! Sending: a builder and the future that it becomes, and messages that are prepared once, to be sent with many bodies.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use stomp_proto::{Command, Frame, Headers, Version};

use super::{
    admission::Started,
    error::SendError,
    outgoing::{Admitted, Content, How, Mode, ParkedId, SharedFrame},
    shared::Shared,
};
use crate::{CommandError, ReceiptId, Session, TransactionId};

/// The client sets this header itself. With a second one, the frame cannot be written.
const DESTINATION: &str = "destination";

/// A builder of a message. Await it to send the message.
///
/// It can be cloned, so that what several messages have in common is set once:
///
/// ```
/// # async fn example(client: &stomp_session::client::Client) -> Result<(), stomp_session::client::SendError> {
/// let order = client.send("/queue/orders", "").header("priority", "9").persistent().confirmed();
/// for body in ["one coffee", "two teas"] {
///     order.clone().body(body).await?;
/// }
/// # Ok(()) }
/// ```
#[must_use = "nothing is sent until it is awaited"]
#[derive(Clone, Debug)]
pub struct SendBuilder {
    pub(super) shared: Arc<Shared>,
    pub(super) frame: Frame,
    pub(super) how: How,
}

impl SendBuilder {
    pub(super) fn new(shared: Arc<Shared>, destination: &str, body: Bytes) -> Self {
        let mut frame = Frame::new(Command::Send).with_body(body);
        frame.headers_mut().push(DESTINATION, destination);
        Self { shared, frame, how: How::default() }
    }

    pub(super) const fn in_transaction(mut self, transaction: TransactionId) -> Self {
        self.how.transaction = Some(transaction);
        self
    }

    /// Replaces the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.frame = self.frame.with_body(body);
        self
    }

    /// Sets a header. It replaces all headers with that name, because receivers use the first one and may ignore the
    /// others (STOMP 1.2, "Repeated Header Entries").
    ///
    /// The headers `destination`, `receipt` and `transaction` are set by the client. If they are set here, the send
    /// fails with a [`CommandError`].
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let headers = self.frame.headers_mut();
        match name.as_ref() == DESTINATION.as_bytes() {
            true => headers.push(name, value),
            false => headers.set(name, value),
        }
        self
    }

    /// Adds a header even if there is one with that name. Receivers use the first one (STOMP 1.2, "Repeated Header
    /// Entries").
    pub fn append_header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.frame.headers_mut().push(name, value);
        self
    }

    /// Sets several headers. They replace all headers with their names. Repeated names within `headers` are kept.
    pub fn headers(mut self, headers: &Headers) -> Self {
        let own = self.frame.headers_mut();
        let named = headers.iter().filter(|(name, _)| *name != *DESTINATION);
        named.for_each(|(name, _)| own.remove(name.octets()));
        headers.iter().for_each(|(name, value)| own.push(name.octets(), value.octets()));
        self
    }

    /// Adds `persistent:true`, so that the message survives a restart of the broker if the queue does.
    ///
    /// Without it, even a confirmed message may be lost.
    pub fn persistent(self) -> Self {
        self.header("persistent", "true")
    }

    /// Sends the message to a queue, whatever the name of the destination looks like.
    ///
    /// Otherwise Artemis takes every destination for a topic, and a message to a topic without subscribers is confirmed
    /// and lost. Other brokers pass the header on.
    pub fn to_queue(self) -> Self {
        self.header("destination-type", "ANYCAST")
    }

    /// Omits `content-length`, so that ActiveMQ passes the message to JMS consumers as text.
    ///
    /// The body must not contain a NUL.
    pub fn text(mut self) -> Self {
        self.frame = self.frame.without_content_length();
        self
    }

    /// Waits for the broker's RECEIPT.
    ///
    /// A RECEIPT is no promise that anybody will receive the message. It is also no promise that the message survives a
    /// restart of the broker, unless the message is [persistent](Self::persistent).
    pub fn confirmed(mut self) -> Self {
        self.how.mode = Mode::Confirmed;
        self
    }

    /// Sends the message until a broker has confirmed it, over any number of connections.
    ///
    /// The message does not wait for a connection and is persistent. It may arrive more than once, and carries an id by
    /// which Artemis recognises copies. It is given up after [`timeout`](Self::timeout), or
    /// [`Builder::at_least_once_timeout`](super::Builder::at_least_once_timeout) if none is set.
    /// [`Session::send_at_least_once`](crate::Session::send_at_least_once) describes the details.
    ///
    /// If brokers close each connection without a word when the message comes, for more than a minute and at more than one
    /// broker of the list, it is given up earlier, with
    /// [`Unknown::KillsConnection`](crate::Unknown::KillsConnection). Other messages do not wait for it.
    ///
    /// The message is kept in memory, so a crash of the process loses it. The kept messages are limited by
    /// [`Builder::at_least_once_messages`](super::Builder::at_least_once_messages) and
    /// [`Builder::at_least_once_octets`](super::Builder::at_least_once_octets). Beyond these limits, the message waits
    /// until others are confirmed, for at most [`Builder::send_timeout`](super::Builder::send_timeout) unless
    /// [`timeout`](Self::timeout) is set. If it is [immediate](Self::immediate), it fails instead.
    pub const fn at_least_once(mut self) -> Self {
        self.how.mode = Mode::AtLeastOnce { ordered: false };
        self
    }

    /// Sends the message [at least once](Self::at_least_once), and only after the RECEIPT of the previous ordered
    /// message to the same destination has come.
    ///
    /// Otherwise, copies of several messages may be in a queue in the order A B A.
    pub const fn ordered(mut self) -> Self {
        self.how.mode = Mode::AtLeastOnce { ordered: true };
        self
    }

    /// Fails at once instead of waiting for a connection or for room.
    ///
    /// The error is [`CommandError::NotConnected`], [`SendError::Full`] or
    /// [`CommandError::AtLeastOnceFull`].
    pub const fn immediate(mut self) -> Self {
        self.how.immediate = true;
        self
    }

    /// Resolves at once, and leaves the message to wait for a connection with room.
    ///
    /// The message waits among the other sends and in their order, for as long as [`timeout`](Self::timeout) or
    /// [`Builder::send_timeout`](super::Builder::send_timeout) allows. If the messages that wait would then have more
    /// octets than [`Builder::outbound_budget`](super::Builder::outbound_budget), the send fails with
    /// [`SendError::Full`].
    ///
    /// The message is held in memory only. [`Client::disconnect`](super::Client::disconnect) waits for it. If its time
    /// passes, or the session ends otherwise, it is not sent, and only
    /// [`Notice::SendFailed`](super::Notice::SendFailed) reports this. Use [`at_least_once`](Self::at_least_once) for
    /// messages that must arrive. This option has no effect on a message that is to be confirmed or that belongs to a
    /// transaction.
    pub const fn buffered(mut self) -> Self {
        self.how.buffered = true;
        self
    }

    /// Sets the time limit for the whole send, counted from the first poll: the waits for a connection with room, for
    /// the transport and for the RECEIPT.
    ///
    /// By default, [`Builder::send_timeout`](super::Builder::send_timeout) limits the first wait and
    /// [`Builder::timeout`](super::Builder::timeout) the others. In any case, the broker has
    /// [`Builder::receipt_timeout`](super::Builder::receipt_timeout) for the RECEIPT once the whole message was handed
    /// to the transport.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.how.timeout = Some(timeout);
        self
    }
}

impl IntoFuture for SendBuilder {
    type Output = Result<(), SendError>;
    type IntoFuture = Sending;

    fn into_future(self) -> Sending {
        let Self { shared, frame, how } = self;
        Sending::new(shared, Content::Frame(frame), how)
    }
}

/// The future of a [`SendBuilder`].
///
/// The message waits for a connection with room, in the order of the first polls. It is then sent whether this future
/// is polled again or not. If a confirmation was asked for, the future waits for the RECEIPT.
///
/// This future is cancel safe. If it is dropped before anything of the message was handed to the transport, nothing is
/// sent. If it is dropped later, the message may be stored, and is not sent again.
#[must_use = "nothing is sent until it is awaited"]
#[derive(Debug)]
pub struct Sending {
    shared: Arc<Shared>,
    stage: Stage,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a box would be an allocation for each send")]
enum Stage {
    /// The content is dropped with this stage, outside the lock: its body may run any code when it is dropped.
    New {
        content: Content,
        how: How,
    },
    Sent(Awaits),
}

/// What a send waits for whose content was taken.
#[derive(Clone, Copy, Debug)]
enum Awaits {
    Admission(ParkedId),
    Receipt(ReceiptId),
    Nothing,
}

impl Future for Sending {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Self { shared, stage } = &mut *self;
        let (awaits, polled) = match stage {
            Stage::New { content, how } => {
                match shared.with(|inner| inner.start_send(&shared.settings, content, *how, cx.waker())) {
                    Ok(Started::Parked(id)) => (Awaits::Admission(id), Poll::Pending),
                    Ok(Started::Admitted(Admitted::Receipt(id))) => (Awaits::Receipt(id), Poll::Pending),
                    Ok(Started::Admitted(_)) => (Awaits::Nothing, Poll::Ready(Ok(()))),
                    Err(error) => (Awaits::Nothing, Poll::Ready(Err(error))),
                }
            }
            Stage::Sent(Awaits::Admission(id)) => {
                let waker = cx.waker().clone();
                match ready!(shared.with(|inner| inner.poll_parked(*id, waker))) {
                    Ok(Admitted::Receipt(id)) => poll_receipt(shared, id, cx),
                    Ok(_) => (Awaits::Nothing, Poll::Ready(Ok(()))),
                    Err(error) => (Awaits::Nothing, Poll::Ready(Err(error.into()))),
                }
            }
            Stage::Sent(Awaits::Receipt(id)) => poll_receipt(shared, *id, cx),
            Stage::Sent(Awaits::Nothing) => return Poll::Pending,
        };
        *stage = Stage::Sent(awaits);
        polled
    }
}

/// Waits for an outcome.
fn poll_receipt(shared: &Shared, id: ReceiptId, cx: &Context<'_>) -> (Awaits, Poll<Result<(), SendError>>) {
    match shared.with(|inner| inner.poll_receipt(id, cx.waker())) {
        Some(outcome) => (Awaits::Nothing, Poll::Ready(SendError::from_outcome(outcome))),
        None => (Awaits::Receipt(id), Poll::Pending),
    }
}

impl Sending {
    pub(super) const fn new(shared: Arc<Shared>, content: Content, how: How) -> Self {
        Self { shared, stage: Stage::New { content, how } }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        match self.stage {
            Stage::Sent(Awaits::Admission(id)) => self.shared.with(|inner| inner.forget_parked(id)),
            Stage::Sent(Awaits::Receipt(id)) => self.shared.with(|inner| inner.forget_receipt(id)),
            Stage::New { .. } | Stage::Sent(Awaits::Nothing) => {}
        }
    }
}

/// A message whose headers are checked and escaped once, to be sent with many bodies.
///
/// [`SendBuilder::prepare`] creates one.
///
/// ```
/// # async fn example(client: &stomp_session::client::Client) -> Result<(), stomp_session::client::SendError> {
/// let order = client.send("/queue/orders", "").header("priority", "9").persistent().confirmed().prepare()?;
/// for body in ["one coffee", "two teas"] {
///     order.send(body).await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct PreparedSend {
    shared: Arc<Shared>,
    frame: SharedFrame,
    how: How,
}

impl PreparedSend {
    /// Sends the message with this body when the returned future is awaited.
    ///
    /// A message that is sent [at least once](SendBuilder::at_least_once) or that belongs to a transaction has headers
    /// of its own, which are written each time.
    pub fn send(&self, body: impl Into<Bytes>) -> Sending {
        let content = Content::Prepared { frame: Arc::clone(&self.frame), body: body.into() };
        Sending::new(Arc::clone(&self.shared), content, self.how)
    }
}

impl SendBuilder {
    /// Checks and escapes the headers, for any number of messages that differ only in their body.
    ///
    /// The body of this builder is not sent. Compared with a clone of the builder for each message, this saves writing
    /// the headers each time.
    ///
    /// # Errors
    /// Returns [`CommandError::Encode`] if the headers cannot be written in the STOMP version of the connection, or
    /// without a connection, in the newest version that is offered. If a later connection has another version in which
    /// they cannot be written, the send fails.
    pub fn prepare(self) -> Result<PreparedSend, CommandError> {
        let Self { shared, frame, how } = self;
        let version = shared.with(|inner| version(&inner.session));
        let frame = frame.prepare(version)?;
        Ok(PreparedSend { shared, frame: Arc::new(Mutex::new(frame)), how })
    }
}

/// The version of the connection, or without one the newest that is offered.
pub(super) fn version(session: &Session) -> Version {
    let offered = session.config().versions.iter().max().copied();
    let connected = session.connection().map(|connection| connection.version);
    connected.or(offered).unwrap_or(Version::V1_2)
}
