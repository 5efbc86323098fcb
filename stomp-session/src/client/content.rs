//! What is sent: a frame, or a prepared one with a body of its own.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use stomp_proto::{Command, Frame, PreparedFrame};

use crate::{CommandError, ReceiptId, Session, frames};

/// What is to be sent.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a box would be an allocation for each send")]
pub(super) enum Content {
    Frame(Frame),
    Prepared { frame: SharedFrame, body: Bytes },
}

impl Content {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.size(),
            Self::Prepared { frame, body } => lock(frame).frame().size().saturating_add(body.len()),
        }
    }

    /// Takes it, and leaves nothing to be sent behind.
    pub(super) fn take(&mut self) -> Self {
        mem::replace(self, Self::Frame(Frame::new(Command::Send)))
    }

    /// Lets go of the read buffer that it may be a small part of, before it waits for long. Gives the body that it had.
    pub(super) fn unpin(&mut self) -> Option<Bytes> {
        match self {
            Self::Frame(frame) => frames::unpin(frame),
            Self::Prepared { body, .. } => frames::unpin_body(body),
        }
    }

    /// As a frame, for what is more than written.
    pub(super) fn frame(&mut self) -> &mut Frame {
        let frame = match self {
            Self::Frame(frame) => return frame,
            Self::Prepared { frame, body } => lock(frame).frame().clone().with_body(mem::take(body)),
        };
        *self = Self::Frame(frame);
        self.frame()
    }

    pub(super) fn send(&self, session: &mut Session) -> Result<(), CommandError> {
        match self {
            Self::Frame(frame) => session.send(frame),
            Self::Prepared { frame, body } => session.send_prepared(&mut lock(frame), body),
        }
    }

    pub(super) fn confirm(
        &self,
        session: &mut Session,
        timeout: Duration,
    ) -> Result<ReceiptId, CommandError> {
        match self {
            Self::Frame(frame) => session.confirm(frame, timeout),
            Self::Prepared { frame, body } => {
                session.send_prepared_confirmed(&mut lock(frame), body, timeout)
            }
        }
    }
}

/// Shared by the sends, so that the first one on a connection of another version writes it anew for all.
pub(super) type SharedFrame = Arc<Mutex<PreparedFrame>>;

fn lock(frame: &SharedFrame) -> MutexGuard<'_, PreparedFrame> {
    frame.lock().unwrap_or_else(PoisonError::into_inner)
}
