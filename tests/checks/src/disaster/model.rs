//! A model broker: the embedded broker of one kind, awake or frozen, and the nodes that it is reached by.

use std::time::Duration;

use stomp_session::Timestamp;
use stomp_testkit::broker::{Broker, BrokerConfig, Denial, DenialId};

use super::{kind::Kind, plan::Setting};
use crate::sim::Random;

/// A broker of the run: one node, or a cluster that shares its store.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) kind: Kind,
    pub(super) broker: Broker,
    /// It neither reads nor writes until then.
    pub(super) frozen_until: Timestamp,
    /// New connections are not answered until then.
    pub(super) mute_until: Timestamp,
    /// Receipts are held back until then.
    pub(super) withholds_until: Timestamp,
    /// Handshakes come to nothing until then.
    pub(super) hangs_up_until: Timestamp,
    /// What is refused, and until when.
    denials: Vec<(Timestamp, DenialId)>,
    /// When the next deferred work is carried out.
    pub(super) completes_at: Option<Timestamp>,
    crashes: u64,
}

/// A broker of the list, as it is dialled.
#[derive(Debug)]
pub(super) struct Node {
    /// What it is a node of.
    pub(super) model: usize,
    /// Dials are refused until then.
    pub(super) refuses_until: Timestamp,
    /// Dials do not end until then.
    pub(super) hangs_until: Timestamp,
    /// Its certificate is not to be trusted until then.
    pub(super) distrusted_until: Timestamp,
    /// What it accepts it closes until then.
    pub(super) closes_until: Timestamp,
    /// It neither reads nor writes until then, and accepts all the same.
    pub(super) frozen_until: Timestamp,
    /// What it calls itself, if it is not what its model does.
    pub(super) server: Option<&'static str>,
}

impl Node {
    pub(super) const fn new(model: usize) -> Self {
        let zero = Timestamp::ZERO;
        Self {
            model,
            refuses_until: zero,
            hangs_until: zero,
            distrusted_until: zero,
            closes_until: zero,
            frozen_until: zero,
            server: None,
        }
    }

    /// It is up, and stays what it is.
    pub(super) const fn heal(&mut self) {
        let server = self.server;
        *self = Self::new(self.model);
        self.server = server;
    }
}

/// What a node has of a login: of each another, unless they all share one.
pub(super) fn login(node: usize, setting: &Setting) -> (String, String) {
    if setting.one_login {
        return ("user".to_owned(), "canary".to_owned());
    }
    (format!("user{node}"), format!("canary{node}"))
}

impl Model {
    pub(super) fn new(number: usize, setting: &Setting) -> Self {
        let kind = setting.brokers[number];
        let zero = Timestamp::ZERO;
        Self {
            kind,
            broker: Broker::new(Self::config(kind, number, setting)),
            frozen_until: zero,
            mute_until: zero,
            withholds_until: zero,
            hangs_up_until: zero,
            denials: Vec::new(),
            completes_at: None,
            crashes: 0,
        }
    }

    /// Its habits, and the users of its nodes.
    fn config(kind: Kind, number: usize, setting: &Setting) -> BrokerConfig {
        let nodes = if setting.cluster { 0..setting.brokers.len() } else { number..number + 1 };
        nodes.fold(kind.config(setting), |config, node| {
            let (login, passcode) = login(node, setting);
            let is_wrong = setting.wrong_login && node == 0;
            config.user(&login, if is_wrong { "another" } else { &passcode })
        })
    }

    /// Whether it has crashed since the last call.
    pub(super) fn has_crashed(&mut self) -> bool {
        std::mem::replace(&mut self.crashes, self.broker.crashes()) != self.broker.crashes()
    }

    pub(super) fn is_frozen(&self, now: Timestamp) -> bool {
        self.frozen_until > now
    }

    /// Refuses that until then.
    pub(super) fn deny(&mut self, denial: Denial, until: Timestamp) {
        let id = self.broker.deny(denial);
        self.denials.push((until, id));
    }

    /// Until when something is refused.
    pub(super) fn denied_until(&self) -> Option<Timestamp> {
        self.denials.iter().map(|(until, _)| *until).max()
    }

    /// When it has something to do by itself.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let own = self.broker.poll_timeout().map(Timestamp::from_start);
        let own = own.map(|at| at.max(self.frozen_until));
        own.into_iter().chain(self.completes_at.map(|at| at.max(self.frozen_until))).min()
    }

    /// Does what is due. Says whether anything was.
    pub(super) fn tick(&mut self, luck: &mut Random, now: Timestamp) -> bool {
        self.lift(now);
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

    /// Lifts the refusals whose time is over.
    fn lift(&mut self, now: Timestamp) {
        let Self { broker, denials, .. } = self;
        denials.retain(|(until, id)| {
            if *until <= now {
                broker.lift(*id);
            }
            *until > now
        });
        if self.hangs_up_until <= now && self.hangs_up_until > Timestamp::ZERO {
            self.hangs_up_until = Timestamp::ZERO;
            self.broker.end_handshakes(None);
        }
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
    pub(super) fn heal(&mut self) {
        self.frozen_until = Timestamp::ZERO;
        self.mute_until = Timestamp::ZERO;
        self.withholds_until = Timestamp::ZERO;
        self.lift(Timestamp::MAX);
    }
}

fn pause(luck: &mut Random) -> Duration {
    Duration::from_micros(1 << luck.below(17))
}
