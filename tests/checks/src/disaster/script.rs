//! One conversation that has everything, and one or two things that go wrong at exactly one place: for tests that go
//! through all the places.

use std::time::Duration;

use stomp_proto::{AckMode, Version};
use stomp_testkit::broker::CrashPoint;

use super::{
    Outcome,
    deed::{Act, Deed},
    kind::Kind,
    plan::{Plan, Setting},
    world::{Mishaps, World},
};

/// A client that subscribes, sends, acknowledges and leaves, and what goes wrong on the way.
///
/// ```
/// use stomp_checks::disaster::{Kind, Script};
///
/// let calm = Script::new(Kind::ActiveMq).run();
/// let outcome = Script::new(Kind::ActiveMq).cut_up(calm.report.octets.0 / 2).run();
/// assert_eq!((outcome.violation, outcome.report.connections), (None, 2));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Script {
    setting: Setting,
    ack_mode: AckMode,
    mishaps: Mishaps,
}

/// What a user does at another time than the script says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interruption {
    /// Waits no more for the result of the oldest operation, or the next, …
    Cancel(u8),
    /// Says goodbye.
    Disconnect,
    /// Puts the oldest message aside.
    Drop,
    /// Stops reading.
    Pause,
    /// Ends the subscription.
    Unsubscribe,
}

impl Script {
    /// One client and one broker, in STOMP 1.2, messages acknowledged one by one.
    pub fn new(kind: Kind) -> Self {
        let setting = Setting { brokers: vec![kind], ..Setting::calm() };
        Self { setting, ack_mode: AckMode::ClientIndividual, mishaps: Mishaps::default() }
    }

    /// The same in another version.
    pub fn version(mut self, version: Version) -> Self {
        self.setting.versions = vec![version];
        self
    }

    /// The same with another ack mode.
    pub const fn ack_mode(mut self, ack_mode: AckMode) -> Self {
        self.ack_mode = ack_mode;
        self
    }

    /// The same with a broker whose crash destroys what is not persistent.
    pub const fn durable_only(mut self) -> Self {
        self.setting.durable_only = true;
        self
    }

    /// The broker crashes at the first point, and when it is back at the second.
    pub fn crashes(mut self, first: CrashPoint, second: CrashPoint) -> Self {
        self.mishaps.crashes = vec![second, first];
        self
    }

    /// The first connection is reset after this number of octets of the client.
    pub const fn cut_up(mut self, octets: usize) -> Self {
        self.mishaps.cut_up = Some(octets);
        self
    }

    /// The first connection is reset after this number of octets of the broker.
    pub const fn cut_down(mut self, octets: usize) -> Self {
        self.mishaps.cut_down = Some(octets);
        self
    }

    /// After this number of rounds the user does something else.
    pub const fn interrupted(mut self, round: u64, by: Interruption) -> Self {
        let act = match by {
            Interruption::Cancel(which) => Act::Cancel(which),
            Interruption::Disconnect => Act::Disconnect,
            Interruption::Drop => Act::Drop(0),
            Interruption::Pause => Act::Pause,
            Interruption::Unsubscribe => Act::Unsubscribe(0),
        };
        self.mishaps.interruption = Some((round, Deed::User { client: 0, act }));
        self
    }

    /// Runs it.
    #[must_use]
    pub fn run(&self) -> Outcome {
        let mut world = World::new(self.setting.clone(), false);
        world.mishaps = self.mishaps.clone();
        let plan = Plan { setting: self.setting.clone(), deeds: self.deeds() };
        super::finish(world, |world| world.run(&plan))
    }

    fn deeds(&self) -> Vec<(Duration, Deed)> {
        let mode = match self.ack_mode {
            AckMode::ClientIndividual => 0,
            AckMode::Client => 8,
            AckMode::Auto => 12,
        };
        // 1.0 has no NACK.
        let refuse = if self.setting.versions == [Version::V1_0] { Act::Ack(0) } else { Act::Nack(0) };
        let send = |how| Act::Send { to: mode, how };
        let turn = [
            send(PERSISTENT),
            send(TRANSIENT),
            Act::Ack(0),
            send(PLAIN),
            send(PERSISTENT),
            Act::Ack(0),
            refuse,
            Act::Subscribe(mode + 1),
            Act::AckAll,
            Act::Unsubscribe(1),
        ];
        let acts = [Act::Subscribe(mode)].into_iter().chain(turn).chain(turn).chain(turn);
        acts.map(|act| (STEP, Deed::User { client: 0, act })).collect()
    }
}

/// The time between two deeds: enough for an answer.
const STEP: Duration = Duration::from_millis(20);

const PLAIN: u8 = 0;
const PERSISTENT: u8 = 6;
const TRANSIENT: u8 = 13;
