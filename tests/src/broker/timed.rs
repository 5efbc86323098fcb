//! What happens to messages when time passes: they are accepted later, or expire.

use core::time::Duration;
use std::collections::BTreeMap;

use stomp_proto::Frame;

use super::{Broker, Death, Fact, Feature, content::Content, dialect::Dialect, refusal::Refusal};

/// A message to be accepted at a time, and the header that says in how many milliseconds.
const DELAY: &str = "AMQ_SCHEDULED_DELAY";
/// More of the scheduler of ActiveMQ.
const REPETITION: [&str; 3] = ["AMQ_SCHEDULED_CRON", "AMQ_SCHEDULED_PERIOD", "AMQ_SCHEDULED_REPEAT"];

/// Messages that are accepted later.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    due: BTreeMap<(Duration, u64), Content>,
    next: u64,
}

impl Broker {
    /// Says what time it is now: the time since the beginning of 1970, which messages with an `expires` header depend on.
    ///
    /// Without this call, the clock of the broker shows the beginning of 1970 at its zero.
    /// [`Server`](crate::server::Server) sets it to the time of the system.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stomp_testkit::broker::{Broker, BrokerConfig};
    ///
    /// let mut broker = Broker::new(BrokerConfig::default());
    /// broker.set_wall_clock(Duration::from_millis(1_800_000_000_000));
    /// broker.publish("/queue/a", "late", &[("expires", "1799999999999")]);
    /// broker.publish("/queue/a", "in time", &[("expires", "1800000000001")]);
    /// assert_eq!(broker.messages("/queue/a"), ["in time"]);
    /// broker.handle_timeout(Duration::from_millis(1));
    /// assert_eq!(broker.depth("/queue/a"), 0);
    /// ```
    pub const fn set_wall_clock(&mut self, since_1970: Duration) {
        self.epoch = since_1970.saturating_sub(self.now);
        self.has_epoch = true;
    }

    /// As [`set_wall_clock`](Self::set_wall_clock), unless a test has said what time it is.
    pub(crate) const fn follow_clock(&mut self, since_1970: Duration) {
        if !self.has_epoch {
            self.epoch = since_1970.saturating_sub(self.now);
        }
    }

    /// What the clock on the wall shows.
    fn wall_clock(&self) -> Duration {
        self.epoch.saturating_add(self.now)
    }

    /// When a message is accepted, or expires.
    pub(super) fn timed_deadline(&self) -> Option<Duration> {
        let expiry = self.store.next_expiry().map(|time| time.saturating_sub(self.epoch));
        self.schedule.due.keys().map(|(due, _)| *due).next().into_iter().chain(expiry).min()
    }

    /// Checks the headers of a SEND that are about time, rank and group.
    pub(super) fn check_wishes(&self, send: &Frame) -> Result<(), Refusal> {
        let is_bad = |name: &&str| send.header(name).is_some_and(|value| value.number().is_none());
        let timing = if self.config.dialect == Dialect::RabbitMq { "expiration" } else { "expires" };
        let does_expire = self.config.does(Feature::Expiry);
        let bad = [timing].into_iter().filter(|_| does_expire).chain(["priority"]).find(is_bad);
        match (self.config.dialect, bad) {
            (Dialect::ActiveMq, Some(name)) => return Err(Refusal::bad(name).silent()),
            (Dialect::Artemis, Some(name)) => {
                return Err(Refusal::bad(name).saying("AMQ339031 Error handling send", "").bare());
            }
            (Dialect::RabbitMq, Some(name)) => {
                return Err(Refusal::bad(name).saying("Processing error", "Processing error"));
            }
            (Dialect::Plain, Some("expires")) => return Err(Refusal::bad("expires")),
            (Dialect::Plain, _) | (_, None) => {}
        }
        let features = [
            (Feature::Groups, &["JMSXGroupID"][..]),
            (Feature::Repetition, &REPETITION),
            (Feature::Scheduling, &[DELAY]),
        ];
        for (feature, names) in features {
            if names.iter().any(|name| send.header(name).is_some()) {
                self.config.admit(feature)?;
            }
        }
        Ok(())
    }

    /// Notes when a message came, and when it expires.
    pub(super) fn stamp(&mut self, content: &mut Content) {
        content.accepted = self.wall_clock();
        if self.names_messages() && content.id.is_none() {
            self.next_message += 1;
            content.id = Some(format!("ID:testkit:{}", self.next_message).into());
        }
        if self.config.does(Feature::Expiry) && content.death.is_none() {
            let milliseconds = |name| Some(Duration::from_millis(content.headers.get(name)?.number()?));
            content.expires = match self.config.dialect {
                Dialect::RabbitMq => {
                    milliseconds("expiration").map(|delay| self.wall_clock().saturating_add(delay))
                }
                _ => milliseconds("expires").filter(|time| !time.is_zero()),
            };
        }
    }

    /// Whether a message has one `message-id`, whoever gets it and how often.
    pub(super) fn names_messages(&self) -> bool {
        self.config.dialect == Dialect::ActiveMq && !self.config.habits.numbers_deliveries
    }

    /// Keeps a message for later if it asks for that.
    pub(super) fn postpone(&mut self, mut content: Content) -> Option<Content> {
        let delay = content.headers.get(DELAY).and_then(|value| value.number());
        let delay = delay.filter(|delay| *delay > 0 && self.config.does(Feature::Scheduling));
        let Some(delay) = delay else { return Some(content) };
        content.headers.remove(DELAY);
        let due = self.now.saturating_add(Duration::from_millis(delay));
        if self.config.dialect == Dialect::Artemis {
            let time = self.epoch.saturating_add(due).as_millis();
            content.headers.set("_AMQ_SCHED_DELIVERY", time.to_string());
        }
        self.schedule.due.insert((due, self.schedule.next), content);
        self.schedule.next += 1;
        None
    }

    /// Accepts the messages whose time has come.
    pub(super) fn accept_scheduled(&mut self) {
        while let Some(first) = self.schedule.due.first_entry().filter(|first| first.key().0 <= self.now) {
            let content = first.remove();
            self.keep(content);
        }
    }

    /// Forgets the messages that would be accepted later, where a crash destroys them.
    pub(super) fn forget_scheduled(&mut self) {
        let durable_only = self.config.durable_only;
        self.schedule.due.retain(|_, content| content.persistent || !durable_only);
    }

    /// Takes the messages that have expired out of their queues.
    pub(super) fn expire(&mut self) {
        while let Some(message) = self.store.take_expired(self.wall_clock()) {
            match self.config.dialect {
                Dialect::ActiveMq => self.dead_letter(&message, Death::Expired),
                Dialect::Artemis => self.bury(&message, Death::Expired, "/queue/ExpiryQueue"),
                Dialect::Plain | Dialect::RabbitMq => {
                    self.note(|| Fact::Expired(message.content.body.clone()));
                }
            }
        }
    }

    /// Returns the number of messages that a connection or a test has sent and that are accepted later.
    #[must_use]
    pub fn scheduled(&self) -> usize {
        self.schedule.due.len()
    }
}
