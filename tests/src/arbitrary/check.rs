//! The check: carries a plan out in virtual time, and looks whether the laws hold.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use stomp_session::{Config, Event, Phase, Timestamp};

use super::{
    EventLoop,
    application::Application,
    law::{Law, Violation},
    network::Network,
    plan::{Plan, Step},
};
use crate::broker::{Broker, BrokerConfig, Fact};

/// The settings of a session that suit a [`check`]: it connects for as long as it lives, and its waits last a few seconds.
///
/// Any other settings will do, if their time limits are below half an hour and the session does not give up. Without
/// heart-beats, a broker that has fallen silent is never noticed, which breaks a law.
#[must_use]
pub fn config() -> Config {
    let uri = "failover:(tcp://broker)?startupMaxReconnectAttempts=-1&maxReconnectDelay=2000";
    let mut config = Config::new(uri.parse().expect("a list of brokers"));
    (config.send_beat, config.receive_beat) = (Duration::from_secs(5), Duration::from_secs(5));
    config.connected_timeout = Duration::from_secs(2);
    config.receipt_timeout = Duration::from_secs(5);
    config.timeout = Duration::from_secs(10);
    config.at_least_once_timeout = Duration::from_secs(30);
    config.identity = Some(1);
    config
}

/// Carries a plan out with the event loop that `create` makes, and looks whether the laws hold.
///
/// When the steps of the plan are over, the faults are lifted. The loop must then connect again and subscribe again, every frame
/// that asked for a RECEIPT must have its outcome, and the loop must end in good order when its session is told to
/// [disconnect](stomp_session::Session::disconnect). The session has to begin at [`Timestamp::ZERO`].
///
/// ```
/// # use stomp_session::{Session, Timestamp};
/// # use stomp_testkit::{arbitrary::{self, Network, Socket}, broker::BrokerConfig};
/// # #[path = "../../examples/event_loop.rs"]
/// # mod event_loop;
/// # fn create(network: Network) -> event_loop::Loop<Socket> {
/// #     let session = Session::new(arbitrary::config(), Timestamp::ZERO);
/// #     event_loop::Loop::new(session, move |attempt| network.dial(attempt))
/// # }
/// # #[allow(dead_code)]
/// # fn main() {
/// proptest::proptest! {
///     // #[test]
///     fn the_loop_keeps_the_laws(plan in arbitrary::plan()) {
///         arbitrary::check(&plan, BrokerConfig::rabbitmq(), create)?;
///     }
/// }
/// # the_loop_keeps_the_laws();
/// # }
/// ```
///
/// # Errors
/// Returns the first [`Violation`] of a law.
pub fn check<L: EventLoop>(
    plan: &Plan,
    broker: BrokerConfig,
    create: impl FnOnce(Network) -> L,
) -> Result<(), Violation> {
    let network = Network::new(Broker::new(broker.journaling()), &plan.reads, &plan.writes);
    let mut check = Check {
        event_loop: create(network.clone()),
        network,
        application: Application::default(),
        stored: BTreeSet::new(),
        now: Timestamp::ZERO,
        next_turn: Some(Timestamp::ZERO),
        step: 0,
    };
    check.run(plan).map_err(|(law, what)| Violation {
        law,
        what,
        at: check.now,
        step: check.step,
        plan: Box::new(plan.clone()),
    })
}

/// A law, and how it was broken.
type Broken = (Law, String);

/// Within this time everything is settled once the faults are over.
const PATIENCE: Duration = Duration::from_secs(1800);
/// How many turns may follow each other at one time, and how many of them without an effect. A plan moves far fewer octets.
const TURNS: usize = 100_000;
const IDLE_TURNS: usize = 10;

struct Check<L> {
    event_loop: L,
    network: Network,
    application: Application,
    /// The bodies that the broker has stored.
    stored: BTreeSet<Bytes>,
    now: Timestamp,
    next_turn: Option<Timestamp>,
    step: usize,
}

impl<L: EventLoop> Check<L> {
    fn run(&mut self, plan: &Plan) -> Result<(), Broken> {
        for step in &plan.steps {
            self.step += 1;
            self.take(step)?;
        }
        self.network.lock().heal();
        self.settle()?;
        self.wait(Self::missing)?;
        self.application.disconnect(self.event_loop.session());
        self.settle()?;
        self.wait(|check| {
            let is_open = check.application.closed.is_none();
            is_open.then(|| (Law::End, "the session was disconnected, and does not end".to_owned()))
        })?;
        self.look_back()
    }

    fn take(&mut self, step: &Step) -> Result<(), Broken> {
        match step {
            Step::Do(operation) => self.application.perform(operation, self.event_loop.session()),
            Step::Suffer(fault) => self.network.lock().suffer(fault),
            Step::Wait(time) => return self.pass(*time),
        }
        self.settle()
    }

    /// Lets this much time pass.
    fn pass(&mut self, time: Duration) -> Result<(), Broken> {
        let until = self.now.after(time);
        while let Some(next) = self.next_wake().filter(|next| *next <= until) {
            self.move_to(next)?;
        }
        self.move_to(until)
    }

    /// Lets time pass until nothing is missing.
    fn wait(&mut self, missing: impl Fn(&mut Self) -> Option<Broken>) -> Result<(), Broken> {
        let until = self.now.after(PATIENCE);
        while let Some((law, what)) = missing(self) {
            match self.next_wake() {
                Some(next) if next <= until => self.move_to(next)?,
                Some(_) => return Err((law, format!("after half an hour {what}"))),
                None => {
                    let reason = "nothing is on its way, and the loop has asked for no time";
                    return Err((law, format!("{what}; {reason}")));
                }
            }
        }
        Ok(())
    }

    /// When the loop wants to be called, or anything happens by itself.
    fn next_wake(&self) -> Option<Timestamp> {
        let network = self.network.lock().deadline().map(Timestamp::from_start);
        self.next_turn.into_iter().chain(network).min()
    }

    fn move_to(&mut self, at: Timestamp) -> Result<(), Broken> {
        self.now = self.now.max(at);
        self.network.lock().advance(self.now.since_start());
        if self.has_reason() { self.settle() } else { Ok(()) }
    }

    /// Whether the loop is to be called now.
    fn has_reason(&self) -> bool {
        self.next_turn.is_some_and(|at| at <= self.now) || self.network.lock().is_ready()
    }

    /// Calls the loop, and again while there is a reason to.
    fn settle(&mut self) -> Result<(), Broken> {
        let mut idle = 0;
        for _ in 0..TURNS {
            let before = self.network.lock().moves;
            let events = self.turn()?;
            if !self.has_reason() {
                return self.check_connection();
            }
            idle = if events == 0 && before == self.network.lock().moves { idle + 1 } else { 0 };
            if idle == IDLE_TURNS {
                break;
            }
        }
        let reason = match self.next_turn.filter(|at| *at <= self.now) {
            _ if idle < IDLE_TURNS => "it goes on reading, writing or dialling at one time".to_owned(),
            Some(at) => format!("it asks to be called at {at} again and again, and the time is {}", self.now),
            None => "its socket has something to read, and it does not read it".to_owned(),
        };
        Err((Law::Rest, reason))
    }

    /// Calls the loop once. Returns the number of events that came.
    fn turn(&mut self) -> Result<usize, Broken> {
        self.network.lock().note_turn();
        let mut events = Vec::new();
        self.next_turn = self.event_loop.turn(self.now, &mut |_, event| events.push(event));
        let mut network = self.network.lock();
        network.carry_down();
        while let Some(fact) = network.broker.poll_fact() {
            if let Fact::Stored { body, .. } = fact {
                self.stored.insert(body);
            }
        }
        if let Some(broken) = network.broken.take() {
            return Err(broken);
        }
        let count = events.len();
        events
            .into_iter()
            .try_for_each(|event: Event| self.application.note(event, &self.stored, &network.receipts))?;
        Ok(count)
    }

    /// What the session has closed is closed.
    fn check_connection(&mut self) -> Result<(), Broken> {
        let has_none = matches!(self.event_loop.session().phase(), Phase::Waiting { .. } | Phase::Closed);
        if has_none && self.network.lock().connection().is_some() {
            let what = "the session has closed its connection, and the loop holds the socket";
            return Err((Law::OneConnection, what.to_owned()));
        }
        Ok(())
    }

    /// What is not as it should be when all faults are over, if the session has not ended.
    fn missing(&mut self) -> Option<Broken> {
        if self.application.closed.is_some() {
            return None;
        }
        let established = self.event_loop.session().connection().is_some();
        let network = self.network.lock();
        let Some(connection) = network.connection().filter(|_| established) else {
            let what = format!("the loop is not connected: {}", network.told());
            return Some((Law::Patience, what));
        };
        if let Some(awaited) = self.application.awaited() {
            return Some((Law::Outcome, awaited));
        }
        let is_there = |id: &String| network.broker.is_subscribed(connection, id);
        let mut ids = self.application.subscriptions().iter().map(ToString::to_string);
        let lost = ids.find(|id| !is_there(id))?;
        Some((Law::Subscribed, format!("the broker does not have the subscription {lost}")))
    }

    /// What must be so when the session has ended.
    fn look_back(&self) -> Result<(), Broken> {
        if let Some(awaited) = self.application.awaited() {
            return Err((Law::Outcome, awaited));
        }
        if self.network.lock().is_held() {
            return Err((Law::End, "the session has ended, and the loop holds its socket".to_owned()));
        }
        match self.application.not_sent.intersection(&self.stored).next() {
            Some(body) => {
                let body = body.escape_ascii();
                Err((Law::Confirmed, format!("{body} was reported as not sent, and the broker has it")))
            }
            None => Ok(()),
        }
    }
}
