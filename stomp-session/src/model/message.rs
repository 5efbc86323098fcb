//! A message: a MESSAGE frame, and where it came from.

use bytes::Bytes;
use stomp_proto::{AckMode, Command, Frame, Headers, Text};

use super::{
    arrival::{Arrival, Arrived},
    ids::{ConnectionId, Number, SubscriptionId},
};

/// A received message.
///
/// It is a slice of a read buffer. To keep it for long, call [`Message::into_owned`]; to settle it later and no more, keep
/// its [`AckToken`].
#[derive(Debug)]
pub struct Message {
    frame: Frame,
    arrival: Arrival,
}

/// What is needed to settle a message when the message itself is gone: see [`Message::ack_token`].
///
/// It holds copies of the headers that an acknowledgement names, and neither the body nor a read buffer.
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

/// A [`Message`] or its [`AckToken`]: what can be acknowledged, refused or given back.
///
/// Nothing else is one.
pub trait Settle: Arrived {
    /// The connection on which the message came.
    fn connection(&self) -> ConnectionId {
        self.arrival().connection()
    }

    /// The subscription for which it came.
    fn subscription(&self) -> SubscriptionId {
        self.arrival().subscription()
    }

    /// Whether it must be acknowledged.
    fn needs_ack(&self) -> bool {
        self.arrival().needs_ack()
    }

    /// Whether it was acknowledged or rejected by means of this value.
    fn is_settled(&self) -> bool {
        self.arrival().settled
    }
}

impl Settle for Message {}
impl Settle for AckToken {}

impl Message {
    pub(crate) const fn new(frame: Frame, arrival: Arrival) -> Self {
        Self { frame, arrival }
    }

    /// A message that never came, for tests of what handles one. It belongs to no session: to settle it is
    /// [`CommandError::OtherSession`](crate::CommandError::OtherSession).
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

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.frame.body()
    }

    /// The body as text. STOMP says nothing of its encoding but what `content-type` says: this takes UTF-8.
    ///
    /// # Errors
    /// When it is none; [`body`](Self::body) has its octets all the same.
    pub fn text(&self) -> Result<&str, core::str::Utf8Error> {
        core::str::from_utf8(self.body())
    }

    /// The body, to send on: a slice of what the message is, nothing is copied.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        self.frame.body_bytes()
    }

    /// The value of the first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Text<'_>> {
        self.frame.header(name)
    }

    /// All headers.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        self.frame.headers()
    }

    /// The whole frame.
    #[must_use]
    pub const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Returns the frame. The message can no longer be settled, unless its [`ack_token`](Self::ack_token) was taken before;
    /// if nobody will settle it, [give it back](crate::Session::give_back) first.
    #[must_use]
    pub fn into_frame(self) -> Frame {
        self.frame
    }

    /// Returns what settles this message when it is gone. It copies a few short headers. Of the message and its tokens
    /// the first that is settled counts; the others are [`CommandError::AlreadySettled`](crate::CommandError::AlreadySettled).
    #[must_use]
    pub fn ack_token(&self) -> AckToken {
        let names = ["message-id", "subscription", "ack"];
        let found = names.into_iter().filter_map(|name| Some((name, self.header(name)?)));
        let empty = Frame::new(Command::Message);
        let frame = found.fold(empty, |frame, (name, value)| frame.with_header(name, value.octets()));
        AckToken { frame, arrival: self.arrival }
    }

    /// The connection on which it came.
    #[must_use]
    pub const fn connection(&self) -> ConnectionId {
        self.arrival.connection()
    }

    /// The subscription for which it came.
    #[must_use]
    pub const fn subscription(&self) -> SubscriptionId {
        self.arrival.subscription()
    }

    /// Whether it must be acknowledged.
    #[must_use]
    pub const fn needs_ack(&self) -> bool {
        self.arrival.needs_ack()
    }

    /// Whether it was acknowledged or rejected by means of this value.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.arrival.settled
    }

    /// The message without its hold on a read buffer: headers and body are copied.
    #[must_use]
    pub fn into_owned(self) -> Self {
        Self { frame: self.frame.into_owned(), ..self }
    }

    /// The same message, for whoever settles it when it is in other hands.
    #[cfg(feature = "client")]
    pub(crate) fn twin(&self) -> Self {
        Self { frame: self.frame.clone(), ..*self }
    }

    #[cfg(feature = "client")]
    pub(crate) fn make_owned(&mut self) {
        let frame = core::mem::replace(&mut self.frame, Frame::new(Command::Message));
        self.frame = frame.into_owned();
    }

    /// What it counts in a budget of memory: its frame and itself.
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
