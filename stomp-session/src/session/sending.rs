//! SEND: checked, tracked where its sender wants to know, and put into the send buffer, or kept until it is confirmed.

use core::time::Duration;

use bytes::Bytes;
use stomp_proto::{Command, Frame, PreparedFrame};

use super::Session;
use crate::{
    link::Link,
    model::{
        config::AtLeastOnce,
        error::{CommandError, SendError},
        frames,
        ids::ReceiptId,
    },
};

/// Sending.
impl Session {
    /// Sends a SEND frame without asking for a RECEIPT. Its outcome is not reported, and it is never repeated.
    ///
    /// # Errors
    /// Returns a [`CommandError`] if the frame cannot be sent. Nothing was sent.
    pub fn send(&mut self, frame: &Frame) -> Result<(), CommandError> {
        check_send(frame)?;
        self.on_link(|link, _| link.send(frame))
    }

    /// Sends a SEND frame and asks for its RECEIPT.
    ///
    /// [`Event::Receipt`](crate::Event::Receipt) comes exactly once: within [`Config::timeout`](crate::Config::timeout)
    /// of this call, and within [`Config::receipt_timeout`](crate::Config::receipt_timeout) of the moment at which the
    /// whole frame was handed to the transport. The frame is never repeated. If the connection ends first, the outcome
    /// is unknown, or not sent if nothing of the frame was handed over.
    ///
    /// # Errors
    /// Returns a [`SendError`], which contains the frame, if the frame cannot be sent. Nothing was sent.
    pub fn send_confirmed(&mut self, frame: Frame) -> Result<ReceiptId, SendError> {
        let timeout = self.config.timeout;
        self.send_confirmed_within(frame, timeout)
    }

    /// Sends a SEND frame like [`send_confirmed`](Self::send_confirmed), with a time limit that is counted from this
    /// call.
    ///
    /// # Errors
    /// Returns a [`SendError`], which contains the frame, if the frame cannot be sent. Nothing was sent.
    pub fn send_confirmed_within(&mut self, frame: Frame, timeout: Duration) -> Result<ReceiptId, SendError> {
        self.confirm(&frame, timeout).map_err(|error| SendError::new(error, frame))
    }

    /// The same for a frame that stays its owner's: a body may run anything when it is dropped.
    pub(crate) fn confirm(&mut self, frame: &Frame, timeout: Duration) -> Result<ReceiptId, CommandError> {
        check_send(frame)?;
        self.on_link(|link, cx| link.confirm(frame, timeout, cx.ids))
    }

    /// Sends a prepared SEND with this body like [`send`](Self::send). Its headers are not escaped again.
    ///
    /// If the connection uses another STOMP version than the one for which the frame is prepared, the frame is prepared
    /// anew for that version.
    ///
    /// ```
    /// # use stomp_session::{CommandError, Session, proto::{Command, EncodeError, Frame, Version}};
    /// # fn example(session: &mut Session) -> Result<(), CommandError> {
    /// let mut order = Frame::new(Command::Send).with_header("destination", "/queue/orders").prepare(Version::V1_2)?;
    /// for body in ["one coffee", "two teas"] {
    ///     session.send_prepared(&mut order, &body.into())?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Returns a [`CommandError`] if the frame cannot be sent. Nothing was sent.
    pub fn send_prepared(&mut self, send: &mut PreparedFrame, body: &Bytes) -> Result<(), CommandError> {
        check_send(send.frame())?;
        self.on_link(|link, _| link.send_prepared(send, body, None))
    }

    /// Sends a prepared SEND with this body like [`send_confirmed_within`](Self::send_confirmed_within).
    ///
    /// # Errors
    /// Returns a [`CommandError`] if the frame cannot be sent. Nothing was sent.
    pub fn send_prepared_confirmed(
        &mut self,
        send: &mut PreparedFrame,
        body: &Bytes,
        timeout: Duration,
    ) -> Result<ReceiptId, CommandError> {
        check_send(send.frame())?;
        self.on_link(|link, cx| {
            let id = cx.ids.receipt();
            link.send_prepared(send, body, Some((id, timeout)))?;
            Ok(id)
        })
    }
}

/// Sending in bulk.
#[cfg(feature = "client")]
impl Session {
    /// A prepared SEND that [was checked](Self::check_send), with that body. `timeout` asks for its RECEIPT.
    pub(crate) fn publish(
        &mut self,
        send: &mut PreparedFrame,
        body: &Bytes,
        timeout: Option<Duration>,
    ) -> Result<Option<ReceiptId>, CommandError> {
        self.on_link(|link, cx| {
            let id = timeout.map(|_| cx.ids.receipt());
            link.send_prepared(send, body, id.zip(timeout))?;
            Ok(id)
        })
    }

    /// Whether a frame can be sent.
    pub(crate) fn check_send(frame: &Frame) -> Result<(), CommandError> {
        check_send(frame)
    }
}

/// Sending at least once.
impl Session {
    /// Sends a SEND frame again and again until a broker has confirmed it.
    ///
    /// The frame is sent on any number of connections, in the order of the calls. There need not be a connection now.
    ///
    /// [`Event::Receipt`](crate::Event::Receipt) comes exactly once: when the frame is confirmed, when it is rejected,
    /// or when its time limit has passed ([`AtLeastOnce::timeout`]). In the last case, the outcome is
    /// [`Outcome::NotSent`](crate::Outcome::NotSent) if nothing of the frame was ever handed to the transport, and
    /// [`Outcome::Unknown`](crate::Outcome::Unknown) otherwise. After that event, the frame is never sent again.
    ///
    /// - The frame is kept in memory only: a crash of the process loses it.
    /// - The message may arrive more than once. Each copy has the same de-duplication id
    ///   ([`Config::deduplication_header`](crate::Config::deduplication_header)), by which Artemis discards
    ///   repetitions. [`Config::at_least_once_window`](crate::Config::at_least_once_window) limits how many messages a
    ///   lost connection may duplicate.
    /// - The frame gets the header `persistent:true` unless it sets the header itself. Without it, a RECEIPT does not
    ///   promise that the message survives a crash of the broker.
    /// - Confirmed means that a RECEIPT came. A message that no queue takes gets a RECEIPT too.
    /// - Rejected refers to the newest copy. The broker may have stored an earlier one.
    /// - A frame that ends each connection on which it is sent alone is given up before its time limit, with
    ///   [`Unknown::KillsConnection`](crate::Unknown::KillsConnection). That takes six closes over more than a minute, at more
    ///   than one broker where there is one, so that no election of a queue's leader is mistaken for it.
    /// - The frame cannot be part of a transaction, which belongs to one connection.
    ///
    /// # Errors
    /// Returns a [`SendError`], which contains the frame. Nothing was sent. The reason is
    /// [`CommandError::AtLeastOnceFull`] if too many frames or octets are kept already, and
    /// [`CommandError::NoIdentity`] if [`Config::identity`](crate::Config::identity) is not set.
    pub fn send_at_least_once(&mut self, mut frame: Frame, how: AtLeastOnce) -> Result<ReceiptId, SendError> {
        self.keep(&mut frame, how).map_err(|error| SendError::new(error, frame))
    }

    /// The same for a frame that stays its owner's, a large one apart: a body may run anything when it is dropped.
    pub(crate) fn keep(&mut self, frame: &mut Frame, how: AtLeastOnce) -> Result<ReceiptId, CommandError> {
        check_send(frame)?;
        if self.is_ending() {
            return Err(CommandError::Closed);
        }
        if self.config.identity.is_none() {
            return Err(CommandError::NoIdentity);
        }
        if !self.has_room_to_keep(frame.size()) {
            let (messages, octets) = (self.replay.kept.len(), self.replay.kept.octets());
            return Err(CommandError::AtLeastOnceFull { messages, octets });
        }
        let id = self.ids.receipt();
        if !frame.headers().contains("persistent") {
            frame.headers_mut().push("persistent", "true");
        }
        let frame = frames::take_owned(frame);
        self.replay.kept.add(id, frame, how, self.config.at_least_once_timeout);
        self.with_connected(Link::proceed);
        Ok(id)
    }

    pub(crate) fn has_room_to_keep(&self, size: usize) -> bool {
        self.replay.kept.len() < self.config.at_least_once_messages
            && self.replay.kept.octets().saturating_add(size) <= self.config.at_least_once_octets
    }

    /// Whether none is kept: what finds no room then never will.
    #[cfg(feature = "client")]
    pub(crate) fn keeps_none(&self) -> bool {
        self.replay.kept.len() == 0
    }

    /// Its time is over.
    pub(super) fn expire_kept(&mut self, id: ReceiptId) {
        if let Some(copy) = self.replay.expire(id, &mut self.events) {
            self.with_link(|link, cx| link.forget(copy, cx));
        }
    }

    /// Withdraws a frame that asked for a RECEIPT.
    ///
    /// No event comes for it any more, and it is not sent, or not sent again. Returns `true` if nothing of the frame
    /// was ever handed to the transport, so that no broker has it. Otherwise, a broker may have it. Also returns
    /// `false`, and does nothing, if no RECEIPT with this id is awaited in this session.
    pub fn cancel(&mut self, id: ReceiptId) -> bool {
        if self.check_own(id.0).is_err() {
            return false;
        }
        let withdrawn = match self.replay.kept.used().and_then(|kept| kept.take(id)) {
            Some(kept) => {
                self.events.discard(frames::foreign_body(&kept.frame));
                kept.copy.map(|copy| self.forget(copy));
                !kept.handed_over
            }
            None => self.forget(id),
        };
        self.proceed();
        withdrawn
    }

    /// Waits no more for an answer to a frame, and takes it back if nothing of it has left. Whether that was so.
    fn forget(&mut self, id: ReceiptId) -> bool {
        self.with_link(|link, cx| link.forget(id, cx)).unwrap_or_default()
    }
}

pub(super) fn check_send(frame: &Frame) -> Result<(), CommandError> {
    if frame.command() != Command::Send {
        return Err(CommandError::WrongCommand(frame.command()));
    }
    // Once over the headers: a search for each of the names would cost more than writing them.
    let (mut is_addressed, mut reserved) = (None, None);
    for (name, value) in frame.headers().iter() {
        if name == "destination" {
            is_addressed.get_or_insert(value != "");
        } else if name == "receipt" {
            reserved = Some("receipt");
        } else if name == "transaction" {
            reserved.get_or_insert("transaction");
        }
    }
    match reserved {
        _ if is_addressed != Some(true) => Err(CommandError::NoDestination),
        Some(name) => Err(CommandError::ReservedHeader(name)),
        None => Ok(()),
    }
}
