//! What dies with a connection. Its parts own their state, take what they need, and return what follows.

mod commands;
mod context;
pub(crate) mod handshake;
mod heart_beats;
mod incoming;
pub(crate) mod input;
mod isolation;
mod judgement;
mod leaving;
pub(crate) mod outbox;
mod receipts;
mod resending;
mod settlement;
mod transactions;
mod unsettled;
mod unsubscribing;
mod wire;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use core::time::Duration;

use bytes::Bytes;
use stomp_proto::Frame;

pub(crate) use context::{Cx, Reaction};
pub(crate) use unsubscribing::UnsubscribeOptions;
#[cfg(feature = "client")]
pub(crate) use wire::WireMark;

#[cfg(feature = "client")]
use self::outbox::Kind;

use self::{
    context::Parts,
    heart_beats::{HeartBeats, Silence},
    isolation::{Isolation, Warnings},
    outbox::Outbox,
    receipts::Awaited,
    settlement::{Burst, GivingBack, Settlement},
    transactions::Transactions,
    unsubscribing::Unsubscribing,
    wire::Wire,
};
use crate::{
    model::{
        collections::Seldom,
        config::Config,
        connection::Connection,
        error::Lost,
        event::{Event, Parting},
        ids::{Ids, ReceiptId, SubscriptionId},
        time::Timestamp,
        verdict,
    },
    replay::Replay,
};

/// A connection that stands. Leaving the state drops it: there is no reset to forget a field in.
#[derive(Debug)]
pub(crate) struct Link {
    /// Its owner may keep it beyond the end.
    pub(crate) connection: Arc<Connection>,
    /// Since when it stands.
    pub(crate) since: Timestamp,
    wire: Wire,
    /// What is sent alone, if anything is.
    isolation: Option<Box<Isolation>>,
    /// Subscriptions that were to be sent alone, and are not, since the connection is being left.
    passed_over: BTreeSet<SubscriptionId>,
    heart_beats: HeartBeats,
    transactions: Transactions,
    settlement: Settlement,
    unsubscribing: Seldom<Unsubscribing>,
    warnings: Warnings,
    /// SUBSCRIBEs whose RECEIPT did not come in time.
    late: BTreeMap<ReceiptId, SubscriptionId>,
    /// All messages that are not settled go back, or have gone.
    giving_back: Option<Box<GivingBack>>,
    /// What was settled just now.
    burst: Burst,
    /// DISCONNECT was said: nothing follows that.
    said_all: bool,
}

impl Link {
    /// Creates the link after CONNECTED. It goes on with the outbox into which CONNECT was written.
    pub(crate) fn new(connection: Connection, outbox: Outbox, cx: &mut Cx<'_>) -> Self {
        let isolation = Isolation::careful(cx.replay).map(Box::new);
        let mut wire = Wire::new(&connection, outbox);
        if isolation.is_some() {
            wire.hold(Outbox::numbered(cx.ids.outbox()), cx.events.traces_frames());
        }
        let mut link = Self {
            since: cx.now,
            wire,
            isolation,
            passed_over: BTreeSet::new(),
            heart_beats: HeartBeats::new(connection.heart_beat, cx.config, cx.now),
            transactions: Transactions::new(connection.id),
            settlement: Settlement::default(),
            unsubscribing: Seldom::default(),
            warnings: Warnings::default(),
            late: BTreeMap::new(),
            giving_back: None,
            burst: Burst::default(),
            said_all: false,
            connection: Arc::new(connection),
        };
        cx.events.push(Event::Connected((*link.connection).clone()));
        link.replay(cx);
        link.proceed(cx);
        link.stamp(cx.config, cx.now);
        link
    }

    /// The next octets for the transport.
    pub(crate) fn take(&mut self, cx: &mut Cx<'_>) -> Option<Bytes> {
        let taken = self.take_next(cx).or_else(|| {
            // A frame that is to be sent alone may have waited for these octets.
            self.isolation.as_ref()?;
            self.proceed(cx);
            self.take_next(cx)
        });
        if taken.is_some() {
            self.heart_beats.sent(cx.now);
        }
        cx.events.extend(self.wire.take_traced());
        taken
    }

    fn take_next(&mut self, cx: &mut Cx<'_>) -> Option<Bytes> {
        let limit = self.receipt_timeout(cx.config);
        let Self { wire, isolation, .. } = self;
        let (now, kept) = (cx.now, &mut cx.replay.kept);
        let holds = isolation.as_ref().is_some_and(|isolation| !isolation.is_done());
        let note = |id, awaited, progress| {
            if let Awaited::Kept(id) = awaited {
                kept.note_handed_over(id);
            }
            isolation.iter_mut().for_each(|isolation| isolation.note(id, progress, now, limit));
        };
        let taken = wire.take(now, limit, holds, note);
        if taken.is_none() && !holds {
            self.isolation = None;
        }
        taken
    }

    /// Notes that octets came.
    pub(crate) const fn heard(&mut self, now: Timestamp) {
        self.heart_beats.heard(now);
    }

    pub(crate) const fn pause(&mut self) {
        self.heart_beats.pause();
    }

    pub(crate) const fn resume(&mut self, now: Timestamp) {
        self.heart_beats.resume(now);
    }

    /// Whether something was commanded that has no time yet.
    #[inline]
    pub(crate) fn is_unstamped(&self) -> bool {
        self.wire.receipts.is_unstamped() || self.unsubscribing.is_unstamped()
    }

    /// Gives what was commanded since the last call its time.
    pub(crate) fn stamp(&mut self, config: &Config, now: Timestamp) {
        self.wire.receipts.stamp(now);
        let timeout = config.unsubscribe_timeout;
        self.unsubscribing.used().into_iter().for_each(|it| it.stamp(timeout, now));
    }

    /// Does what is due. `said_all` says that DISCONNECT was: nothing follows it (1.2, "DISCONNECT").
    pub(crate) fn tick(&mut self, said_all: bool, cx: &mut Cx<'_>) -> Result<(), Lost> {
        let now = cx.now;
        self.wire.shrink();
        let Self { unsubscribing, connection, wire, settlement, .. } = self;
        match unsubscribing.used() {
            Some(unsubscribing) if said_all => unsubscribing.forget_deadlines(),
            Some(unsubscribing) => {
                unsubscribing.expire(&mut Parts { connection, wire, settlement }, cx.ids, now);
            }
            None => {}
        }
        let silence = self.heart_beats.silence(now);
        if self.heart_beats.take_due(now) && self.wire.is_drained() && !said_all {
            self.wire.push_heart_beat();
        }
        match silence {
            Silence::None => {}
            Silence::Stall(late) => cx.events.push(Event::LocalStall { late }),
            Silence::Dead(silence) => return Err(self.heart_beats.lost(silence)),
            Silence::DeadAfterStall(late) => return Err(Lost::LocalStall(late)),
        }
        self.stop_giving_back(cx);
        while let Some(id) = self.wire.receipts.overdue(now) {
            self.end_wait(id, cx);
        }
        if let Some(id) = self.isolation.as_mut().and_then(|isolation| isolation.expire(now)) {
            self.stop_waiting_alone(id);
        }
        self.proceed(cx);
        Ok(())
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let isolation = self.isolation.as_deref().and_then(Isolation::deadline);
        let (receipts, beats) = (self.wire.receipts.deadline(), self.heart_beats.deadline());
        let giving_back = self.giving_back.as_deref().and_then(GivingBack::deadline);
        Timestamp::first([receipts, isolation, beats, self.unsubscribing.deadline(), giving_back])
    }

    /// Whether something may be sent alone.
    pub(crate) const fn may_isolate(&self) -> bool {
        self.isolation.is_none()
    }

    /// The end has begun: whatever would wait for somebody does not. Gives how many transactions were open.
    pub(crate) fn begin_end(&mut self) -> usize {
        let Self { unsubscribing, connection, wire, settlement, transactions, .. } = self;
        let strands = !connection.profile.gives_back();
        if let Some(unsubscribing) = unsubscribing.used().filter(|_| strands) {
            unsubscribing.say_all(&mut Parts { connection, wire, settlement });
        }
        transactions.end_uncommitted(wire)
    }

    /// How many subscriptions may miss messages when this connection is left.
    pub(crate) fn count_at_risk(&self, replay: &Replay) -> usize {
        let subscriptions = &replay.subscriptions;
        let all = subscriptions.ready().filter_map(|id| subscriptions.get(id));
        all.filter(|held| held.is_at_risk(&self.connection.profile)).count()
    }

    /// Whether nothing waits for an answer, or is sent alone. What waits for the transport leaves before any DISCONNECT.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_answered() && self.transactions.is_empty() && self.isolation.is_none()
    }

    /// Messages that were handed out and are not settled.
    pub(crate) fn open_messages(&self) -> usize {
        self.settlement.open()
    }

    /// Whether nothing waits for a RECEIPT.
    pub(crate) const fn is_answered(&self) -> bool {
        self.wire.receipts.len() == 0
    }

    /// Writes DISCONNECT. It is answered as any other frame.
    pub(crate) fn say_disconnect(&mut self, ids: &mut Ids) {
        self.said_all = true;
        let id = ids.receipt();
        let frame = Frame::new(stomp_proto::Command::Disconnect);
        // It cannot fail: a number is text in every version.
        let _ = self.wire.push_awaited(&frame, id, Awaited::Disconnect, Duration::MAX);
    }

    /// How the end of the connection answers the DISCONNECT. Some brokers close it instead of sending a RECEIPT. A reset is no
    /// answer: what was on the way may be gone.
    pub(crate) fn parting(&self, reason: &Lost) -> Parting {
        let (_, unknown) = self.wire.lost_sends();
        let is_closed = match reason {
            Lost::Eof => true,
            Lost::ServerError(error) => verdict::tells_of_close(error),
            _ => false,
        };
        if !is_closed || self.wire.len() > 0 {
            return Parting::Unconfirmed;
        }
        Parting::Closed { unknown: usize::try_from(unknown).unwrap_or(usize::MAX) }
    }

    /// The connection has ended: what waits for it is told, and what was queued on it is dropped.
    pub(crate) fn end(mut self, reason: &Lost, cx: &mut Cx<'_>) {
        while let Some(id) = self.wire.receipts.first() {
            self.lose_receipt(id, reason, cx);
        }
        let (unsent, unconfirmed) = self.wire.lost_sends();
        let (connection, reason) = (self.connection.id, reason.clone());
        cx.events.push(Event::Disconnected { connection, reason, unsent, unconfirmed });
        cx.replay.note_lost(cx.now);
        cx.events.discard(self.wire.take_bodies());
    }

    /// Octets that wait for the transport.
    pub(crate) fn unsent(&self) -> usize {
        self.wire.len()
    }

    /// SENDs without a RECEIPT: all, and those that were handed over.
    #[cfg(feature = "client")]
    pub(crate) const fn sends(&self) -> (u64, u64) {
        self.wire.sends()
    }

    /// Octets of ACKs and NACKs that wait for the transport.
    #[cfg(feature = "client")]
    pub(crate) fn unsent_acknowledgements(&self) -> usize {
        self.wire.unanswered_octets()
    }

    /// How far its frames have come.
    #[cfg(feature = "client")]
    pub(crate) fn mark(&self) -> WireMark {
        self.wire.mark()
    }

    /// Whether everything has been handed over that was written before that.
    #[cfg(feature = "client")]
    pub(crate) fn has_left(&self, mark: &WireMark) -> bool {
        self.wire.before(mark).next().is_none()
    }

    /// Whether something was written before that, has not been handed over, and is lost with the connection.
    #[cfg(feature = "client")]
    pub(crate) fn holds_plain(&self, mark: &WireMark) -> bool {
        self.wire.before(mark).any(Kind::is_plain)
    }

    /// Whether something was handed over since the last call that is lost with the connection.
    #[cfg(feature = "client")]
    pub(crate) const fn take_plain(&mut self) -> bool {
        self.wire.take_plain()
    }

    /// Frames that wait for a RECEIPT.
    pub(crate) const fn awaited_receipts(&self) -> usize {
        self.wire.receipts.len()
    }

    pub(crate) fn trace(&mut self, traces: bool) {
        self.wire.trace(traces);
    }

    /// Waits no more for an answer to a frame, and takes it back if nothing of it has left. Whether that was so.
    pub(crate) fn forget(&mut self, id: ReceiptId, cx: &mut Cx<'_>) -> bool {
        // A COMMIT is not cancelled.
        if !matches!(self.wire.receipts.awaited(id), Some(Awaited::Command | Awaited::Kept(_))) {
            return false;
        }
        let Some((pending, body)) = self.wire.forget(id) else { return false };
        cx.events.discard(body);
        pending.stage != receipts::Stage::OnWire
    }
}
