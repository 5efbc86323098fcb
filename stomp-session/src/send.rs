//! SEND: checked, tracked where its sender wants to know, and put into the outbox.

use core::time::Duration;

use bytes::Bytes;
use stomp_proto::{Command, Frame, PreparedFrame};

use crate::{CommandError, ReceiptId, Session, connected::Connected, outbox::Kind, receipts::Awaited};

/// Sending.
impl Session {
    /// Sends a SEND frame. Nobody is told what becomes of it, and it is never repeated.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn send(&mut self, frame: &Frame) -> Result<(), CommandError> {
        check_send(frame)?;
        let connected = self.open()?;
        Ok(connected.push(frame, Kind::Send)?)
    }

    /// Sends a SEND frame and asks for its RECEIPT: [`Event::Receipt`](crate::Event::Receipt) comes exactly once, within
    /// [`Config::timeout`](crate::Config::timeout) from here and
    /// [`Config::receipt_timeout`](crate::Config::receipt_timeout) from the moment the frame has left. The frame is never
    /// repeated; when the connection ends first, the outcome is unknown.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn send_confirmed(&mut self, frame: Frame) -> Result<ReceiptId, CommandError> {
        let timeout = self.config.timeout;
        self.send_confirmed_within(frame, timeout)
    }

    /// [`send_confirmed`](Self::send_confirmed) with a time of its own from the call on.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn send_confirmed_within(
        &mut self,
        mut frame: Frame,
        timeout: Duration,
    ) -> Result<ReceiptId, CommandError> {
        self.confirm(&mut frame, timeout)
    }

    /// The same for a frame that its owner drops: a body may run anything when it is dropped.
    pub(crate) fn confirm(
        &mut self,
        frame: &mut Frame,
        timeout: Duration,
    ) -> Result<ReceiptId, CommandError> {
        check_send(frame)?;
        self.open()?;
        let id = self.next_receipt();
        frame.headers_mut().push("receipt", id.wire());
        self.open()?.push_awaited(frame, id, Awaited::Command, timeout)?;
        Ok(id)
    }

    /// [`send`](Self::send) for a prepared SEND with that body: its headers are not escaped again. It is written anew when this
    /// connection speaks another version than the one it is written for.
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
    /// [`CommandError`]; nothing was sent.
    pub fn send_prepared(&mut self, send: &mut PreparedFrame, body: &Bytes) -> Result<(), CommandError> {
        self.open_for(send)?.outbox.push_prepared(send, body, Kind::Send)?;
        Ok(())
    }

    /// [`send_confirmed_within`](Self::send_confirmed_within) for a prepared SEND with that body.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn send_prepared_confirmed(
        &mut self,
        send: &mut PreparedFrame,
        body: &Bytes,
        timeout: Duration,
    ) -> Result<ReceiptId, CommandError> {
        self.open_for(send)?;
        let id = self.next_receipt();
        let connected = self.open()?;
        let place = connected.outbox.push_prepared(send, body, Kind::Receipted(id))?;
        connected.await_receipt(place, id, Awaited::Command, timeout);
        Ok(id)
    }

    /// The connection, for a SEND that is written for its version then.
    fn open_for(&mut self, send: &mut PreparedFrame) -> Result<&mut Connected, CommandError> {
        check_send(send.frame())?;
        let connected = self.open()?;
        send.set_version(connected.connection.version)?;
        Ok(connected)
    }
}

pub(crate) fn check_send(frame: &Frame) -> Result<(), CommandError> {
    if frame.command() != Command::Send {
        return Err(CommandError::WrongCommand(frame.command()));
    }
    if frame.header("destination").is_none_or(|destination| destination == "") {
        return Err(CommandError::NoDestination);
    }
    match ["receipt", "transaction"].into_iter().find(|name| frame.headers().contains(name)) {
        Some(name) => Err(CommandError::ReservedHeader(name)),
        None => Ok(()),
    }
}
