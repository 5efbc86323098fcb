//! SEND: checked, tracked where its sender wants to know, and put into the outbox.

use core::time::Duration;

use stomp_proto::{Command, Frame};

use crate::{CommandError, ReceiptId, Session, outbox::Kind, receipts::Awaited};

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
