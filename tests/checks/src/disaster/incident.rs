//! What goes wrong with a cluster or a pair, and when its clients must be served again.

use std::time::Duration;

use stomp_session::Timestamp;

use super::{kind::Kind, world::World};
use crate::sim::Random;

/// Something that goes wrong with nodes, or with the network before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incident {
    /// The network drops all octets between one client and its node for a while.
    BlackHole,
    /// Queues elect leaders, for longer than after a kill.
    Election,
    /// One node after the other is stopped and started again, and each time the queues elect leaders for many seconds.
    Elections,
    /// A node is stopped, and goes on later as if nothing had been.
    Freeze,
    /// All nodes die, and come back one by one.
    FullRestart,
    /// A node is killed.
    Kill,
    /// A node is killed, and the queues that it led elect leaders.
    KillAndElect,
    /// Two of three nodes die: the third serves nobody until one is back.
    Majority,
    /// A node is cut off from the others: it serves nobody, ends its connections after a while, and comes back.
    Partition,
    /// One node after the other is stopped in good order and started again.
    RollingRestart,
    /// The broker that serves is killed, and the other one opens later.
    Standby,
    /// As a rolling restart, and each node comes back in a newer version.
    Upgrade,
}

/// When a client could be served again, and when it must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) from: Timestamp,
    pub(super) by: Timestamp,
}

/// After a kill, with another node up.
pub(super) const KILLED: Duration = Duration::from_secs(3);
/// After a standby has opened, or a cluster is one again.
pub(super) const OPENED: Duration = Duration::from_secs(5);
/// After silence was noticed.
pub(super) const SILENT: Duration = Duration::from_secs(2);
/// After an election, or several.
const ELECTED: Duration = Duration::from_secs(13);
/// What no client notices otherwise: two periods without a sign of life, and a margin.
pub(super) const MARGIN: Duration = Duration::from_millis(500);

impl Incident {
    const CLUSTER: [Self; 11] = [
        Self::BlackHole,
        Self::Election,
        Self::Elections,
        Self::Freeze,
        Self::FullRestart,
        Self::Kill,
        Self::KillAndElect,
        Self::Majority,
        Self::Partition,
        Self::RollingRestart,
        Self::Upgrade,
    ];
    const PAIR: [Self; 5] = [Self::BlackHole, Self::Freeze, Self::FullRestart, Self::Standby, Self::Upgrade];

    pub(super) fn draw(kind: Kind, luck: &mut Random) -> Self {
        match kind {
            Kind::RabbitMq => Self::CLUSTER[luck.below(Self::CLUSTER.len())],
            // Most of what happens to a pair is that.
            _ if luck.once_in(2) => Self::Standby,
            _ => Self::PAIR[luck.below(Self::PAIR.len())],
        }
    }

    /// For the report.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::BlackHole => "black hole before one client",
            Self::Election => "elections",
            Self::Elections => "rolling restart with elections",
            Self::Freeze => "freeze of a node",
            Self::FullRestart => "full restart",
            Self::Kill => "kill of a node",
            Self::KillAndElect => "kill with elections",
            Self::Majority => "two of three nodes down",
            Self::Partition => "partition",
            Self::RollingRestart => "rolling restart",
            Self::Standby => "kill with a standby",
            Self::Upgrade => "upgrade",
        }
    }
}

/// Uniform between the two, in milliseconds.
pub(super) fn between(luck: &mut Random, least: usize, most: usize) -> Duration {
    Duration::from_millis((least + luck.below(most - least + 1)) as u64)
}

impl World {
    /// Lets it happen. Gives, for each client, when it must be served again.
    pub(super) fn happen(&mut self, incident: Incident, luck: &mut Random) -> Vec<Due> {
        let now = self.now;
        let node = luck.below(self.nodes.len());
        match incident {
            Incident::BlackHole => self.cut_off(luck),
            Incident::Election => {
                let most = [1_000, 5_000, 40_000][luck.below(3)];
                let longest = between(luck, 100, most);
                let end = self.elect(luck, 2, longest);
                self.due(end, ELECTED)
            }
            Incident::Elections => {
                let most = between(luck, 1_000, 15_000);
                let _ = self.restart_in_turn(luck, false);
                self.stops.iter_mut().for_each(|stop| stop.elects = Some(most));
                let end = self.stops.last().map_or(now, |stop| stop.at.after(most));
                self.due(end, ELECTED)
            }
            Incident::Freeze => self.freeze(luck),
            Incident::FullRestart => self.restart_all(luck),
            Incident::Kill => {
                self.kill(node, now.after(between(luck, 500, 20_000)));
                self.due(now, KILLED)
            }
            Incident::KillAndElect => {
                self.kill(node, now.after(between(luck, 500, 20_000)));
                let longest = between(luck, 200, 3_000);
                let end = self.elect(luck, 1 + node % 2, longest);
                self.due(end, ELECTED)
            }
            Incident::Majority => self.lose_majority(node, luck),
            Incident::Partition => self.partition(node, luck),
            Incident::RollingRestart => self.restart_in_turn(luck, false),
            Incident::Standby => self.fail_over(luck),
            Incident::Upgrade => self.restart_in_turn(luck, true),
        }
    }
}
