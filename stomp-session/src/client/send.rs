//! Sending: a builder, and the future it becomes.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use stomp_proto::{Command, Frame, Headers};

use super::{
    admission::Started,
    content::Content,
    error::SendError,
    parked::{Admitted, ParkedId},
    shared::Shared,
    terms::{How, Mode},
};
use crate::{ReceiptId, TransactionId};

/// What the client sets itself: a second one is an error, when the frame is written.
const DESTINATION: &str = "destination";

/// A message to be sent. Add to it, then `.await` it.
///
/// It can be cloned, so that what many messages have in common is said once:
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
        let frame = Frame::new(Command::Send).with_header(DESTINATION, destination).with_body(body);
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

    /// Sets a header, in place of all that had its name: a receiver takes the first of a name and may ignore the others
    /// (STOMP 1.2, "Repeated Header Entries"). What the client sets itself stays: another `destination`, `receipt` or
    /// `transaction` makes the send fail with a [`CommandError`](crate::CommandError).
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let headers = self.frame.headers_mut();
        match name.as_ref() == DESTINATION.as_bytes() {
            true => headers.push(name, value),
            false => headers.set(name, value),
        }
        self
    }

    /// Adds a header, whether there is one of that name or not: a list for those who read all of a name. The first stays
    /// the one that counts.
    pub fn append_header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.frame.headers_mut().push(name, value);
        self
    }

    /// Sets several headers, in place of all that had their names. Repeats among them are kept.
    pub fn headers(mut self, headers: &Headers) -> Self {
        let own = self.frame.headers_mut();
        let named = headers.iter().filter(|(name, _)| *name != *DESTINATION);
        named.for_each(|(name, _)| own.remove(name.octets()));
        headers.iter().for_each(|(name, value)| own.push(name.octets(), value.octets()));
        self
    }

    /// `persistent:true`: a message that survives the broker's restart, where the queue does. Without it even a confirmed
    /// message may be gone.
    pub fn persistent(self) -> Self {
        self.header("persistent", "true")
    }

    /// To a queue, whatever its name looks like. Artemis takes every destination for a topic otherwise, and what is sent to a
    /// topic while nobody listens is confirmed and gone. The other brokers hand the header on.
    pub fn to_queue(self) -> Self {
        self.header("destination-type", "ANYCAST")
    }

    /// Without `content-length`: ActiveMQ hands such a message to JMS consumers as text. The body must not hold a NUL.
    pub fn text(mut self) -> Self {
        self.frame = self.frame.without_content_length();
        self
    }

    /// Waits for the broker's RECEIPT. `Ok` is what the broker says: of a message that is not
    /// [persistent](Self::persistent) it is no promise that it outlives the broker, and of none that anybody will read it.
    pub fn confirmed(mut self) -> Self {
        self.how.mode = Mode::Confirmed;
        self
    }

    /// Sent until a broker has confirmed it, over any number of connections: kept, in memory, within the bounds of
    /// [`Builder::at_least_once_messages`](super::Builder::at_least_once_messages) and
    /// [`Builder::at_least_once_octets`](super::Builder::at_least_once_octets), beyond which it waits for others to be confirmed
    /// ([`Builder::send_timeout`](super::Builder::send_timeout)), or fails if it is [immediate](Self::immediate). It does not
    /// wait for a connection, is persistent, may arrive more than once, and carries an id by which Artemis tells copies. It is
    /// given up after [`timeout`](Self::timeout), or
    /// [`Builder::at_least_once_timeout`](super::Builder::at_least_once_timeout); a crash of this process loses it. See
    /// [`Session::send_at_least_once`](crate::Session::send_at_least_once).
    pub const fn at_least_once(mut self) -> Self {
        self.how.mode = Mode::AtLeastOnce { ordered: false };
        self
    }

    /// [At least once](Self::at_least_once), and after the one before it to the same destination that was sent so, one at a
    /// time: copies of several may stand in a queue as A B A otherwise.
    pub const fn ordered(mut self) -> Self {
        self.how.mode = Mode::AtLeastOnce { ordered: true };
        self
    }

    /// Fails at once with [`CommandError::NotConnected`](crate::CommandError::NotConnected), [`SendError::Full`] or
    /// [`CommandError::AtLeastOnceFull`](crate::CommandError::AtLeastOnceFull), where it would have to wait for a connection
    /// or for room.
    pub const fn immediate(mut self) -> Self {
        self.how.immediate = true;
        self
    }

    /// Returns at once, and leaves the message to wait for a connection with room by itself, among the other sends and in
    /// their order, for as long as [`timeout`](Self::timeout) or [`Builder::send_timeout`](super::Builder::send_timeout)
    /// says. If more octets than [`Builder::outbound_budget`](super::Builder::outbound_budget) already wait like this, it
    /// fails with [`SendError::Full`].
    ///
    /// The message is held in memory only. [`Client::disconnect`](super::Client::disconnect) waits for it. If its time runs
    /// out, or the session ends otherwise, it is not sent, and only
    /// [`Notice::SendFailed`](super::Notice::SendFailed) reports it. Use [`at_least_once`](Self::at_least_once) for
    /// messages that must arrive. A message that is to be confirmed, or that belongs to a transaction, is awaited as usual.
    pub const fn buffered(mut self) -> Self {
        self.how.buffered = true;
        self
    }

    /// How long all of it may take from the first poll on: the wait for a connection with room, for the transport, for the
    /// RECEIPT. Unless it is said here, [`Builder::send_timeout`](super::Builder::send_timeout) bounds the first and
    /// [`Builder::timeout`](super::Builder::timeout) the rest. For the RECEIPT alone, once all of the message has left, the
    /// broker has [`Builder::receipt_timeout`](super::Builder::receipt_timeout).
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
/// The message waits for a connection with room, in the order of the first polls, and leaves whether this future is polled
/// again or not; then, if confirmation was asked for, the future waits for the RECEIPT. Cancel safe: dropped before anything
/// of the message has left, nothing is sent; dropped later, the message may be stored, and is not sent again.
#[must_use = "nothing is sent until it is awaited"]
#[derive(Debug)]
pub struct Sending {
    shared: Arc<Shared>,
    stage: Stage,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a box would be an allocation for each send")]
enum Stage {
    /// The content is dropped with this stage, outside the lock: its body is not ours and may run anything then.
    New {
        content: Content,
        how: How,
    },
    Parked(ParkedId),
    Receipt(ReceiptId),
    Done,
}

impl Future for Sending {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Self { shared, stage } = &mut *self;
        let admitted = match stage {
            Stage::New { content, how } => {
                match shared.with(|inner| inner.start_send(&shared.settings, content, *how, cx.waker())) {
                    Ok(Started::Parked(id)) => {
                        *stage = Stage::Parked(id);
                        return Poll::Pending;
                    }
                    Ok(Started::Admitted(admitted)) => Ok(admitted),
                    Err(error) => Err(error),
                }
            }
            Stage::Parked(id) => {
                let waker = cx.waker().clone();
                ready!(shared.with(|inner| inner.poll_parked(*id, waker))).map_err(SendError::from)
            }
            Stage::Receipt(id) => Ok(Admitted::Receipt(*id)),
            Stage::Done => return Poll::Pending,
        };
        *stage = Stage::Done;
        let Admitted::Receipt(id) = admitted? else { return Poll::Ready(Ok(())) };
        let waker = cx.waker().clone();
        let outcome = shared.with(|inner| inner.poll_receipt(id, waker));
        if outcome.is_none() {
            *stage = Stage::Receipt(id);
        }
        outcome.map_or(Poll::Pending, |outcome| Poll::Ready(SendError::from_outcome(outcome)))
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
            Stage::Parked(id) => self.shared.with(|inner| inner.forget_parked(id)),
            Stage::Receipt(id) => self.shared.with(|inner| inner.forget_receipt(id)),
            Stage::New { .. } | Stage::Done => {}
        }
    }
}
