//! Hours with queues that cannot be had, beside others that can: what the first cost the second.

use std::time::Duration;

use stomp_proto::Command;
use stomp_session::Timestamp;
use stomp_testkit::broker::Denial;

use super::{
    Outcome,
    deed::{Act, Deed},
    kind::Kind,
    law::{Checked, Law, demand},
    plan::Setting,
    trouble::queue,
    words,
    world::World,
};
use crate::sim::Random;

/// How long it lasts.
const HOURS: u64 = 4;
const HOUR: Duration = Duration::from_secs(3600);
/// Messages come for the others every so often, and are there before the next.
const STEP: Duration = Duration::from_secs(30);
/// Enough for another connection.
const AGAIN: Duration = Duration::from_secs(5);
/// Connections that may be lost in the first hour, where they are closed without a word or with one, and in each after it. What
/// cannot be had may cost one each until it is known.
const SILENT: u64 = 16;
const WORDED: u64 = 10;
const LATER: u64 = 2;
/// The queues that can be had come first.
const HEALTHY: u8 = 2;

/// Runs one: the seed chooses the broker, its words, how many queues cannot be had, and whether something is sent there.
#[must_use]
pub fn suspects(seed: u64, traced: bool) -> Outcome {
    let mut luck = Random::new(seed);
    let kind = Kind::ALL[luck.below(3)];
    let second = Duration::from_secs(1);
    let beat = if luck.once_in(2) { Duration::ZERO } else { second * 10 };
    let setting = Setting {
        luck: seed,
        brokers: vec![kind; 1 + luck.below(2)],
        cluster: true,
        beats: (beat, beat),
        timeout: HOUR * 24,
        receipt_timeout: second * 60,
        ..Setting::calm()
    };
    super::finish(World::new(setting, traced), |world| world.endure(kind, &mut luck))
}

impl World {
    fn endure(&mut self, kind: Kind, luck: &mut Random) -> Checked {
        self.settle()?;
        let dead = HEALTHY + 1 + u8::try_from(luck.below(2)).unwrap_or_default();
        for which in 0..dead {
            self.user(Act::Subscribe(which))?;
            self.pass(Duration::from_secs(1))?;
        }
        let which = u8::try_from(luck.below(5)).unwrap_or_default();
        for number in HEALTHY..dead {
            self.models[0].deny(refusal(kind, which, &queue(number)), Timestamp::MAX);
        }
        let sends = luck.once_in(2);
        if sends {
            self.user(Act::Send { to: HEALTHY, how: 8 })?;
        }
        let each = u64::from(dead - HEALTHY) + u64::from(sends);
        let first = if which == SAYS_NOTHING { SILENT + each } else { WORDED };
        self.links.keys().copied().collect::<Vec<_>>().into_iter().for_each(|link| self.reset(link));
        self.pass(Duration::from_millis(100))?;
        // The end of the first connection was our own doing.
        let mut before = 2;
        for hour in 0..HOURS {
            self.watch_an_hour()?;
            let lost = self.report.connections - std::mem::replace(&mut before, self.report.connections);
            let most = if hour == 0 { first } else { LATER };
            demand(lost <= most, Law::Suspects, || {
                format!("{lost} connections are lost in hour {hour} for queues that cannot be had")
            })?;
        }
        self.end()
    }

    /// Those that can be had are served all the time.
    fn watch_an_hour(&mut self) -> Checked {
        let until = self.now.after(HOUR);
        while self.now < until {
            let number = self.report.messages;
            self.perform(Deed::Publish { broker: 0, queue: u8::try_from(number % 3).unwrap_or_default() })?;
            self.settle()?;
            self.pass(STEP)?;
            self.user(Act::AckAll)?;
            if self.waiting() > 0 {
                // A suspect that left just before the ACKs has ended the connection: they come again.
                self.pass(AGAIN)?;
                self.user(Act::AckAll)?;
            }
            let left = self.waiting();
            demand(left == 0, Law::Suspects, || format!("{left} messages wait"))?;
        }
        Ok(())
    }

    /// Messages in the queues that can be had.
    fn waiting(&self) -> usize {
        (0..HEALTHY).map(|number| self.models[0].broker.depth(&queue(number))).sum()
    }

    pub(super) fn user(&mut self, act: Act) -> Checked {
        self.perform(Deed::User { client: 0, act })?;
        self.settle()
    }
}

const SAYS_NOTHING: u8 = 4;

/// In words that pass, or in none.
fn refusal(kind: Kind, which: u8, queue: &str) -> Denial {
    let denial = Denial::of(Command::Subscribe).and(Command::Send).at(queue);
    if which == SAYS_NOTHING {
        return denial;
    }
    let (message, detail) = words::of(kind, which, queue);
    let denial = denial.saying(&message, &detail);
    if kind == Kind::ActiveMq { denial } else { denial.closing() }
}
