//! What may have ended a connection is sent alone, so that the answer to it is known.
//!
//! One impossible SEND or SUBSCRIBE would otherwise be repeated on each connection and end it, and nothing behind it would
//! ever arrive. Acknowledgements do not wait for it, nor do heart-beats.

use alloc::{boxed::Box, collections::VecDeque};
use core::time::Duration;

use stomp_proto::Frame;

use crate::{
    CommandError, ReceiptId, Session, SubscriptionId, Timestamp,
    connected::Connected,
    outbox::{Outbox, Progress},
    receipts::Awaited,
    session::State,
};

/// What is sent alone, one after the other, before anything else.
#[derive(Debug)]
pub(crate) struct Isolation {
    steps: VecDeque<Step>,
    /// The one that is out.
    alone: Option<ReceiptId>,
    /// When not to wait any more: for the answer to it, or before it for those to all others.
    deadline: Option<Timestamp>,
    /// What leaves before the usual outbox.
    pub(crate) outbox: Outbox,
}

/// How long what is to be sent alone waits for the answers to what left before.
const DRAIN: Duration = Duration::from_secs(2);

/// How long the others wait for the answer to what is alone.
const ANSWER: Duration = Duration::from_secs(10);

/// Something that is sent alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Kept(ReceiptId),
    Subscription(SubscriptionId),
}

impl Isolation {
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
            self.deadline = Some(now.after(receipt_timeout.min(ANSWER)));
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
    /// Begins a connection with everything alone that may have ended an earlier one. Acknowledgements and the subscriptions
    /// go first.
    pub(crate) fn careful_replay(&mut self, outbox: &mut Outbox) -> Option<Box<Isolation>> {
        if self.careful.is_none() {
            return None;
        }
        let subscriptions = self.subscriptions.ready().map(Step::Subscription);
        let steps = subscriptions.chain(self.deliveries.suspects().map(Step::Kept)).collect();
        let usual = self.new_outbox();
        let outbox = core::mem::replace(outbox, usual);
        Some(Box::new(Isolation { steps, alone: None, deadline: None, outbox }))
    }

    /// Begins to send something alone on a connection that stands: what waits for the transport leaves first.
    fn isolate(&mut self, step: Step) {
        let (usual, deadline) = (self.new_outbox(), self.now.after(DRAIN));
        let State::Connected(connected) = &mut self.state else { return };
        let outbox = core::mem::replace(&mut connected.outbox, usual);
        let steps = [step].into();
        connected.isolation =
            Some(Box::new(Isolation { steps, alone: None, deadline: Some(deadline), outbox }));
    }

    /// An outbox whose places no other has.
    pub(crate) fn new_outbox(&mut self) -> Outbox {
        self.outboxes = self.outboxes.saturating_add(1);
        let mut outbox = Outbox::numbered(self.outboxes);
        outbox.trace(self.traces_frames);
        outbox
    }

    /// Sends alone what is due, if nothing is alone yet.
    pub(crate) fn try_suspects(&mut self) {
        let now = self.now;
        let State::Connected(connected) = &self.state else { return };
        let (isolates, in_transaction) = (connected.isolation.is_some(), !connected.transactions.is_empty());
        self.deliveries.release(now);
        while let Some(id) = self.due_subscription(now) {
            self.resubscribe(id, Connected::push_awaited);
        }
        match self.next_suspect(now, isolates) {
            // RabbitMQ answers the frames of a transaction after its COMMIT, which nobody must wait for.
            Some(step) if in_transaction => self.take_step(step, Connected::push_awaited),
            Some(step) => {
                self.isolate(step);
                self.continue_isolation();
            }
            None => {}
        }
    }

    /// Nobody is there for messages any more when the end has begun.
    fn due_subscription(&mut self, now: Timestamp) -> Option<SubscriptionId> {
        if self.ending.is_some() { None } else { self.subscriptions.waiting().due(now) }
    }

    fn next_suspect(&mut self, now: Timestamp, isolates: bool) -> Option<Step> {
        if isolates {
            return None;
        }
        let (is_due, takes) = (self.clock.next() <= now, self.ending.is_none());
        let subscription = takes.then(|| self.subscriptions.waiting().suspect(now, is_due)).flatten();
        let kept = || self.deliveries.suspect(now, is_due).map(Step::Kept);
        subscription.map(Step::Subscription).or_else(kept)
    }

    /// Sends the next one, if the one that is out was answered. Where one was not, an ERROR could mean it as well as any that
    /// follows: then the others need not wait.
    pub(crate) fn continue_isolation(&mut self) {
        while let State::Connected(connected) = &mut self.state {
            let Connected { isolation: Some(isolation), receipts, unanswered, .. } = &mut **connected else {
                return;
            };
            let waits = match isolation.alone {
                Some(id) => receipts.awaited(id).is_some() && !*unanswered,
                // One that begins on a connection that stands has a deadline for the answers of the others.
                None => isolation.deadline.is_some() && !(isolation.outbox.is_empty() && receipts.is_quiet()),
            };
            if waits {
                return;
            }
            (isolation.alone, isolation.deadline) = (None, None);
            match isolation.steps.pop_front() {
                Some(step) => self.take_step(step, Connected::push_alone),
                None => {
                    self.careful = None;
                    return;
                }
            }
        }
    }

    fn take_step(&mut self, step: Step, push: Push) {
        let allowed = self.clock.allows(self.now);
        match step {
            // It may be the cause as well as those that ended connections just now.
            Step::Kept(id) if !allowed => self.hold_kept(id),
            Step::Subscription(id) if !allowed => self.hold_subscription(id),
            Step::Kept(id) => self.write_copy(id, push),
            // Nobody is there for its messages any more.
            Step::Subscription(_) if self.ending.is_some() => {}
            Step::Subscription(id) => self.resubscribe(id, push),
        }
    }

    /// The time for an answer is over.
    pub(crate) fn expire_isolation(&mut self) {
        let now = self.now;
        let Some(connected) = self.connected_mut() else { return };
        let Some(isolation) = &mut connected.isolation else { return };
        if isolation.deadline.is_some_and(|deadline| deadline <= now) {
            (isolation.alone, isolation.deadline) = (None, None);
            connected.unanswered = true;
        }
    }
}

/// How a frame that asks for a RECEIPT is queued: see [`Connected`].
pub(crate) type Push = fn(&mut Connected, &Frame, ReceiptId, Awaited, Duration) -> Result<(), CommandError>;
