//! A received message: a MESSAGE frame and its origin, which is needed to settle it.

use alloc::borrow::Cow;

use bytes::Bytes;
#[cfg(feature = "client")]
use stomp_proto::Excess;
use stomp_proto::{AckMode, Command, Frame, Headers, Text};

use super::{
    error::CommandError,
    ids::{ConnectionId, Number, Owner, SubscriptionId},
};

/// A received message.
///
/// It is a slice of a read buffer. To keep a message for long, call [`Message::into_owned`]. To settle it later without
/// its body, keep its [`AckToken`].
#[derive(Debug)]
pub struct Message {
    frame: Frame,
    arrival: Arrival,
}

/// A token that settles a message after the message itself is gone, returned by [`Message::ack_token`].
///
/// It holds copies of the headers that an acknowledgement names, but neither the body nor a read buffer.
///
/// ```
/// # use stomp_session::{CommandError, Message, Session};
/// # fn example(session: &mut Session, message: Message) -> Result<(), CommandError> {
/// let mut token = message.ack_token();
/// let body = message.into_frame();
/// // … later, wherever the body has gone:
/// session.ack(&mut token)
/// # }
/// ```
#[derive(Debug)]
pub struct AckToken {
    /// Without its body, and with no header but those that an acknowledgement names.
    frame: Frame,
    arrival: Arrival,
}

/// A [`Message`] or its [`AckToken`], which can be acknowledged, refused or given back.
///
/// This trait is sealed: no other type implements it.
pub trait Settle: Arrived {
    /// Returns the connection on which the message came.
    fn connection(&self) -> ConnectionId {
        self.arrival().connection()
    }

    /// Returns the subscription to which the message belongs.
    fn subscription(&self) -> SubscriptionId {
        self.arrival().subscription()
    }

    /// Returns `true` if the message must be acknowledged.
    fn needs_ack(&self) -> bool {
        self.arrival().needs_ack()
    }

    /// Returns `true` if the message was acknowledged or rejected through this value.
    fn is_settled(&self) -> bool {
        self.arrival().settled
    }
}

/// A message that others hold as well.
#[cfg(feature = "client")]
#[derive(Debug)]
pub(crate) struct SharedMessage<'a> {
    frame: &'a Frame,
    arrival: Arrival,
}

#[cfg(feature = "client")]
impl Settle for SharedMessage<'_> {}
impl Settle for Message {}
impl Settle for AckToken {}

impl Message {
    pub(crate) const fn new(frame: Frame, arrival: Arrival) -> Self {
        Self { frame, arrival }
    }

    /// Creates a message that was not received from a broker, for tests of code that handles messages.
    ///
    /// It belongs to no session, so that settling it fails with
    /// [`CommandError::OtherSession`].
    ///
    /// ```
    /// use stomp_session::{Message, Settle, proto::{Command, Frame}};
    ///
    /// let frame = Frame::new(Command::Message).with_header("destination", "/queue/a").with_body("hello");
    /// let message = Message::detached(frame);
    /// assert_eq!(message.text(), Ok("hello"));
    /// assert!(message.needs_ack());
    /// ```
    #[must_use]
    pub fn detached(frame: Frame) -> Self {
        let nobody = Number::default();
        Self::new(frame, Arrival::new(ConnectionId(nobody), SubscriptionId(nobody), AckMode::default(), 0))
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.frame.body()
    }

    /// Returns the body as UTF-8 text.
    ///
    /// STOMP states the encoding of a body only in `content-type`, which is not consulted.
    ///
    /// # Errors
    /// Returns an error if the body is not UTF-8. Its octets are still available from [`body`](Self::body).
    pub fn text(&self) -> Result<&str, core::str::Utf8Error> {
        core::str::from_utf8(self.body())
    }

    /// Returns the body as [`Bytes`], for example to send it on. Nothing is copied.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        self.frame.body_bytes()
    }

    /// Returns the value of the first header with this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Text<'_>> {
        self.frame.header(name)
    }

    /// Returns the value of the first header with that name as text, borrowed unless it has escapes to undo.
    ///
    /// Returns `None` also if the value is not UTF-8; [`header`](Self::header) gives its octets.
    #[must_use]
    pub fn header_str(&self, name: &str) -> Option<Cow<'_, str>> {
        self.frame.header_str(name)
    }

    /// Returns the headers.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        self.frame.headers()
    }

    /// Returns the whole frame.
    #[must_use]
    pub const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Converts the message into its frame.
    ///
    /// The message can then be settled only through an [`ack_token`](Self::ack_token) taken before. If nothing will
    /// settle it, call [`give_back`](crate::Session::give_back) first.
    #[must_use]
    pub fn into_frame(self) -> Frame {
        self.frame
    }

    /// Returns a token that settles this message after it is gone. This copies a few short headers.
    ///
    /// Only the first settlement through the message or one of its tokens counts. Each later one fails with
    /// [`CommandError::AlreadySettled`].
    #[must_use]
    pub fn ack_token(&self) -> AckToken {
        let names = ["message-id", "subscription", "ack"];
        let found = names.into_iter().filter_map(|name| Some((name, self.header(name)?)));
        let empty = Frame::new(Command::Message);
        let frame = found.fold(empty, |frame, (name, value)| frame.with_header(name, value.octets()));
        AckToken { frame, arrival: self.arrival }
    }

    /// Returns the connection on which the message came.
    #[must_use]
    pub const fn connection(&self) -> ConnectionId {
        self.arrival.connection()
    }

    /// Returns the subscription to which the message belongs.
    #[must_use]
    pub const fn subscription(&self) -> SubscriptionId {
        self.arrival.subscription()
    }

    /// Returns `true` if the message must be acknowledged.
    #[must_use]
    pub const fn needs_ack(&self) -> bool {
        self.arrival.needs_ack()
    }

    /// Returns `true` if the message was acknowledged or rejected through this value.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.arrival.settled
    }

    /// Copies the headers and the body, so that the message no longer keeps a read buffer alive.
    #[must_use]
    pub fn into_owned(self) -> Self {
        Self { frame: self.frame.into_owned(), ..self }
    }

    /// This message for one settlement, although others hold it as well.
    #[cfg(feature = "client")]
    pub(crate) const fn shared(&self) -> SharedMessage<'_> {
        SharedMessage { frame: &self.frame, arrival: self.arrival }
    }

    /// Says that it was settled through another value.
    #[cfg(feature = "client")]
    pub(crate) const fn note_settled(&mut self) {
        self.arrival.settled = true;
    }

    #[cfg(feature = "client")]
    pub(crate) fn make_owned(&mut self) {
        let frame = core::mem::replace(&mut self.frame, Frame::new(Command::Message));
        self.frame = frame.into_owned();
    }

    /// Says what was over a limit. The length is kept where the body would be, of which nothing was kept.
    #[cfg(feature = "client")]
    pub(crate) fn set_excess(&mut self, excess: Excess) {
        let is_body = matches!(excess, Excess::Body { .. });
        self.arrival.over = Some(if is_body { Over::Body } else { Over::Headers });
        self.set_body(Bytes::copy_from_slice(&excess.length().to_be_bytes()));
    }

    /// Whether it was over a limit.
    #[cfg(feature = "client")]
    pub(crate) const fn is_over(&self) -> bool {
        self.arrival.over.is_some()
    }

    /// What was over a limit, if it was [said](Self::set_excess). The message has an empty body from then on.
    #[cfg(feature = "client")]
    #[inline]
    pub(crate) fn take_excess(&mut self) -> Option<Excess> {
        let over = self.arrival.over.take()?;
        let length = self.body().try_into().map(u64::from_be_bytes).unwrap_or_default();
        self.set_body(Bytes::new());
        Some(match over {
            Over::Body => Excess::Body { length },
            Over::Headers => Excess::Headers { length },
        })
    }

    #[cfg(feature = "client")]
    fn set_body(&mut self, body: Bytes) {
        let frame = core::mem::replace(&mut self.frame, Frame::new(Command::Message));
        self.frame = frame.with_body(body);
    }

    /// Returns the number of octets that the message occupies in memory: the size of its frame and of this value.
    #[must_use]
    pub fn size(&self) -> usize {
        self.frame.size().saturating_add(size_of::<Self>())
    }
}

impl Arrived for Message {
    fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    fn arrival_mut(&mut self) -> &mut Arrival {
        &mut self.arrival
    }

    fn frame(&self) -> &Frame {
        &self.frame
    }
}

#[cfg(feature = "client")]
impl Arrived for SharedMessage<'_> {
    fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    fn arrival_mut(&mut self) -> &mut Arrival {
        &mut self.arrival
    }

    fn frame(&self) -> &Frame {
        self.frame
    }
}

impl Arrived for AckToken {
    fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    fn arrival_mut(&mut self) -> &mut Arrival {
        &mut self.arrival
    }

    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// Where a message came from, and whether it is settled.
#[derive(Clone, Copy, Debug)]
#[expect(unnameable_types, reason = "seen by a sealed trait alone")]
pub struct Arrival {
    connection: u64,
    subscription: u64,
    /// Counts the messages of its connection that need an acknowledgement.
    pub(crate) delivery: u64,
    owner: Owner,
    ack_mode: AckMode,
    pub(crate) settled: bool,
    /// What was over a limit, if anything was: the message has no body then.
    #[cfg(feature = "client")]
    over: Option<Over>,
}

/// What of a message was over a limit.
#[derive(Clone, Copy, Debug)]
#[cfg(feature = "client")]
enum Over {
    Body,
    Headers,
}

impl Arrival {
    pub(crate) const fn new(
        connection: ConnectionId,
        subscription: SubscriptionId,
        ack_mode: AckMode,
        delivery: u64,
    ) -> Self {
        let Number { value, owner } = connection.0;
        let (connection, subscription) = (value, subscription.0.value);
        Self {
            connection,
            subscription,
            delivery,
            owner,
            ack_mode,
            settled: false,
            #[cfg(feature = "client")]
            over: None,
        }
    }

    const fn number(&self, value: u64) -> Number {
        Number { value, owner: self.owner }
    }

    pub(crate) const fn connection(&self) -> ConnectionId {
        ConnectionId(self.number(self.connection))
    }

    pub(crate) const fn subscription(&self) -> SubscriptionId {
        SubscriptionId(self.number(self.subscription))
    }

    const fn needs_ack(&self) -> bool {
        !matches!(self.ack_mode, AckMode::Auto)
    }

    /// Whether settling it may settle those before it.
    pub(crate) const fn is_cumulative(&self) -> bool {
        matches!(self.ack_mode, AckMode::Client)
    }

    /// Whether it is there to be settled at all.
    pub(crate) const fn check_settle(&self) -> Result<(), CommandError> {
        match self.ack_mode {
            _ if self.settled => Err(CommandError::AlreadySettled),
            AckMode::Auto => Err(CommandError::NotAcknowledged),
            _ => Ok(()),
        }
    }
}

/// What has an arrival: a message, or its token.
#[expect(unnameable_types, reason = "sealed: nothing else can be settled")]
pub trait Arrived {
    fn arrival(&self) -> &Arrival;
    fn arrival_mut(&mut self) -> &mut Arrival;
    /// Has the headers that an acknowledgement names.
    fn frame(&self) -> &Frame;
}
