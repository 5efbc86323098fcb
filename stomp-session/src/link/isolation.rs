//! What may have ended a connection is sent alone, so that the answer to it is known, and what a connection was told is kept
//! while it may yet end it.
//!
//! One impossible SEND or SUBSCRIBE would otherwise be repeated on each connection and end it, and nothing behind it would
//! ever arrive. Acknowledgements do not wait for it, nor do heart-beats.

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use super::{outbox::Progress, wire::Wire};
use crate::{
    model::{
        error::{Lost, ServerError},
        ids::{ReceiptId, SubscriptionId},
        time::Timestamp,
    },
    replay::Replay,
};

/// What is sent alone, one after the other, before anything else.
#[derive(Debug)]
pub(super) struct Isolation {
    steps: VecDeque<Step>,
    /// The frame that was sent alone and is not answered yet.
    alone: Option<ReceiptId>,
    /// When to stop waiting: for the answer to this frame, or, before the first step, for the answers to all earlier
    /// frames.
    deadline: Option<Timestamp>,
    /// How long an answer is waited for.
    patience: Duration,
}

/// How long a frame that is to be sent alone waits for the answers to earlier frames.
const DRAIN: Duration = Duration::from_secs(2);

/// How long later frames wait for the answer to the one that is alone, and how long if one answer has not come.
const PATIENT: Duration = Duration::from_secs(10);
const IMPATIENT: Duration = Duration::from_secs(1);

/// Something that is sent alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Kept(ReceiptId),
    Subscription(SubscriptionId),
}

impl Isolation {
    /// Everything that may have ended an earlier connection, if one has ended in this way. The subscriptions go first.
    pub(super) fn careful(replay: &Replay) -> Option<Self> {
        replay.careful.as_ref()?;
        let subscriptions = replay.subscriptions.ready().map(Step::Subscription);
        let steps = subscriptions.chain(replay.kept.suspects().map(Step::Kept)).collect();
        Some(Self { steps, alone: None, deadline: None, patience: PATIENT })
    }

    /// A single step on an established connection. What waits for the transport leaves first.
    pub(super) fn of(step: Step, now: Timestamp) -> Self {
        Self { steps: [step].into(), alone: None, deadline: Some(now.after(DRAIN)), patience: PATIENT }
    }

    /// Nothing is to be sent alone any more.
    pub(super) fn is_done(&self) -> bool {
        self.steps.is_empty() && self.alone.is_none()
    }

    /// Makes this frame, which was just appended, the one that is alone.
    pub(super) fn set_alone(&mut self, id: ReceiptId) {
        (self.alone, self.deadline) = (Some(id), None);
    }

    pub(super) fn is_alone(&self, id: ReceiptId) -> bool {
        self.alone == Some(id)
    }

    /// Notes how much of a frame was handed over. An answer is awaited from its last octet on.
    pub(super) fn note(&mut self, id: ReceiptId, progress: Progress, now: Timestamp, limit: Duration) {
        if progress == Progress::Gone && self.is_alone(id) {
            self.deadline = Some(now.after(limit.min(self.patience)));
        }
    }

    pub(super) const fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// Removes the step of a subscription. Returns whether there was one: then the subscription was not sent, and will
    /// not be.
    pub(super) fn forget(&mut self, id: SubscriptionId) -> bool {
        let before = self.steps.len();
        self.steps.retain(|step| *step != Step::Subscription(id));
        self.steps.len() < before
    }

    /// Whether the next step waits.
    ///
    /// It waits for the answer to the frame that is alone, unless the frame can have none: then an ERROR could refer to
    /// it just as well as to a later frame. The first step waits for the answers to earlier frames.
    pub(super) fn waits(&self, wire: &Wire) -> bool {
        match self.alone {
            Some(id) => wire.receipts.awaited(id).is_some() && !wire.unanswered,
            None => self.deadline.is_some() && !(wire.is_drained() && wire.receipts.is_quiet()),
        }
    }

    /// Takes the next step, if there is one.
    pub(super) fn next_step(&mut self) -> Option<Step> {
        (self.alone, self.deadline) = (None, None);
        self.steps.pop_front()
    }

    /// Ends the wait if its time has passed. Returns the frame that was alone, if there was one. Later frames get less
    /// time.
    pub(super) fn expire(&mut self, now: Timestamp) -> Option<ReceiptId> {
        self.deadline.take_if(|deadline| *deadline <= now)?;
        self.patience = IMPATIENT;
        self.alone.take()
    }
}

/// An EOF that comes within that time after an ERROR is its doing: Artemis goes on receipting before it closes.
const BELATED: Duration = Duration::from_secs(5);

/// What a connection was told that may yet end it.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    /// An ERROR that named nobody, where the broker keeps the connection.
    lone: Option<(ServerError, Timestamp)>,
    /// What was refused lately, and is tried again.
    refused: Vec<(Refused, Timestamp)>,
    /// What was alone when an ERROR came that names nobody has had its part of it.
    pub(super) explained: bool,
}

/// Something that was refused and is tried again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    Kept(ReceiptId),
    Subscription(SubscriptionId),
}

impl Warnings {
    pub(super) fn note_lone(&mut self, error: ServerError, now: Timestamp) {
        self.lone = Some((error, now));
    }

    pub(super) fn note_refused(&mut self, refused: Refused, now: Timestamp) {
        self.refused.retain(|(_, at)| now.since(*at) < BELATED);
        self.refused.push((refused, now));
    }

    /// Why the connection has ended, if it was told shortly before.
    pub(super) fn explain(&self, reason: Lost, now: Timestamp) -> Lost {
        match &self.lone {
            Some((error, at)) if reason.is_silent() && now.since(*at) < BELATED => {
                Lost::ServerError(error.clone())
            }
            _ => reason,
        }
    }

    /// What was refused shortly before now.
    pub(super) fn refused(&self, now: Timestamp) -> Vec<Refused> {
        let recent = self.refused.iter().filter(|(_, at)| now.since(*at) < BELATED);
        recent.map(|(refused, _)| *refused).collect()
    }
}
