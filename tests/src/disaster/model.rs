//! A model broker: the embedded broker of one kind, up or down, awake or frozen.

use std::time::Duration;

use stomp_session::Timestamp;

use super::{kind::Kind, plan::Setting};
use crate::{broker::Broker, sim::Random};

/// A broker of the run.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) kind: Kind,
    pub(super) broker: Broker,
    /// Dials are refused until then.
    pub(super) refuses_until: Timestamp,
    /// Dials do not end until then.
    pub(super) hangs_until: Timestamp,
    /// It neither reads nor writes until then.
    pub(super) frozen_until: Timestamp,
    /// New connections are not answered until then.
    pub(super) mute_until: Timestamp,
    /// Receipts are held back until then.
    pub(super) withholds_until: Timestamp,
    /// When the next deferred work is carried out.
    pub(super) completes_at: Option<Timestamp>,
    crashes: u64,
}

/// What it has of a login: of each broker another.
pub(super) fn login(broker: usize) -> (String, String) {
    (format!("user{broker}"), format!("canary{broker}"))
}

impl Model {
    pub(super) fn new(number: usize, kind: Kind, setting: &Setting) -> Self {
        let (login, passcode) = login(number);
        let passcode = if setting.wrong_login && number == 0 { "another".to_owned() } else { passcode };
        let zero = Timestamp::ZERO;
        Self {
            kind,
            broker: Broker::new(kind.config(setting, &login, &passcode)),
            refuses_until: zero,
            hangs_until: zero,
            frozen_until: zero,
            mute_until: zero,
            withholds_until: zero,
            completes_at: None,
            crashes: 0,
        }
    }

    /// Whether it has crashed since the last call.
    pub(super) fn has_crashed(&mut self) -> bool {
        std::mem::replace(&mut self.crashes, self.broker.crashes()) != self.broker.crashes()
    }

    pub(super) fn is_frozen(&self, now: Timestamp) -> bool {
        self.frozen_until > now
    }

    /// When it has something to do by itself.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let own = self.broker.poll_timeout().map(Timestamp::from_start);
        let own = own.map(|at| at.max(self.frozen_until));
        own.into_iter().chain(self.completes_at.map(|at| at.max(self.frozen_until))).min()
    }

    /// Does what is due. Says whether anything was.
    pub(super) fn tick(&mut self, luck: &mut Random, now: Timestamp) -> bool {
        if self.is_frozen(now) {
            return false;
        }
        let is_due = self.broker.poll_timeout().is_some_and(|at| at <= now.since_start());
        if is_due {
            self.broker.handle_timeout(now.since_start());
        }
        self.broker.silence_new_connections(self.mute_until > now);
        self.broker.drop_receipts(self.withholds_until > now);
        self.complete(luck, now) || is_due
    }

    /// Carries out deferred work, in any order.
    fn complete(&mut self, luck: &mut Random, now: Timestamp) -> bool {
        let count = self.broker.deferred();
        let Some(at) = self.completes_at.filter(|_| count > 0) else {
            self.completes_at = (count > 0).then(|| now.after(pause(luck)));
            return false;
        };
        if at > now {
            return false;
        }
        self.broker.complete(luck.below(count));
        self.completes_at = (self.broker.deferred() > 0).then(|| now.after(pause(luck)));
        true
    }

    /// Everything is well from now on.
    pub(super) const fn heal(&mut self) {
        self.refuses_until = Timestamp::ZERO;
        self.hangs_until = Timestamp::ZERO;
        self.frozen_until = Timestamp::ZERO;
        self.mute_until = Timestamp::ZERO;
        self.withholds_until = Timestamp::ZERO;
    }
}

fn pause(luck: &mut Random) -> Duration {
    Duration::from_micros(1 << luck.below(17))
}
