//! The choice of the broker, the address and the time of the next attempt. Nothing else decides that.

mod breaker;
mod options;
mod schedule;
mod uri;
mod uri_error;

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use stomp_proto::ParseError;

pub use schedule::Schedule;
pub use uri_error::{BrokersError, Which};

use self::breaker::{Breaker, Logins};
use crate::model::{
    brokers::Brokers,
    config::OnRefusal,
    connection::Attempt,
    endpoint::{Endpoint, Login},
    error::{Lost, ServerError},
    ids::{AttemptId, Number, Owner},
    random::Random,
    time::Timestamp,
    verdict::Failure,
};

/// The state that leads a session from attempt to attempt.
#[derive(Debug)]
pub(crate) struct Failover {
    schedule: Schedule,
    breaker: Breaker,
    logins: Logins,
    records: Vec<Record>,
    /// The newest attempt, and how many there were.
    current: Option<Current>,
    attempts: u64,
    /// The login that was sent last, to any broker.
    last_login: Option<Login>,
    owner: Owner,
    failed_in_a_row: u32,
    /// The last ERROR that answered one of these attempts, and its broker.
    words: Option<Box<(Endpoint, Lost)>>,
    rules: Rules,
}

/// The settings that concern reconnecting.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) at_start: OnRefusal,
    pub(crate) later: OnRefusal,
    pub(crate) stable_after: Duration,
}

/// What is remembered of a broker.
#[derive(Debug)]
struct Record {
    endpoint: Endpoint,
    /// Attempts.
    number: u32,
    /// The ERROR with which it answered CONNECT, until it accepts one.
    refused: Option<ServerError>,
    /// The time since which it refuses the client in words that are known to be final.
    refused_since: Option<Timestamp>,
    /// When a connection to it was last seen to stand.
    stood: Option<Timestamp>,
}

/// The attempt in progress, or the connection that it became.
#[derive(Debug)]
struct Current {
    endpoint: Endpoint,
    /// How many addresses the broker's name has, if a connection to one of them was made.
    addresses: u32,
    login: Option<Login>,
    /// Whether the login came from a provider, which may return another one next time.
    provided: bool,
}

/// What the session does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// That broker is dialled after that delay.
    Dial { endpoint: Endpoint, delay: Duration, again: bool },
    /// Nothing is left to be tried, after that number of attempts in a row.
    GiveUp {
        attempts: u32,
        /// What a broker has said to one of them.
        words: Option<Box<(Endpoint, Lost)>>,
    },
}

impl Failover {
    pub(crate) fn new(brokers: Brokers, seed: u64, rules: Rules, owner: Owner) -> Self {
        Self {
            schedule: Schedule::new(brokers, seed),
            breaker: Breaker::default(),
            logins: Logins::default(),
            records: Vec::new(),
            current: None,
            attempts: 0,
            last_login: None,
            owner,
            failed_in_a_row: 0,
            words: None,
            rules,
        }
    }

    /// What to try next, and when.
    pub(crate) fn next(&mut self, now: Timestamp) -> Next {
        self.current = None;
        match self.schedule.next_at(now) {
            Some((endpoint, delay)) => Next::Dial { endpoint, delay, again: self.failed_in_a_row > 0 },
            None => Next::GiveUp { attempts: self.failed_in_a_row, words: self.words.take() },
        }
    }

    /// Begins an attempt.
    pub(crate) fn dial(&mut self, endpoint: Endpoint, configured: Option<Login>, now: Timestamp) -> Attempt {
        self.attempts = self.attempts.saturating_add(1);
        let held_back = self.logins.held_back(&endpoint, now);
        let held_back = held_back.and_then(|(login, wait)| Some(Box::new((login?.clone(), wait))));
        let (number, refused) = self.note(&endpoint, |record| {
            let number = record.number;
            record.number = number.wrapping_add(1);
            (number, record.refused.clone())
        });
        self.current =
            Some(Current { endpoint: endpoint.clone(), addresses: 1, login: None, provided: false });
        Attempt { id: self.newest(), endpoint, refused, number, held_back, configured }
    }

    const fn newest(&self) -> AttemptId {
        AttemptId(Number { value: self.attempts, owner: self.owner })
    }

    /// Whether that is the newest attempt.
    pub(crate) fn is_current(&self, attempt: AttemptId) -> bool {
        self.current.is_some() && attempt == self.newest()
    }

    /// A connection was made to one of `count` addresses.
    pub(crate) fn note_addresses(&mut self, attempt: AttemptId, count: u32) {
        let is_newest = attempt == self.newest();
        if let Some(current) = self.current.as_mut().filter(|_| is_newest) {
            current.addresses = count;
        }
    }

    /// Notes the login that is about to be sent, and who gave it. One that the broker has refused is held back.
    pub(crate) fn log_in(
        &mut self,
        login: Option<&Login>,
        provided: bool,
        now: Timestamp,
    ) -> Result<(), Lost> {
        let Some(current) = &self.current else { return Ok(()) };
        match self.logins.held_back(&current.endpoint, now) {
            Some((held, wait)) if held == login => Err(Lost::LoginHeldBack(wait)),
            _ => {
                self.note_login(login, provided);
                Ok(())
            }
        }
    }

    /// Notes the login that was sent, and who gave it.
    pub(crate) fn note_login(&mut self, login: Option<&Login>, provided: bool) {
        let Some(current) = &mut self.current else { return };
        (current.login, current.provided) = (login.cloned(), provided);
        self.last_login = login.cloned();
    }

    /// The login that was sent on the newest connection, which nothing that is shown may repeat.
    pub(crate) fn login(&self) -> Option<&Login> {
        self.current.as_ref()?.login.as_ref()
    }

    /// The login that was sent last, on whichever connection.
    pub(crate) const fn last_login(&self) -> Option<&Login> {
        self.last_login.as_ref()
    }

    /// The broker has accepted us.
    pub(crate) fn connected(&mut self, now: Timestamp) {
        self.schedule.connected();
        self.words = None;
        let Some(current) = &self.current else { return };
        self.logins.accept(current.login.as_ref());
        let endpoint = current.endpoint.clone();
        self.schedule.note_answer(&endpoint, true);
        self.note(&endpoint, |record| {
            (record.refused, record.refused_since, record.stood) = (None, None, Some(now));
        });
    }

    /// Whether a connection to another broker than that has stood within this time.
    pub(crate) fn another_stood(&self, broker: &Endpoint, within: Duration, now: Timestamp) -> bool {
        let mut others = self.records.iter().filter(|record| record.endpoint != *broker);
        others.any(|record| record.stood.is_some_and(|stood| now.since(stood) <= within))
    }

    /// The attempt has failed.
    pub(crate) fn failed(&mut self, failure: Failure, reason: &Lost, now: Timestamp) {
        let Some(current) = self.current.take() else { return };
        let endpoint = &current.endpoint;
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        let is_silent = matches!(reason, Lost::ConnectTimeout(_) | Lost::ConnectedTimeout(_));
        self.schedule.note_answer(endpoint, !is_silent);
        if let Some(answer) = reason.refusal() {
            self.words = Some(Box::new((endpoint.clone(), reason.clone())));
            self.note(endpoint, |record| record.refused = Some(answer.clone()));
        }
        if matches!(failure, Failure::Final | Failure::Login) && self.gives_up(endpoint, now) {
            return self.schedule.give_up(endpoint);
        }
        if failure != Failure::Passing {
            self.hold_back(&current, now);
        }
        match failure {
            Failure::Login => self.refuse_login(&current, now),
            // No address has had its turn, unless a connection to one of several is known to have been made.
            Failure::NotAsked if current.addresses < 2 => {
                self.note(endpoint, |record| record.number = record.number.wrapping_sub(1));
            }
            Failure::NotAsked => {}
            _ => self.schedule.try_again(endpoint, current.addresses),
        }
    }

    /// Whether a broker that has refused us for good is given up.
    fn gives_up(&mut self, endpoint: &Endpoint, now: Timestamp) -> bool {
        let rule = if self.schedule.ever_connected() { self.rules.later } else { self.rules.at_start };
        let since = self.note(endpoint, |record| *record.refused_since.get_or_insert(now));
        match rule {
            OnRefusal::End => true,
            OnRefusal::Retry => false,
            OnRefusal::Until(patience) => now.since(since) >= patience,
        }
    }

    fn hold_back(&mut self, current: &Current, now: Timestamp) {
        let policy = &self.schedule.brokers().reconnect;
        let until = now.after(policy.refusal_delay.min(policy.max_delay));
        self.schedule.hold_back(&current.endpoint, until);
    }

    /// A configured login waits, for all brokers that have refused it. A provider of credentials is asked again soon.
    fn refuse_login(&mut self, current: &Current, now: Timestamp) {
        let login = current.login.as_ref();
        let until = self.logins.refuse(login, &current.endpoint, now);
        if !current.provided {
            self.logins.refused_by(login).for_each(|endpoint| self.schedule.hold_back(endpoint, until));
        }
    }

    /// Whether a connection that lasted this long was stable. A short connection after a longer delay was not.
    pub(crate) fn was_stable(&self, stood: Duration) -> bool {
        stood >= self.rules.stable_after.max(self.schedule.last_delay())
    }

    /// Notes the end of a connection that lasted this long.
    pub(crate) fn lost(&mut self, was_stable: bool, stood: Duration, now: Timestamp) {
        let Some(current) = self.current.take() else { return };
        self.note(&current.endpoint, |record| record.stood = Some(now));
        if was_stable {
            self.schedule.restart();
            (self.failed_in_a_row, self.words) = (0, None);
            if stood < schedule::FLOOR {
                // Even if `stable_after` is below the floor, no broker is dialled in a tight loop.
                self.schedule.hold_back(&current.endpoint, now.after(schedule::FLOOR));
            }
        } else {
            self.schedule.try_again(&current.endpoint, current.addresses);
        }
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
    }

    /// The connection to `present` was left as its owner asked, which is no failure. Gives whom to dial now.
    pub(crate) fn move_on(&mut self, to: Option<Endpoint>, present: &Endpoint, now: Timestamp) -> Endpoint {
        self.abandon();
        (self.failed_in_a_row, self.words) = (0, None);
        self.schedule.move_on(to, present, now)
    }

    /// If the broker that is dialled now fails, the one that was left is next, whatever else is said of it.
    pub(crate) fn return_to(&mut self, present: &Endpoint) {
        self.schedule.return_to(present);
    }

    /// Draws one of the brokers that may be tried now, or the present one.
    pub(crate) fn draw(&self, random: &mut Random, present: &Endpoint, now: Timestamp) -> Option<Endpoint> {
        self.schedule.draw(random, present, now).cloned()
    }

    /// Begins anew, with that broker, which is dialled or about to be.
    pub(crate) fn begin_with(&mut self, endpoint: &Endpoint, now: Timestamp) {
        (self.failed_in_a_row, self.words) = (0, None);
        self.schedule.move_on(Some(endpoint.clone()), endpoint, now);
    }

    /// What is dialled is given up, as its owner asked, which is no failure.
    pub(crate) fn abandon(&mut self) {
        self.current = None;
    }

    /// Whether the same error has ended too many connections.
    pub(crate) fn is_loop(&mut self, error: &ParseError, now: Timestamp) -> bool {
        self.breaker.trips(error, now)
    }

    /// Adds a broker, which is tried next. Returns whether it is new.
    pub(crate) fn add(&mut self, endpoint: Endpoint) -> bool {
        self.schedule.add(endpoint)
    }

    /// Removes a broker. Returns whether it was in the list.
    pub(crate) fn remove(&mut self, endpoint: &Endpoint) -> bool {
        let was_listed = self.schedule.brokers().endpoints.contains(endpoint);
        self.schedule.give_up(endpoint);
        self.records.retain(|record| record.endpoint != *endpoint);
        was_listed
    }

    fn note<R>(&mut self, endpoint: &Endpoint, note: impl FnOnce(&mut Record) -> R) -> R {
        let at = self.records.iter().position(|record| record.endpoint == *endpoint);
        let mut record = at.map(|at| self.records.swap_remove(at)).unwrap_or_else(|| Record::of(endpoint));
        let noted = note(&mut record);
        self.records.reserve_exact(1);
        self.records.push(record);
        noted
    }
}

impl Record {
    fn of(endpoint: &Endpoint) -> Self {
        Self { endpoint: endpoint.clone(), number: 0, refused: None, refused_since: None, stood: None }
    }
}
