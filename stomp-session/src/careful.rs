//! Careful replay: what may have ended a connection is sent alone, so that the answer to it is known.
//!
//! One impossible SEND or SUBSCRIBE would otherwise be repeated on each connection and end it, and nothing behind it would
//! ever arrive.

use alloc::{boxed::Box, collections::VecDeque};
use core::time::Duration;

use stomp_proto::Frame;

use crate::{
    CommandError, Ended, Event, Lost, NotSent, ReceiptId, Session, SubscriptionId, Timestamp, Unknown,
    connected::Connected,
    outbox::{Outbox, Progress},
    receipts::Awaited,
    session::State,
};

/// The connections that a frame may end before it is given up.
const KILLS: u8 = 3;

/// What is sent alone, one after the other, before anything else.
#[derive(Debug)]
pub(crate) struct Careful {
    steps: VecDeque<Step>,
    /// The one that is out.
    alone: Option<ReceiptId>,
    /// When not to wait for its answer any more.
    deadline: Option<Timestamp>,
    pub(crate) outbox: Outbox,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Delivery(ReceiptId),
    Subscription(SubscriptionId),
}

impl Careful {
    /// Nothing is to be sent alone any more.
    pub(crate) fn is_done(&self) -> bool {
        self.steps.is_empty() && self.alone.is_none()
    }

    /// Makes that frame, which was just pushed, the one that is out.
    pub(crate) fn set_alone(&mut self, id: ReceiptId) {
        (self.alone, self.deadline) = (Some(id), None);
    }

    pub(crate) fn is_alone(&self, id: ReceiptId) -> bool {
        self.alone == Some(id)
    }

    /// Says how far a frame has come: an answer is awaited from its last octet on.
    pub(crate) fn note(
        &mut self,
        id: ReceiptId,
        progress: Progress,
        now: Timestamp,
        receipt_timeout: Duration,
    ) {
        if progress == Progress::Gone && self.is_alone(id) {
            self.deadline = Some(now.after(receipt_timeout));
        }
    }

    pub(crate) const fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// Whether the subscription has not been sent yet; then it is not going to be.
    pub(crate) fn forget(&mut self, id: SubscriptionId) -> bool {
        let before = self.steps.len();
        self.steps.retain(|step| *step != Step::Subscription(id));
        self.steps.len() < before
    }
}

impl Session {
    /// Whether the next connection is to be careful: this one has ended by an ERROR that names nobody, or it is the second
    /// in a row that did not last.
    pub(crate) fn note_end(&mut self, lasted: bool, reason: &Lost) {
        self.short_lived = if lasted { 0 } else { self.short_lived.saturating_add(1) };
        self.careful |= matches!(reason, Lost::ServerError(_)) || self.short_lived >= 2;
    }

    /// The steps of a careful replay, if this connection begins with one.
    pub(crate) fn careful_replay(&mut self, outbox: &mut Outbox) -> Option<Box<Careful>> {
        if !self.careful {
            return None;
        }
        let subscriptions = self.subscriptions.iter().map(|(id, _)| Step::Subscription(id));
        let steps = subscriptions.chain(self.deliveries.suspects().map(Step::Delivery)).collect();
        let mut usual = Outbox::default();
        usual.trace(self.traces_frames);
        let outbox = core::mem::replace(outbox, usual);
        Some(Box::new(Careful { steps, alone: None, deadline: None, outbox }))
    }

    /// Sends the next one, if the one that is out was answered. Where one was not, an ERROR could mean it as well as any that
    /// follows: then the others need not wait.
    pub(crate) fn continue_careful(&mut self) {
        while let State::Connected(connected) = &mut self.state {
            let Connected { careful: Some(careful), receipts, unanswered, .. } = &mut **connected else {
                return;
            };
            if careful.alone.is_some_and(|id| receipts.awaited(id).is_some()) && !*unanswered {
                return;
            }
            (careful.alone, careful.deadline) = (None, None);
            match careful.steps.pop_front() {
                Some(step) => self.take_step(step),
                None => {
                    self.careful = false;
                    return;
                }
            }
        }
    }

    fn take_step(&mut self, step: Step) {
        match step {
            Step::Delivery(id) => self.write_copy(id, Connected::push_alone),
            // Nobody is there for its messages any more.
            Step::Subscription(_) if self.ending.is_some() => {}
            Step::Subscription(id) => self.resubscribe(id, Connected::push_alone),
        }
    }

    /// The time for an answer is over.
    pub(crate) fn expire_careful(&mut self) {
        let now = self.now;
        let Some(connected) = self.connected_mut() else { return };
        let Some(careful) = &mut connected.careful else { return };
        if careful.deadline.is_some_and(|deadline| deadline <= now) {
            (careful.alone, careful.deadline) = (None, None);
            connected.unanswered = true;
        }
    }

    /// The frame with which the connection ended without a word, if one was alone.
    pub(crate) fn killer(&self, reason: &Lost) -> Option<Awaited> {
        let connected = self.connected().filter(|connected| !connected.unanswered)?;
        let id = connected.receipts.only_on_wire()?;
        let silent = matches!(reason, Lost::Eof | Lost::Io(_));
        let is_alone = connected.careful.as_ref().is_some_and(|careful| careful.is_alone(id));
        connected.receipts.awaited(id).filter(|_| silent && is_alone)
    }

    /// Counts that a frame has ended a connection, and gives it up at the third time.
    pub(crate) fn blame(&mut self, awaited: Awaited, reason: &Lost) {
        match awaited {
            Awaited::Delivery(id) if self.deliveries.count_kill(id) >= KILLS => {
                self.end_delivery(
                    id,
                    NotSent::Lost(reason.clone()),
                    Unknown::KillsConnection(reason.clone()),
                );
            }
            Awaited::Subscribe(id) if self.subscriptions.count_kill(id) >= KILLS => {
                self.subscriptions.remove(id);
                let reason = Ended::KillsConnection(reason.clone());
                self.events.push_back(Event::SubscriptionEnded { id, reason });
            }
            _ => {}
        }
    }
}

/// How a frame that asks for a RECEIPT is queued: see [`Connected`].
pub(crate) type Push = fn(&mut Connected, &Frame, ReceiptId, Awaited, Duration) -> Result<(), CommandError>;
