//! What a session tells its owner, and whether it may be so.

use std::{collections::BTreeMap, time::Duration};

use stomp_proto::AckMode;
use stomp_session::{Closed, Event, Lost, Message, Outcome, ReceiptId, Timestamp};

use super::{
    accounts::Accounts,
    actor::{Actor, Mark, ack_id},
    blows::{check_kept, check_rejected},
    kind::Kind,
    law::{Checked, Law, demand},
    network::broker_of,
    watch::{Came, Watch},
};

/// Milliseconds by which a peer may be late, and so may we.
pub(super) const MARGIN: u64 = 500;

/// What is needed to judge an event.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) now: Timestamp,
    /// The connection that stands, or has just ended.
    pub(super) watch: Option<&'a mut Watch>,
    /// The broker of that connection, and what it is.
    pub(super) broker: usize,
    pub(super) kind: Option<Kind>,
    pub(super) accounts: &'a mut Accounts,
}

impl Actor {
    /// Takes note of an event.
    pub(super) fn note(&mut self, event: Event, scene: &mut Scene<'_>) -> Checked {
        demand(self.closed.is_none(), Law::Close, || format!("after the end came {event:?}"))?;
        match event {
            Event::Connected(connection) => {
                self.course.connected(broker_of(&connection.endpoint), scene.now);
                self.handed.clear();
                // Who did not read goes on not reading.
                if self.paused {
                    self.session.pause_input();
                }
                let Some(watch) = &mut scene.watch else { return Ok(()) };
                (watch.id, watch.agreed) = (Some(connection.id), connection.heart_beat);
                // Heart-beats are promised from here on (1.2, "Heart-beating").
                watch.last_written = scene.now;
                // A client that is leaving wants no more messages.
                watch.stays_open = scene.kind == Some(Kind::ActiveMq);
                if !self.is_leaving() {
                    watch.replay = self.healthy().collect();
                }
                Ok(())
            }
            Event::Message(message) => self.note_message(message, scene),
            Event::Receipt { id, outcome } => self.note_receipt(id, &outcome, scene),
            Event::Disconnected { reason, .. } => {
                self.course.lost(&reason, scene.now);
                self.note_left(&reason, scene.watch.as_deref(), scene.now)?;
                check_kept(&reason, scene)?;
                self.check_reason(&reason, scene)
            }
            Event::Moving { reason, .. } if reason == "rebalance" => self.note_rebalance(scene.now),
            Event::Moved(moved) => self.note_moved(&moved),
            Event::ConnectFailed { endpoint, reason } => {
                self.course.failed(broker_of(&endpoint), &reason, scene.now);
                Ok(())
            }
            Event::Reconnecting { endpoint, delay, .. } => {
                self.course.announce(broker_of(&endpoint), delay, scene.now)
            }
            Event::Resubscribing { id, delay, .. } => self.note_retry(id, delay, scene),
            Event::SubscriptionEnded { id, reason } => match self.mark_of(id) {
                Some(mark) => self.note_subscription_ended(mark, &reason, scene),
                None => Ok(()),
            },
            Event::LocalStall { late } => {
                scene.watch.iter_mut().for_each(|watch| watch.excused = true);
                let was_run = scene.now.since(self.stalled_until) > Duration::ZERO;
                demand(!was_run, Law::DeadPeer, || format!("{late:?} late, and it was run all the time"))
            }
            Event::Closed(closed) => self.note_closed(closed, scene),
            _ => Ok(()),
        }
    }

    fn note_message(&mut self, message: Message, scene: &mut Scene<'_>) -> Checked {
        let id = ack_id(&message);
        let Some(watch) = &mut scene.watch else { return Ok(()) };
        demand(watch.id == Some(message.connection()), Law::Order, || {
            format!("{id} is not of {:?}", watch.id)
        })?;
        let mark = self.mark_of(message.subscription());
        let passed = watch.inbox.iter().position(|came| came.id == id);
        demand(passed.is_some(), Law::Order, || format!("{id} did not come, or came before"))?;
        let stands = self.stands_on(watch);
        let Watch { inbox, subscribed, .. } = &mut **watch;
        for skipped in inbox.drain(..=passed.unwrap_or_default()).rev().skip(1) {
            // When a connection has ended, what could not be acknowledged any more is skipped.
            let lives = self.lives(&skipped, subscribed, stands);
            demand(!lives, Law::Order, || format!("{} came before {id} and was not handed out", skipped.id))?;
        }
        demand(mark.is_some(), Law::RightResult, || {
            format!("{id} is for {:?}, which has ended", message.subscription())
        })?;
        if let Some(mark) = mark {
            self.served_at = scene.now;
            scene.accounts.entry(&super::accounts::key(message.body())).handed += 1;
            self.hand(message, mark);
        }
        Ok(())
    }

    /// After all events everything that came is handed out, but what nobody is there for.
    pub(super) fn check_inbox(&self, watch: &mut Watch) -> Checked {
        let stands = self.stands_on(watch) && !self.is_leaving();
        let Watch { inbox, subscribed, .. } = watch;
        for came in inbox.drain(..) {
            let lives = stands && self.lives(&came, subscribed, stands);
            demand(!lives, Law::Order, || format!("{} came and was not handed out", came.id))?;
        }
        Ok(())
    }

    fn stands_on(&self, watch: &Watch) -> bool {
        self.session.connection().is_some_and(|standing| watch.id == Some(standing.id))
    }

    /// Whether a message must be handed out: its subscription lives, and it can be acknowledged or need not be.
    fn lives(&self, came: &Came, subscribed: &BTreeMap<String, Mark>, stands: bool) -> bool {
        let held = subscribed.get(&came.subscription).and_then(|mark| self.subscriptions.get(mark));
        let stands = stands && !self.is_moving();
        held.is_some_and(|held| held.retry_at.is_none() && (stands || held.ack_mode == AckMode::Auto))
    }

    fn note_receipt(&mut self, id: ReceiptId, outcome: &Outcome, scene: &mut Scene<'_>) -> Checked {
        let operation = self.operations.remove(&id);
        demand(operation.is_some(), Law::RightResult, || format!("{id:?} is not awaited: {outcome:?}"))?;
        let Some(operation) = operation else { return Ok(()) };
        if operation.is_commit() {
            return note_commit(&operation.commits, outcome, scene);
        }
        let key = operation.key;
        let broker = scene.broker;
        let entry = scene.accounts.entry(&key);
        match outcome {
            Outcome::Confirmed => {
                let came = scene.watch.as_ref().is_some_and(|watch| {
                    watch.receipts_of(&key).any(|receipt| watch.receipts.contains(receipt))
                });
                demand(came, Law::RightResult, || format!("{key} is confirmed, and no RECEIPT came for it"))?;
                entry.confirmed.insert(broker);
                self.served_at = scene.now;
                demand(entry.stored.contains(&broker), Law::ConfirmedIsStored, || {
                    format!("{key} is confirmed and not with broker {broker}")
                })
            }
            Outcome::Rejected(_) => {
                let named = scene.watch.as_ref().map_or_else(Vec::new, |watch| watch.refusals_of(&key));
                check_rejected(&self.blows, &key, &named, entry)?;
                entry.rejected = true;
                // An earlier copy may be stored.
                entry.rejected &= !entry.repeats;
                demand(entry.stored.is_empty() || entry.repeats, Law::ConfirmedIsStored, || {
                    format!("{key} is rejected and with brokers {:?}", entry.stored)
                })
            }
            Outcome::NotSent(_) => {
                entry.withdrawn = true;
                demand(entry.written == 0, Law::RightResult, || {
                    format!("{key} was not sent, and was written")
                })
            }
            Outcome::Unknown(why) => self.check_unknown(&key, why, operation.since, scene),
        }
    }

    /// A peer is not called dead too early, nor while nobody reads, nor when only we were late: that is excused once.
    fn check_reason(&self, reason: &Lost, scene: &Scene<'_>) -> Checked {
        let (Lost::HeartBeat(_) | Lost::NoHeartBeats(_), Some(watch)) = (reason, &scene.watch) else {
            return Ok(());
        };
        let (silence, agreed) = (scene.now.since(watch.last_heard), watch.agreed.incoming);
        let in_time = Duration::from_millis(agreed * 2 + MARGIN + MARGIN);
        let is_due = silence.as_millis() >= u128::from(agreed) && (silence <= in_time || watch.excused);
        demand(is_due && !self.paused, Law::DeadPeer, || {
            format!("called dead after {silence:?}, {agreed} ms are agreed, paused: {}", self.paused)
        })
    }

    fn note_closed(&mut self, closed: Closed, scene: &Scene<'_>) -> Checked {
        let left = self.operations.values().next();
        demand(left.is_none(), Law::Ends, || format!("the end came before the result of {left:?}"))?;
        let is_poisoned = self.course.is_poisoned(scene.now);
        let says_so = matches!(closed, Closed::ProtocolErrorLoop(_));
        demand(says_so == is_poisoned || (is_poisoned && self.is_leaving()), Law::Poison, || {
            format!("it has ended, {closed}, and that it is poisoned is {is_poisoned}")
        })?;
        let is_confirmed = matches!(closed, Closed::Disconnected { confirmed: true, .. });
        if let Some(watch) = scene.watch.as_ref().filter(|watch| is_confirmed && watch.id.is_some()) {
            let came = watch
                .receipts_for(stomp_proto::Command::Disconnect)
                .any(|receipt| watch.receipts.contains(receipt));
            demand(came, Law::Close, || "the DISCONNECT is confirmed, and no RECEIPT came".to_owned())?;
        }
        self.closed = Some(closed);
        Ok(())
    }
}

/// A transaction is confirmed when the broker has all of it.
fn note_commit(keys: &[String], outcome: &Outcome, scene: &mut Scene<'_>) -> Checked {
    if *outcome != Outcome::Confirmed {
        return Ok(());
    }
    for key in keys {
        let entry = scene.accounts.entry(key);
        entry.confirmed.insert(scene.broker);
        demand(entry.stored.contains(&scene.broker), Law::ConfirmedIsStored, || {
            format!("{key} was committed and is not with broker {}", scene.broker)
        })?;
    }
    Ok(())
}
