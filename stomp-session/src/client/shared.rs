//! The one lock, which holds the session and everything that waits for it. Nothing else locks. The session lives as long as
//! somebody holds on to it.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt, mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
    time::Duration,
};

use bytes::Bytes;

use super::{
    contain::{contained, drop_each},
    notice::{Listeners, Notice},
    outgoing::{Content, Parking},
    pressure::{Pressure, Stall},
    publishers::Publishers,
    receipts::Receipts,
    requests::Requests,
    runners::{Moves, Runners},
    settings::Settings,
    statistics::Counters,
    telemetry::{Report, Telemetry},
    waits::{Flushes, For, Queues, Ticket, Unanswered},
};
use crate::{Closed, Connection, ConnectionId, Ended, Message, Profile, Session, SubscriptionId, Timestamp};

/// What handles, messages and the driver share.
pub(super) struct Shared {
    inner: Mutex<Inner>,
    pub(super) settings: Settings,
    /// The number of the current connection, or 0 if there is none. Each message is checked for being stale, and a lock
    /// for each would cost more than the message.
    pub(super) connection: AtomicU64,
    pub(super) pressure: Pressure,
    pub(super) counters: Arc<Counters>,
}

pub(super) struct Inner {
    pub(super) session: Session,
    pub(super) driver: Option<Waker>,
    pub(super) inboxes: BTreeMap<SubscriptionId, Box<Inbox>>,
    pub(super) receipts: Receipts,
    /// The tasks that wait for a condition.
    pub(super) waits: Queues,
    pub(super) listeners: Listeners,
    telemetry: Telemetry,
    pub(super) runners: Runners,
    pub(super) moves: Moves,
    pub(super) unanswered: Unanswered,
    pub(super) requests: Requests,
    pub(super) publishers: Publishers,
    /// What waits for its turn to be sent.
    pub(super) parking: Parking,
    pub(super) flushes: Flushes,
    /// What had not been sent when a graceful end had to go on.
    pub(super) unsent: usize,
    /// Handlers that had not ended when the session was disconnected.
    pub(super) unhandled: usize,
    pub(super) closed: Option<Box<Closed>>,
    /// How the session has ended, until its stream is closed. Then this is reported.
    pub(super) ended: Option<Box<Closed>>,
    /// Handles that keep the session alive.
    pub(super) handles: usize,
    /// Messages of subscriptions that are not known here, or without their body.
    pub(super) unroutable: u64,
    pub(super) stall: Stall,
    /// When the room of all inboxes was looked at.
    pub(super) room_at: Timestamp,
    /// How many connections have stood, and the newest.
    pub(super) stood: (u64, Option<Arc<Connection>>),
    /// How often the state has changed.
    pub(super) changes: u64,
    pub(super) counters: Arc<Counters>,
    pub(super) after: After,
}

/// The messages of a subscription that were not taken yet.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) messages: VecDeque<Message>,
    /// Whether a message came since its room was looked at.
    pub(super) used: bool,
    /// The octets of `messages`, as they count in the budget, and those of the batch that was taken last.
    pub(super) octets: usize,
    pub(super) batch: usize,
    /// Messages of that batch that are left and of no use once their connection has ended.
    pub(super) left: Arc<AtomicUsize>,
    pub(super) waker: Option<Waker>,
    pub(super) confirmed: bool,
    pub(super) ended: Option<Box<Ended>>,
}

/// What must not happen under the lock. Wakers and messages belong to the application: waking may run a task in place,
/// and dropping one may drop a task that drops a handle, which locks.
#[derive(Default)]
pub(super) struct After {
    wake: Vec<Waker>,
    drop_wakers: Vec<Waker>,
    /// Bodies that were sent, or were not: they are the user's.
    drop_bodies: Vec<Bytes>,
    rest: Option<Box<Rest>>,
}

/// What is seldom left behind.
#[derive(Default)]
struct Rest {
    drop_messages: Vec<VecDeque<Message>>,
    drop_contents: Vec<Content>,
    reports: Vec<Report>,
}

impl After {
    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        self.wake.extend(waker);
    }

    pub(super) fn discard(&mut self, waker: Option<Waker>) {
        self.drop_wakers.extend(waker);
    }

    pub(super) fn drop_messages(&mut self, messages: VecDeque<Message>) {
        self.rest.get_or_insert_default().drop_messages.push(messages);
    }

    pub(super) fn drop_body(&mut self, body: Option<Bytes>) {
        self.drop_bodies.extend(body);
    }

    pub(super) fn drop_content(&mut self, content: Content) {
        self.rest.get_or_insert_default().drop_contents.push(content);
    }

    fn report(&mut self, report: Option<Report>) {
        if let Some(report) = report {
            self.rest.get_or_insert_default().reports.push(report);
        }
    }

    /// What there is to do. Most changes leave nothing behind, and then nothing is moved.
    fn take(&mut self) -> Option<Self> {
        let Self { wake, drop_wakers, drop_bodies, rest } = self;
        let is_empty = wake.is_empty() && drop_wakers.is_empty() && drop_bodies.is_empty() && rest.is_none();
        (!is_empty).then(|| mem::take(self))
    }

    /// Each of these may panic. It is done alone, so that it takes no other along, and its panic ends here: the panic hook
    /// has reported it, and whoever happens to be here has no part in it. That is the driver, which all others would lose, or
    /// a destructor, where a second panic aborts the program.
    fn run(self) {
        let Self { wake, drop_wakers, drop_bodies, rest } = self;
        let Rest { drop_messages, drop_contents, reports } = rest.map(|rest| *rest).unwrap_or_default();
        reports.into_iter().for_each(|report| drop(contained(|| report.emit())));
        wake.into_iter().for_each(|waker| drop(contained(|| waker.wake())));
        drop_each(drop_wakers);
        drop_each(drop_messages);
        drop_each(drop_bodies);
        drop_each(drop_contents);
    }
}

impl Shared {
    pub(super) fn new(mut session: Session, settings: Settings) -> Self {
        // From here on.
        let _ = session.take_discarded();
        session.rebalance_when_told();
        let counters = Arc::new(Counters::default());
        let inner = Inner {
            counters: Arc::clone(&counters),
            session,
            driver: None,
            inboxes: BTreeMap::new(),
            receipts: Receipts::default(),
            waits: Queues::default(),
            listeners: Listeners::default(),
            telemetry: Telemetry::default(),
            runners: Runners::default(),
            moves: Moves::default(),
            unanswered: Unanswered::default(),
            requests: Requests::default(),
            publishers: Publishers::default(),
            parking: Parking::default(),
            flushes: Flushes::default(),
            unsent: 0,
            unhandled: 0,
            closed: None,
            ended: None,
            handles: 0,
            unroutable: 0,
            stall: Stall::default(),
            room_at: Timestamp::ZERO,
            stood: (0, None),
            changes: 0,
            after: After::default(),
        };
        Self {
            inner: Mutex::new(inner),
            settings,
            connection: AtomicU64::new(0),
            pressure: Pressure::default(),
            counters,
        }
    }

    /// Locks, changes, leaves, and then wakes and drops what the change left behind. A poisoned lock is entered: a panic of
    /// somebody else's is no reason to leave everybody waiting.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut inner);
        // Whatever made the room.
        inner.admit(&self.settings);
        let bodies = inner.session.take_discarded();
        inner.after.drop_bodies.extend(bodies);
        let after = inner.after.take();
        drop(inner);
        if let Some(after) = after {
            after.run();
        }
        result
    }

    /// As [`with`](Self::with), for a change of the session: whoever changes it wakes the driver.
    pub(super) fn command<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        self.with(|inner| {
            let result = change(inner);
            inner.wake_driver();
            result
        })
    }

    /// Whether the message's connection has ended, so that no acknowledgement of it can count.
    pub(super) fn is_stale(&self, message: &Message) -> bool {
        message.needs_ack() && self.is_lost(message.connection())
    }

    pub(super) fn is_lost(&self, connection: ConnectionId) -> bool {
        connection.0.value != self.connection.load(Ordering::Acquire)
    }

    /// Reports that these messages will not be settled.
    pub(super) fn give_back<'a>(&self, messages: impl IntoIterator<Item = &'a Message>) {
        self.command(|inner| messages.into_iter().for_each(|message| inner.session.give_back(message)));
    }

    /// Removes a subscription's inbox.
    pub(super) fn remove_inbox(&self, inner: &mut Inner, id: SubscriptionId) {
        let Some(inbox) = inner.inboxes.remove(&id) else { return };
        inbox.messages.iter().for_each(|message| inner.session.give_back(message));
        self.pressure.count_out(&inbox.messages);
        inner.after.discard(inbox.waker);
        inner.after.drop_messages(inbox.messages);
    }
}

impl Inner {
    /// The newest connection, if more than `count` have stood.
    pub(super) fn stood_since(&self, count: u64) -> Option<&Connection> {
        self.stood.1.as_deref().filter(|_| self.stood.0 > count)
    }

    /// Tells all listeners, and `tracing`.
    pub(super) fn note(&mut self, notice: &Notice) {
        let Self { listeners, telemetry, after, .. } = self;
        listeners.tell(notice, |waker| after.wake(waker));
        after.report(telemetry.note(notice));
    }

    pub(super) fn wake(&mut self, waker: Waker) {
        self.after.wake(Some(waker));
    }

    pub(super) fn driver_dropped(&mut self) {
        let waker = self.driver.take();
        self.after.discard(waker);
        // From here on nothing would be sent: every command says so.
        self.session.disconnect();
    }

    pub(super) fn wake_driver(&mut self) {
        let waker = self.driver.take();
        self.after.wake(waker);
    }

    pub(super) fn discard(&mut self, waker: Option<Waker>) {
        self.after.discard(waker);
    }

    /// What the broker is taken for.
    pub(super) fn profile(&self) -> Profile {
        self.session.connection().map_or(Profile::UNKNOWN, |connection| (*connection.profile).clone())
    }

    pub(super) fn wake_all(&mut self, what: For) {
        let wakers = self.waits.of(what).wake_all();
        self.after.wake.extend(wakers);
    }

    /// Waits, or waits on.
    pub(super) fn wait(&mut self, what: For, ticket: &mut Option<Ticket>, waker: Waker, patience: Duration) {
        let waits = self.waits.of(what);
        match *ticket {
            Some(ticket) => {
                let replaced = waits.renew(ticket, waker);
                self.discard(replaced);
            }
            None => {
                *ticket = Some(waits.join(waker, patience));
                if patience < Duration::MAX {
                    // The driver gives the newcomer its deadline.
                    self.wake_driver();
                }
            }
        }
    }

    pub(super) fn leave(&mut self, what: For, ticket: Ticket) {
        let waker = self.waits.of(what).leave(ticket);
        self.discard(waker);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// A hold on the session: when the last one goes, it disconnects.
pub(super) struct Keep {
    pub(super) shared: Arc<Shared>,
}

impl Keep {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        shared.with(|inner| inner.handles = inner.handles.saturating_add(1));
        Self { shared }
    }
}

impl Clone for Keep {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.with(|inner| {
            inner.handles = inner.handles.saturating_sub(1);
            if inner.handles == 0 {
                shared.begin_disconnect(inner);
                inner.wake_driver();
            }
        });
    }
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}
