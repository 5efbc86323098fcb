//! The run: clients, brokers and connections, one moment after another.

use std::{collections::BTreeMap, time::Duration};

use stomp_session::{Config, Timestamp};
use stomp_testkit::broker::CrashPoint;

use super::{
    accounts::Accounts,
    actor::Actor,
    deed::{Act, Deed},
    law::{Checked, Law, demand},
    link::Link,
    model::{self, Model, Node},
    outage::Stop,
    plan::{Plan, Setting},
    report::Report,
    trace::Trace,
};
use crate::sim::Random;

/// Everything that there is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) setting: Setting,
    pub(super) luck: Random,
    pub(super) actors: Vec<Actor>,
    pub(super) models: Vec<Model>,
    /// The brokers of the list.
    pub(super) nodes: Vec<Node>,
    /// By their numbers, which are never used again.
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) next_link: u64,
    pub(super) accounts: Accounts,
    pub(super) report: Report,
    pub(super) trace: Trace,
    /// Whether anything still goes wrong.
    pub(super) stormy: bool,
    pub(super) mishaps: Mishaps,
    /// Nodes that are going to be stopped, the next one first.
    pub(super) stops: Vec<Stop>,
    /// How new the newest node is.
    pub(super) edition: usize,
}

/// What goes wrong at an exact place.
#[derive(Clone, Debug, Default)]
pub(super) struct Mishaps {
    /// Points at which the first broker crashes, the next one last.
    pub(super) crashes: Vec<CrashPoint>,
    /// Octets after which the first connection is reset.
    pub(super) cut_up: Option<usize>,
    pub(super) cut_down: Option<usize>,
    /// Something that is done after a number of rounds.
    pub(super) interruption: Option<(u64, Deed)>,
}

/// Rounds at one moment before somebody is said to run in circles.
const ROUNDS: usize = 10_000;

impl World {
    pub(super) fn new(setting: Setting, traced: bool) -> Self {
        let count = if setting.cluster { 1 } else { setting.brokers.len() };
        let models = (0..count).map(|number| Model::new(number, &setting)).collect();
        let nodes = (0..setting.brokers.len()).map(|number| Node::new(number % count)).collect();
        let actors = (0..setting.clients)
            .map(|number| Actor::new(number, config(&setting, number), &setting))
            .collect();
        Self {
            now: Timestamp::ZERO,
            luck: Random::new(setting.luck),
            actors,
            models,
            nodes,
            links: BTreeMap::new(),
            next_link: 0,
            accounts: Accounts::default(),
            report: Report::default(),
            trace: Trace::new(traced),
            stormy: true,
            mishaps: Mishaps::default(),
            stops: Vec::new(),
            edition: setting.edition,
            setting,
        }
    }

    /// Does all deeds of a plan, then lets everything end well.
    pub(super) fn run(&mut self, plan: &Plan) -> Checked {
        self.arm();
        self.settle()?;
        for (pause, deed) in &plan.deeds {
            self.pass(*pause)?;
            self.perform(*deed)?;
            self.settle()?;
        }
        self.end()
    }

    /// The next crash point comes into force.
    pub(super) fn arm(&mut self) {
        if let Some(point) = self.mishaps.crashes.pop() {
            self.models[0].broker.crash_at(point);
        }
    }

    pub(super) fn perform(&mut self, deed: Deed) -> Checked {
        match deed {
            Deed::Publish { broker, queue } => self.publish(broker.into(), queue),
            Deed::Fault { fault, whom, how } => return self.strike(fault, whom.into(), how),
            Deed::User { client, act: Act::Foreign(which) } => return self.trespass(client.into(), which),
            Deed::User { client, act } => {
                let number = usize::from(client) % self.actors.len();
                self.trace.note(self.now, 1, || format!("client {number}: {act:?}"));
                let Self { actors, links, accounts, .. } = self;
                let Some(actor) = actors.get_mut(number).filter(|actor| actor.stalled_until <= self.now)
                else {
                    return Ok(());
                };
                let watch = actor.link.and_then(|link| links.get_mut(&link)).map(|link| &mut link.watch);
                actor.act(act, watch, accounts, self.now)?;
            }
            Deed::Nothing => {}
        }
        Ok(())
    }

    /// A message comes from somebody else.
    fn publish(&mut self, broker: usize, queue: u8) {
        let number = broker % self.models.len();
        let key = format!("b{number}.{}", self.report.messages);
        self.report.messages += 1;
        let entry = self.accounts.entry(&key);
        (entry.persistent, entry.written) = (true, 1);
        let destination = format!("/queue/{}", queue % 4);
        self.trace.note(self.now, 2, || format!("broker {number} gets {key} for {destination}"));
        self.models[number].broker.publish(&destination, key, &[("persistent", "true")]);
    }

    /// Lets that much time pass, and everything happen that is due on the way.
    pub(super) fn pass(&mut self, duration: Duration) -> Checked {
        let until = self.now.after(duration);
        while let Some(next) = self.deadline().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.settle()?;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// Lets happen what happens now.
    pub(super) fn settle(&mut self) -> Checked {
        let mut rounds = 0;
        while self.round()? {
            rounds += 1;
            demand(rounds < ROUNDS, Law::Ends, || format!("somebody runs in circles at {}", self.now))?;
        }
        Ok(())
    }

    /// One turn of everybody. Says whether anything happened.
    fn round(&mut self) -> Checked<bool> {
        self.report.rounds += 1;
        if let Some((_, deed)) = self.mishaps.interruption.take_if(|(round, _)| *round == self.report.rounds)
        {
            self.perform(deed)?;
        }
        let mut busy = false;
        for number in 0..self.actors.len() {
            busy |= self.turn(number)?;
        }
        for number in 0..self.models.len() {
            busy |= self.serve(number)?;
        }
        self.links.retain(|_, link| link.held || link.served);
        Ok(busy)
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let actors = self.actors.iter().flat_map(|actor| {
            let session = actor.session.poll_timeout();
            let dial = actor.dial.as_ref().and_then(|dial| dial.ends_at);
            session.into_iter().chain(dial).map(|at| at.max(actor.stalled_until))
        });
        let models = self.models.iter().filter_map(Model::deadline);
        let links = self.links.values().flat_map(|link| self.arrivals(link));
        actors.chain(models).chain(links).min()
    }

    /// When the next octets of a connection can be taken, at either end.
    fn arrivals(&self, link: &Link) -> impl Iterator<Item = Timestamp> {
        let actor = self.actors.get(link.client).filter(|actor| link.held && !actor.paused);
        let down = actor.and_then(|actor| Some(link.down.next_at()?.max(actor.stalled_until)));
        let model = self.models.get(link.model).filter(|_| link.served);
        let up = model.filter(|model| !self.is_blocked(link, model));
        let up = up.and_then(|model| Some(link.up.next_at()?.max(model.frozen_until)));
        let freed = link
            .blocked_since
            .filter(|_| link.served)
            .map(|since| since.after(super::network::WRITE_TIMEOUT));
        down.into_iter().chain(up).chain(freed)
    }
}

/// The settings of a client: all brokers, each with its own credentials.
fn config(setting: &Setting, number: usize) -> Config {
    let count = setting.brokers.len();
    let uris = (0..count).map(|at| (at + number) % count).map(|broker| {
        let (login, passcode) = model::login(broker, setting);
        format!("tcp://{login}:{passcode}@b{broker}")
    });
    let uris = uris.collect::<Vec<_>>().join(",");
    let delay = setting.max_reconnect_delay.as_millis();
    let jitter = if setting.jitter { "" } else { "&reconnectDelayJitter=0" };
    let period = setting.rebalance.unwrap_or_default().as_millis();
    let uri = format!(
        "failover:({uris})?startupMaxReconnectAttempts=-1&maxReconnectDelay={delay}{jitter}&rebalance={period}"
    );
    let mut config = Config::new(uri.parse().expect("a list of brokers"));
    config.versions.clone_from(&setting.versions);
    (config.send_beat, config.receive_beat) = setting.beats;
    (config.receipt_timeout, config.timeout) = (setting.receipt_timeout, setting.timeout);
    config.at_least_once_timeout = setting.timeout;
    if setting.client_id && !setting.beats.0.is_zero() {
        config.add_connect_header("client-id", format!("client{number}"));
    }
    config.identity = Some(number as u128 + 1);
    config.seed = setting.luck ^ number as u64;
    config
}
