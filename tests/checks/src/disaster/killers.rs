//! SENDs that end each connection on which they are, at every broker, beside others that can be had: the first are found out,
//! and the second are served all the time.

use std::time::Duration;

use stomp_proto::Command;
use stomp_session::Timestamp;
use stomp_testkit::broker::Denial;

use super::{
    Outcome,
    deed::Act,
    kind::Kind,
    law::{Checked, Law, demand},
    plan::Setting,
    trouble::queue,
    world::World,
};
use crate::sim::Random;

/// By then it must be found out, or one of several, and no sooner than after a minute: an election looks the same.
const FOUND: [Duration; 2] = [Duration::from_secs(120), Duration::from_secs(400)];
const NOT_BEFORE: Duration = Duration::from_secs(62);
/// What the others send is confirmed within that time.
const SERVED: Duration = Duration::from_secs(3);
/// Connections that may be lost, and one more for each killer.
const COSTS: u64 = 16;
/// Between two deeds.
const STEP: Duration = Duration::from_millis(500);

/// Runs one: the seed chooses the broker, how many there are, whether one of the list is down, and how many SENDs kill.
#[must_use]
pub fn killers(seed: u64, traced: bool) -> Outcome {
    let mut luck = Random::new(seed ^ 0x4b49_4c4c_4552_5321);
    let second = Duration::from_secs(1);
    let setting = Setting {
        luck: seed,
        brokers: vec![Kind::ALL[luck.below(3)]; 1 + luck.below(3)],
        cluster: true,
        beats: (second * 10, second * 10),
        timeout: second * 600,
        receipt_timeout: second * 60,
        max_reconnect_delay: second * 30,
        jitter: luck.once_in(2),
        latency: Duration::from_micros(100 << luck.below(11)),
        ..Setting::calm()
    };
    super::finish(World::new(setting, traced), |world| world.bear_killers(&mut luck))
}

impl World {
    fn bear_killers(&mut self, luck: &mut Random) -> Checked {
        self.settle()?;
        let down = self.nodes.len() > 1 && luck.once_in(2);
        self.user(Act::Subscribe(0))?;
        self.pass(Duration::from_secs(1))?;
        if down {
            self.nodes[0].refuses_until = Timestamp::MAX;
            self.reset_all(0);
            self.pass(Duration::from_secs(6))?;
        }
        let killer = Denial::of(Command::Send).at(&queue(3));
        let killer = if luck.once_in(3) { killer.storing() } else { killer };
        let killer = if luck.once_in(2) { killer.reading_on() } else { killer };
        self.models[0].deny(killer, Timestamp::MAX);
        let count = 1 + luck.below(FOUND.len());
        for _ in 0..count {
            self.user(Act::Send { to: 3, how: 8 })?;
        }
        let (start, before) = (self.now, self.report.connections);
        while self.now < start.after(FOUND[count - 1]) {
            self.user(Act::Send { to: 0, how: 8 })?;
            self.pass(STEP)?;
            self.user(Act::AckAll)?;
            self.check_served(start)?;
            let is_early = self.report.given_up > 0 && self.now < start.after(NOT_BEFORE);
            demand(!is_early, Law::Blame, || {
                format!("given up {:?} after the start", self.now.since(start))
            })?;
        }
        let (found, lost) = (self.report.given_up, self.report.connections - before);
        demand(found > 0, Law::Blame, || format!("none of {count} killers is found"))?;
        demand(lost <= COSTS + count as u64, Law::Suspects, || format!("{lost} connections are lost"))?;
        self.end()
    }

    /// Nobody waits but those who kill.
    fn check_served(&self, start: Timestamp) -> Checked {
        let others = self.actors.iter().flat_map(|actor| actor.operations.values());
        let mut others = others.filter(|operation| operation.since > start);
        let late = others.find(|operation| self.now.since(operation.since) > SERVED);
        demand(late.is_none(), Law::Suspects, || format!("{late:?} waits at {}", self.now))
    }
}
