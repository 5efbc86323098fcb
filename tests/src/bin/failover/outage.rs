//! How long clients are away when their broker dies: sessions in virtual time, and the rule of ActiveMQ's own client beside them.

use std::time::Duration;

use stomp_session::{
    Action, AttemptId, Brokers, BrokersError, Config, Endpoint, Input, Lost, Session, Timestamp,
};

/// The broker dies when all clients have been connected to it for this long.
const DEATH: Duration = Duration::from_secs(60);

/// A broker dies at once with all its clients, and another one of their list takes over.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    /// The options of the failover URI, or nothing for the defaults.
    pub(crate) options: &'static str,
    /// The number of clients.
    pub(crate) clients: u32,
    /// How long after the death the other broker opens. Until then its host refuses connections.
    pub(crate) opens: Duration,
    /// A third broker of the list.
    pub(crate) third: Third,
}

/// A broker that is never there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Third {
    /// The list has only two brokers.
    None,
    /// Its host refuses connections.
    Refuses,
    /// Its host does not answer: an attempt to connect ends with the client's time limit.
    Silent,
}

/// The absence of the clients, shortest first, and what they did meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Absence {
    /// From the death of the broker until each client is connected again.
    pub(crate) times: Vec<Duration>,
    /// When they have tried to connect, all brokers together.
    dials: Vec<Duration>,
}

impl Absence {
    fn of(clients: impl Iterator<Item = (Duration, Vec<Duration>)>) -> Self {
        let (mut times, dials): (Vec<_>, Vec<_>) = clients.unzip();
        times.sort();
        let mut dials = dials.concat();
        dials.sort();
        Self { times, dials }
    }

    /// Returns the median time.
    ///
    /// # Panics
    /// Panics if there was no client.
    #[must_use]
    pub(crate) fn median(&self) -> Duration {
        self.times[self.times.len() / 2]
    }

    /// Returns the time of the client that was away longest.
    ///
    /// # Panics
    /// Panics if there was no client.
    #[must_use]
    pub(crate) fn last(&self) -> Duration {
        *self.times.last().expect("a client")
    }

    /// Returns the number of attempts to connect.
    #[must_use]
    pub(crate) fn dials(&self) -> usize {
        self.dials.len()
    }

    /// Returns the largest number of attempts within 100 ms, the first second left out: then all have just noticed.
    #[must_use]
    pub(crate) fn rush(&self) -> usize {
        let later: Vec<_> = self.dials.iter().filter(|at| **at >= Duration::from_secs(1)).collect();
        let within = |from: usize| {
            later[from..].partition_point(|at| **at < *later[from] + Duration::from_millis(100))
        };
        (0..later.len()).map(within).max().unwrap_or(0)
    }
}

impl Outage {
    /// Returns what becomes of sessions of this library, each with a seed of its own.
    ///
    /// # Errors
    /// Returns an error if the options are wrong.
    pub(crate) fn ours(&self) -> Result<Absence, BrokersError> {
        let brokers: Brokers = self.uri().parse()?;
        let clients = (0..self.clients).map(|seed| Away::new(self, &brokers, u64::from(seed)).run());
        Ok(Absence::of(clients))
    }

    /// Returns what becomes of clients that follow the rule of ActiveMQ's `FailoverTransport`, with its defaults: all brokers in
    /// random order, the one that has failed last, then a delay of 10 ms that doubles up to 30 s, without jitter.
    #[must_use]
    pub(crate) fn activemq(&self) -> Absence {
        // A host that does not answer ends its `connectionTimeout`.
        let limit = Duration::from_secs(30);
        let clients = (0..self.clients).map(|client| {
            let (mut now, mut delay, mut dials) = (Duration::ZERO, Duration::from_millis(10), Vec::new());
            loop {
                for broker in self.order(client) {
                    dials.push(now);
                    match self.answer(broker, now) {
                        Answer::Takes => return (now, dials),
                        Answer::Refuses => {}
                        Answer::Silent => now += limit,
                    }
                }
                now += delay;
                delay = (delay * 2).min(Duration::from_secs(30));
            }
        });
        Absence::of(clients)
    }

    fn uri(&self) -> String {
        let third = if self.third == Third::None { "" } else { ",tcp://third" };
        // All are connected to the first one when it dies.
        format!("failover:(tcp://first,tcp://second{third})?{}", self.options)
    }

    /// Those of a round, for every other client in the other order.
    fn order(&self, client: u32) -> Vec<&'static str> {
        match (self.third, client % 2) {
            (Third::None, _) => vec!["second", "first"],
            (_, 0) => vec!["second", "third", "first"],
            _ => vec!["third", "second", "first"],
        }
    }

    /// What happens to an attempt so long after the death.
    fn answer(&self, broker: &str, now: Duration) -> Answer {
        match broker {
            "second" if now >= self.opens => Answer::Takes,
            "third" if self.third == Third::Silent => Answer::Silent,
            _ => Answer::Refuses,
        }
    }
}

enum Answer {
    Takes,
    Refuses,
    Silent,
}

/// A client whose broker dies.
struct Away<'a> {
    outage: &'a Outage,
    session: Session,
    now: Timestamp,
    dials: Vec<Duration>,
}

impl<'a> Away<'a> {
    fn new(outage: &'a Outage, brokers: &Brokers, seed: u64) -> Self {
        let mut config = Config::new(brokers.clone());
        config.seed = seed;
        let session = Session::new(config, Timestamp::ZERO);
        Self { outage, session, now: Timestamp::ZERO, dials: Vec::new() }
    }

    /// Connects to the first broker, loses it, and returns how long it is away and when it dials meanwhile.
    fn run(mut self) -> (Duration, Vec<Duration>) {
        let mut attempt = self.attempt();
        while attempt.1.host() != "first" {
            self.refuse(attempt.0);
            attempt = self.attempt();
        }
        self.accept(attempt.0);
        self.now = Timestamp::from_start(DEATH);
        self.session.handle_disconnected(attempt.0, Lost::Eof, self.now);
        loop {
            let (id, endpoint) = self.attempt();
            let away = self.now.since_start() - DEATH;
            self.dials.push(away);
            match self.outage.answer(endpoint.host(), away) {
                Answer::Takes => return (away, self.dials),
                Answer::Refuses => self.refuse(id),
                // Its own time limit ends it.
                Answer::Silent => {}
            }
        }
    }

    /// The next attempt, when its time has come.
    fn attempt(&mut self) -> (AttemptId, Endpoint) {
        loop {
            while self.session.poll_event().is_some() {}
            match self.session.poll_action() {
                Some(Action::Connect(attempt)) => return (attempt.id, attempt.endpoint),
                Some(_) => {}
                None => {
                    self.now = self.session.poll_timeout().expect("it goes on trying");
                    self.session.handle_timeout(self.now);
                }
            }
        }
    }

    fn refuse(&mut self, id: AttemptId) {
        let reason = Lost::DialFailed { reason: "connection refused".into(), permanent: false };
        self.session.handle_disconnected(id, reason, self.now);
    }

    fn accept(&mut self, id: AttemptId) {
        let mut input: Input = self.session.handle_connected(id, None, self.now).expect("the newest attempt");
        while self.session.poll_transmit(self.now).is_some() {}
        input.feed(b"CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0");
        while self.session.next_event(&mut input, self.now).is_some() {}
        assert!(self.session.connection().is_some(), "it is connected");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_clients_are_back_soon_after_another_broker_opens() {
        for third in [Third::None, Third::Refuses] {
            for (opens, within) in [(0, 0), (1500, 500), (5000, 1000), (30_000, 5000)] {
                let outage =
                    Outage { options: "", clients: 1000, opens: Duration::from_millis(opens), third };
                let last = outage.ours().unwrap().last();
                assert!(last <= Duration::from_millis(opens + within), "{outage:?}: {last:?}");
            }
        }
        // A host that does not answer costs its time limit once.
        let outage =
            Outage { options: "", clients: 1000, opens: Duration::from_millis(1500), third: Third::Silent };
        let last = outage.ours().unwrap().last();
        assert!(last <= Duration::from_millis(11_000), "{outage:?}: {last:?}");
    }
}
