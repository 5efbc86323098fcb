//! Clusters and pairs that lose nodes, round after round, while clients send and receive: nothing that was confirmed is lost,
//! and who could be served again is served within seconds.

use std::time::Duration;

use stomp_session::Timestamp;

use super::{
    Outcome,
    deed::{Act, Deed},
    incident::{Due, Incident, between},
    kind::Kind,
    law::{Checked, Law, demand},
    plan::Setting,
    world::World,
};
use crate::sim::Random;

/// Rounds of one run.
const ROUNDS: usize = 6;
/// Clients that send, which come first, and clients that receive: one for each queue.
pub(super) const PRODUCERS: usize = 2;
const CONSUMERS: usize = 2;
/// Between two sends of a client, at most.
const STEP: Duration = Duration::from_millis(500);
/// SENDs of one client that may be unconfirmed before it waits.
const OPEN: usize = 48;
/// Traffic is undisturbed for so long before and after each round, in which a connection becomes stable.
const CALM: Duration = Duration::from_millis(5500);
/// What a message may need to come to the consumer once it is sent.
const RELAY: Duration = Duration::from_millis(1100);

/// Runs one: the seed chooses the cluster and what goes wrong.
#[must_use]
pub fn clusters(seed: u64, traced: bool) -> Outcome {
    let mut luck = Random::new(seed ^ 0x4e4f_4445_5320_4f46);
    let kind = [Kind::RabbitMq, Kind::RabbitMq, Kind::ActiveMq, Kind::Artemis][luck.below(4)];
    let second = Duration::from_secs(1);
    let beat = second * [10, 10, 4, 1][luck.below(4)];
    let setting = Setting {
        luck: seed,
        clients: PRODUCERS + CONSUMERS,
        brokers: vec![kind; if kind == Kind::RabbitMq { 3 } else { 2 }],
        cluster: true,
        beats: (beat, beat),
        timeout: second * 3600,
        receipt_timeout: second * 3600,
        max_reconnect_delay: second * 30,
        prefetch: [1, 10, 100][luck.below(3)],
        edition: luck.below(3),
        durable_only: luck.once_in(2),
        jitter: true,
        one_login: luck.once_in(2),
        latency: Duration::from_micros(100 << luck.below(8)),
        ..Setting::calm()
    };
    super::finish(World::new(setting, traced), |world| world.lose_nodes(kind, &mut luck))
}

impl World {
    fn lose_nodes(&mut self, kind: Kind, luck: &mut Random) -> Checked {
        self.stormy = false;
        self.accounts.innocent = true;
        self.begin_pair();
        self.settle()?;
        for consumer in PRODUCERS..PRODUCERS + CONSUMERS {
            let queue = u8::try_from(consumer - PRODUCERS).unwrap_or_default();
            self.perform(Deed::User {
                client: u8::try_from(consumer).unwrap_or_default(),
                act: Act::Subscribe(queue),
            })?;
        }
        self.keep_busy(self.now.after(CALM), luck)?;
        for _ in 0..ROUNDS {
            let incident = Incident::draw(kind, luck);
            self.accounts.during = incident.name();
            self.survive(incident, luck)?;
        }
        self.accounts.during = "";
        self.end()?;
        self.tally()
    }

    /// One round: something goes wrong, and comes right in time.
    fn survive(&mut self, incident: Incident, luck: &mut Random) -> Checked {
        let start = self.now;
        self.trace.note(start, 9, || format!("round: {incident:?}"));
        let dues = self.happen(incident, luck);
        let last = dues.iter().map(|due| due.by).max().unwrap_or(start);
        let rest = self.recovers_at().max(last).after(CALM);
        let mut gap = Duration::ZERO;
        let mut late = Duration::ZERO;
        while self.now < rest {
            self.keep_busy(self.now.after(STEP).min(rest), luck)?;
            for (number, actor) in self.actors.iter().enumerate() {
                gap = gap.max(self.now.since(actor.served_at.max(start)));
                let due = dues[number];
                late = late.max(self.lateness(number, due.from));
                let is_late = self.now >= due.by && self.lateness(number, due.from) > due.by.since(due.from);
                demand(!is_late, Law::Gap, || {
                    format!(
                        "client {number} could be served at {} and is not at {}: {incident:?}",
                        due.from, self.now
                    )
                })?;
            }
        }
        let rounds = self.report.rounds_of.entry(incident.name()).or_default();
        rounds.rounds += 1;
        (rounds.gap, rounds.late) = (rounds.gap.max(gap), rounds.late.max(late));
        Ok(())
    }

    /// For how long a client has waited for what it could have had since then.
    fn lateness(&self, number: usize, since: Timestamp) -> Duration {
        let actor = &self.actors[number];
        let is_served = if number < PRODUCERS {
            actor.operations.values().all(|operation| operation.since > since)
        } else {
            actor.served_at > since
        };
        if is_served { Duration::ZERO } else { self.now.since(since) }
    }

    /// Clients send and acknowledge until then.
    fn keep_busy(&mut self, until: Timestamp, luck: &mut Random) -> Checked {
        while self.now < until {
            let next = self.now.after(between(luck, 100, 500)).min(until);
            let next = self.next_stop().map_or(next, |stop| stop.max(self.now).min(next));
            self.pass(next.since(self.now))?;
            self.stop()?;
            for number in 0..self.actors.len() {
                let client = u8::try_from(number).unwrap_or_default();
                let is_free = self.actors[number].operations.len() < OPEN;
                let act = match number < PRODUCERS {
                    true => Act::Send { to: u8::try_from(luck.below(CONSUMERS)).unwrap_or_default(), how: 8 },
                    false => Act::AckAll,
                };
                if is_free {
                    self.perform(Deed::User { client, act })?;
                }
            }
            self.settle()?;
        }
        Ok(())
    }

    /// What became of the messages, by what went on when they were sent.
    fn tally(&mut self) -> Checked {
        for (key, entry) in self.accounts.iter().filter(|(_, entry)| !entry.during.is_empty()) {
            let rounds = self.report.rounds_of.entry(entry.during).or_default();
            rounds.copies += entry.copies_stored.saturating_sub(1);
            if entry.confirmed.is_empty() {
                continue;
            }
            rounds.confirmed += 1;
            rounds.lost += u64::from(entry.handed == 0);
            demand(entry.handed > 0, Law::AtLeastOnce, || {
                format!("{key} was confirmed and nobody was given it: {entry:?}")
            })?;
        }
        Ok(())
    }
}

/// A consumer waits for what the producers send.
pub(super) fn relayed(mut dues: Vec<Due>) -> Vec<Due> {
    let (producers, consumers) = dues.split_at_mut(PRODUCERS);
    let by = producers.iter().map(|due| due.by).max();
    for due in consumers {
        due.by = by.map_or(due.by, |by| by.max(due.by)).after(RELAY);
    }
    dues
}
