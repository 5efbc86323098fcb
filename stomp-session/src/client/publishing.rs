//! Handing over the messages of publishers: at once if there is room, otherwise parked as any other send.

use std::{
    sync::{Arc, Mutex},
    task::{Poll, Waker},
};

use bytes::Bytes;
use stomp_proto::PreparedFrame;

use super::{
    content::Content,
    error::{PublishError, SendError},
    parked::{Parked, ParkedId, What},
    publishers::{Flush, PublisherId, Window},
    settings::Settings,
    shared::Inner,
    terms::{How, Mode},
};
use crate::{AtLeastOnce, ReceiptId};

/// What became of a message that was fed.
pub(super) enum Fed {
    /// It was handed over under this number.
    HandedOver(u64),
    /// It waits by itself for a connection with room.
    Parked(ParkedId),
    /// It was not taken, because the window is full. The waker is woken when there is room.
    Full,
}

/// The frame that a publisher sends, and how it is sent.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) id: PublisherId,
    pub(super) how: How,
    pub(super) frame: PreparedFrame,
    /// The size of the frame without a body, in octets.
    pub(super) size: usize,
}

impl Inner {
    /// Hands a message over, or parks it.
    pub(super) fn feed(
        &mut self,
        settings: &Settings,
        terms: &mut Terms,
        body: &Bytes,
        waker: &Waker,
    ) -> Result<Fed, SendError> {
        self.check_open()?;
        if self.poll_window(terms.id, waker)?.is_pending() {
            return Ok(Fed::Full);
        }
        let line = terms.how.line();
        if self.may_pass(line, terms.size.saturating_add(body.len()), settings) {
            return self.publish_now(terms, body).map(Fed::HandedOver);
        }
        self.check_parking()?;
        let frame = Arc::new(Mutex::new(terms.frame.clone()));
        let mut content = Content::Prepared { frame, body: body.clone() };
        let patience = terms.how.timeout.unwrap_or(settings.send_timeout);
        self.after.drop_body(content.unpin());
        let parked = Parked::new(What::Send { content, how: terms.how }, patience, Some(waker.clone()));
        Ok(Fed::Parked(self.park(line, parked)))
    }

    /// Whether there is room in the window. If there is none, the waker is woken when there is.
    pub(super) fn poll_window(&mut self, id: PublisherId, waker: &Waker) -> Result<Poll<()>, SendError> {
        match self.publishers.window(id) {
            Window::Open => Ok(Poll::Ready(())),
            Window::Untaken(count) => Err(SendError::OutcomesUntaken(count)),
            Window::Full => {
                let replaced = self.publishers.await_room(id, waker.clone());
                self.discard(replaced);
                Ok(Poll::Pending)
            }
        }
    }

    fn publish_now(&mut self, terms: &mut Terms, body: &Bytes) -> Result<u64, SendError> {
        let Terms { id, how, frame, .. } = terms;
        let receipt = match how.mode {
            Mode::Plain => self.session.publish(frame, body, None)?,
            Mode::Confirmed => {
                let timeout = how.timeout.unwrap_or_else(|| self.session.config().timeout);
                self.session.publish(frame, body, Some(timeout))?
            }
            Mode::AtLeastOnce { ordered } => {
                let mut frame = frame.frame().clone().with_body(body.clone());
                Some(self.session.keep(&mut frame, AtLeastOnce { timeout: how.timeout, ordered })?)
            }
        };
        self.counters.count_sent();
        self.wake_driver();
        Ok(self.note_published(*id, receipt))
    }

    /// Counts a message that was handed to the session.
    pub(super) fn note_published(&mut self, id: PublisherId, receipt: Option<ReceiptId>) -> u64 {
        let position = receipt.is_none().then(|| self.session.sends_appended());
        let number = self.publishers.hand_over(id, position);
        receipt.into_iter().for_each(|receipt| self.receipts.publish(receipt, id, number));
        number
    }

    /// The number of the oldest message without an outcome, or of the next one.
    pub(super) fn first_unsettled(&self, id: PublisherId) -> u64 {
        self.receipts.first_of(id).unwrap_or_else(|| self.publishers.next_number(id))
    }

    pub(super) fn poll_publisher_flush(
        &mut self,
        terms: &Terms,
        waker: Waker,
    ) -> Poll<Result<(), PublishError>> {
        let (flushed, unused) = self.publishers.poll_flush(terms.id, waker);
        self.discard(unused);
        match (flushed, terms.how.mode) {
            (Flush::Waits, _) => Poll::Pending,
            (Flush::Done, _) => Poll::Ready(Ok(())),
            (Flush::Failed(count), Mode::Plain) => Poll::Ready(Err(PublishError::Unsent { count })),
            (Flush::Failed(count), _) => Poll::Ready(Err(PublishError::Unconfirmed { count })),
        }
    }

    /// Messages that were handed over are still sent; their outcomes are not reported.
    pub(super) fn remove_publisher(&mut self, id: PublisherId) {
        if self.publishers.has_unsettled(id) {
            self.receipts.forget_all_of(id);
        }
        let waker = self.publishers.remove(id);
        self.discard(waker);
    }
}
