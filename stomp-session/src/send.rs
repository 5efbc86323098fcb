//! SEND: checked, tracked where its sender wants to know, and put into the outbox.

use stomp_proto::{Command, Frame};

use crate::{CommandError, ReceiptId, Session, receipts::Awaited};

/// Sending.
impl Session {
    /// Sends a SEND frame. Nobody is told what becomes of it, and it is never repeated.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn send(&mut self, frame: &Frame) -> Result<(), CommandError> {
        check_send(frame)?;
        let connected = self.open()?;
        connected.outbox.push(frame, connected.connection.version)?;
        connected.outbox.mark_send();
        Ok(())
    }

    /// Sends a SEND frame and asks for its RECEIPT: [`Event::Receipt`] comes exactly once. The
    /// frame is never repeated; when the connection ends first, the outcome is unknown.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was sent.
    pub fn send_confirmed(&mut self, mut frame: Frame) -> Result<ReceiptId, CommandError> {
        self.confirm(&mut frame)
    }

    /// The same for a frame that its owner drops: a body may run anything when it is dropped.
    pub(crate) fn confirm(&mut self, frame: &mut Frame) -> Result<ReceiptId, CommandError> {
        check_send(frame)?;
        self.open()?;
        let id = self.next_receipt();
        frame.headers_mut().push("receipt", id.wire());
        let connected = self.open()?;
        connected.outbox.push(frame, connected.connection.version)?;
        connected.receipts.add(id, Awaited::Command);
        Ok(id)
    }
}

fn check_send(frame: &Frame) -> Result<(), CommandError> {
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
