//! What befalls a cluster in a round.

use std::{fmt, io, time::Duration};

use super::{
    Interrupt,
    kind::Shape,
    lan::Line,
    load::{Load, VICTIMS},
    running::Cluster,
};

/// What befalls a cluster in a round. At its end, everything is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// A node is killed (SIGKILL), and launched again some seconds later.
    Kill,
    /// A node is stopped (SIGSTOP) for this long.
    Freeze(Duration),
    /// The network between a client's node and that client swallows everything for this long.
    BlackHole(Duration),
    /// The network between a node and the other nodes swallows everything for this long.
    Partition(Duration),
    /// All nodes but one are killed, and launched again this much later.
    MostDown(Duration),
    /// Each node is stopped (SIGTERM) and launched again, one after the other.
    Rolling,
    /// All nodes are stopped (SIGTERM) and launched again.
    Full,
}

/// How long a killed node is dead.
const DEAD: Duration = Duration::from_secs(4);

/// How much of a client's gap may be its own.
const AFTER_KILL: Duration = Duration::from_secs(3);
/// The same where a standby opens.
const AFTER_OPENING: Duration = Duration::from_secs(5);
/// What heart-beats of ten seconds tolerate, and two seconds for another connection.
const AFTER_SILENCE: Duration = Duration::from_millis(22_500);
/// The delay between rounds of attempts ends its growth here.
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// An outage of this length and more counts as one in which the delay has grown.
const OUTAGE: Duration = Duration::from_secs(5);

impl Blow {
    /// Returns the blow of that name, as it is written: `kill`, `freeze:40`.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        let (name, length) = text.split_once(':').map_or((text, None), |(name, length)| (name, Some(length)));
        let length = Duration::from_secs(length.map_or(Some(40), |length| length.parse().ok())?);
        Some(match name {
            "kill" => Self::Kill,
            "freeze" => Self::Freeze(length),
            "black-hole" => Self::BlackHole(length),
            "partition" => Self::Partition(length),
            "most-down" => Self::MostDown(length),
            "rolling" => Self::Rolling,
            "full" => Self::Full,
            _ => return None,
        })
    }

    /// Its name, without its length.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Freeze(_) => "freeze",
            Self::BlackHole(_) => "black-hole",
            Self::Partition(_) => "partition",
            Self::MostDown(_) => "most-down",
            Self::Rolling => "rolling",
            Self::Full => "full",
        }
    }

    /// Whether a node goes silent, which clients are to notice by themselves.
    pub(super) const fn is_silent(self) -> bool {
        matches!(self, Self::Freeze(_) | Self::BlackHole(_))
    }

    /// How much of a client's gap may be the client's own, given how long no node served at a stretch.
    pub(super) fn allowed(self, shape: Shape, outage: Duration) -> Duration {
        // Attempts are further apart the longer nobody was there; the next one may have to be waited for.
        let grown = if outage < OUTAGE { Duration::ZERO } else { outage.min(LONGEST_DELAY) };
        match (self, shape) {
            (Self::Freeze(_) | Self::BlackHole(_), _) => AFTER_SILENCE,
            (Self::Kill | Self::Rolling, Shape::Pair(_)) => AFTER_OPENING,
            (Self::MostDown(_) | Self::Full | Self::Partition(_), _) => grown + AFTER_KILL,
            (Self::Kill | Self::Rolling, _) => AFTER_KILL,
        }
    }

    /// Strikes that node, and returns when it has been launched again, or can be reached again.
    pub(super) fn strike(
        self,
        cluster: &mut Cluster,
        load: &Load,
        node: usize,
        interrupt: &Interrupt,
    ) -> io::Result<()> {
        match self {
            Self::Kill => {
                cluster.node(node).kill()?;
                interrupt.sleep(DEAD)?;
                cluster.launch(node)?;
                cluster.wait_back(node)
            }
            Self::Freeze(length) => {
                cluster.node(node).freeze()?;
                let slept = interrupt.sleep(length);
                cluster.node(node).thaw()?;
                slept
            }
            Self::BlackHole(length) => black_hole(cluster, load, length, interrupt),
            Self::Partition(length) => {
                cluster.lans().cut(Line::Nodes, node)?;
                let slept = interrupt.sleep(length);
                cluster.lans().join(Line::Nodes, node)?;
                slept
            }
            Self::MostDown(length) => {
                let others: Vec<_> = (0..cluster.size()).filter(|other| *other != node).collect();
                others.iter().try_for_each(|other| cluster.node(*other).kill())?;
                interrupt.sleep(length)?;
                cluster.launch_nodes()
            }
            Self::Rolling => (0..cluster.size()).try_for_each(|node| {
                cluster.node(node).stop()?;
                cluster.launch(node)?;
                cluster.wait_back(node)
            }),
            Self::Full => {
                (0..cluster.size()).try_for_each(|node| cluster.node(node).stop())?;
                cluster.launch_nodes()
            }
        }
    }
}

/// The victims are cut off from the nodes at which they are.
fn black_hole(cluster: &Cluster, load: &Load, length: Duration, interrupt: &Interrupt) -> io::Result<()> {
    let mut nodes: Vec<_> =
        VICTIMS.iter().filter_map(|victim| cluster.node_at(&load.host(*victim)?)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    // Not all of them: somebody is to be there for them.
    nodes.truncate(cluster.size() - 1);
    nodes.iter().try_for_each(|node| cluster.lans().cut(Line::Victims, *node))?;
    let slept = interrupt.sleep(length);
    nodes.iter().try_for_each(|node| cluster.lans().join(Line::Victims, *node))?;
    slept
}

impl fmt::Display for Blow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Freeze(length)
            | Self::BlackHole(length)
            | Self::Partition(length)
            | Self::MostDown(length) => {
                write!(formatter, "{}:{}", self.name(), length.as_secs())
            }
            Self::Kill | Self::Rolling | Self::Full => formatter.write_str(self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blow_is_read_as_it_is_written() {
        for text in ["kill", "freeze:40", "black-hole:7", "partition:85", "most-down:15", "rolling", "full"] {
            assert_eq!(Blow::named(text).unwrap().to_string(), text);
        }
        for wrong in ["", "freeze:", "freeze:x", "kick"] {
            assert_eq!(Blow::named(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_delay_between_attempts_counts_where_nobody_was_there_for_long() {
        let seconds = Duration::from_secs;
        let full = |outage| Blow::Full.allowed(Shape::Quorum, seconds(outage));
        assert_eq!([0, 10, 90].map(full), [3, 13, 33].map(seconds));
        assert_eq!(Blow::Kill.allowed(Shape::Quorum, seconds(90)), seconds(3));
    }
}
