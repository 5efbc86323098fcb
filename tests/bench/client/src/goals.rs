//! What is wanted, as a ratio of two lines of the same run: times depend on the machine and on what else it does, their ratio
//! hardly.

use stomp_bench::table;

use crate::results::Results;

/// Something that is wanted.
struct Goal {
    ours: &'static str,
    theirs: Theirs,
    /// The most that ours may be, in times of theirs.
    most: f64,
}

enum Theirs {
    /// The CPU time of one.
    Cpu(&'static str),
    /// The least CPU time of these.
    Best(&'static [&'static str]),
    /// The wait.
    Wall(&'static str),
    /// This many octets of heap.
    Octets(f64),
}

use Theirs::{Best, Cpu, Octets, Wall};

const fn goal(ours: &'static str, most: f64, theirs: Theirs) -> Goal {
    Goal { ours, theirs, most }
}

const GOALS: [Goal; 32] = [
    goal("receive/stomp-tokio", 0.25, Cpu("receive/async-stomp")),
    // An ACK by `send`, as its examples have it; and by `feed`, with which it has to be flushed by hand.
    goal("receive + ack/stomp-tokio", 0.4, Cpu("receive + ack/async-stomp, send")),
    goal("receive + ack/stomp-tokio", 1.0, Cpu("receive + ack/async-stomp, feed")),
    goal("handle/stomp-tokio", 1.15, Cpu("receive/stomp-tokio")),
    goal("handle + ack/stomp-tokio", 1.15, Cpu("receive + ack/stomp-tokio")),
    goal("send/stomp-tokio", 1.0, Cpu("send/async-stomp, feed")),
    goal("send/stomp-tokio, publisher", 1.0 / 1.7, Cpu("send/async-stomp, feed")),
    goal("send bare/stomp-tokio", 1.0, Cpu("send bare/async-stomp, feed")),
    goal("send bare/stomp-tokio, publisher", 1.0 / 1.7, Cpu("send bare/async-stomp, feed")),
    // 1.0 us where iridium-stomp took 3.8.
    goal("confirm/stomp-tokio", 0.27, Cpu("confirm/iridium-stomp")),
    goal("confirm/stomp-tokio, publisher", 1.0 / 1.5, Cpu("confirm/async-stomp, feed")),
    goal("at least once/stomp-tokio", 1.5, Cpu("confirm/stomp-tokio")),
    goal("ping-pong/stomp-tokio", 1.0, Cpu("ping-pong/iridium-stomp")),
    goal("ping-pong/stomp-tokio", 1.0, Wall("ping-pong/iridium-stomp")),
    // 9 us where iridium-stomp took 11.3.
    goal("ping-pong/stomp-tokio", 0.8, Cpu("ping-pong/iridium-stomp")),
    goal("receive/stomp-tokio, two threads", 1.3, Cpu("receive/stomp-tokio")),
    goal("receive + ack/stomp-tokio, two threads", 1.3, Cpu("receive + ack/stomp-tokio")),
    goal("send/stomp-tokio, two threads", 1.3, Cpu("send/stomp-tokio")),
    goal("confirm/stomp-tokio, two threads", 1.3, Cpu("confirm/stomp-tokio")),
    // As its README has it, with the driver in another thread.
    goal("receive/stomp-smol", 1.25, Cpu("receive/stomp-tokio")),
    goal("receive + ack/stomp-smol", 1.25, Cpu("receive + ack/stomp-tokio")),
    goal("send/stomp-smol", 1.25, Cpu("send/stomp-tokio")),
    goal("confirm/stomp-smol", 1.25, Cpu("confirm/stomp-tokio")),
    // One thread each.
    goal("receive/stomp-smol, one executor", 1.25, Cpu("receive/stomp-tokio")),
    goal("receive + ack/stomp-smol, one executor", 1.25, Cpu("receive + ack/stomp-tokio")),
    goal("send/stomp-smol, one executor", 1.25, Cpu("send/stomp-tokio")),
    goal("confirm/stomp-smol, one executor", 1.25, Cpu("confirm/stomp-tokio")),
    // 60 ms where the best peer took 92, and 41 by hand.
    goal(
        "64 MiB/stomp-tokio",
        0.65,
        Best(&["64 MiB/async-stomp", "64 MiB/tokio-stomp-2", "64 MiB/iridium-stomp"]),
    ),
    goal("64 MiB/stomp-tokio", 1.46, Cpu("64 MiB/by hand")),
    goal("stomp-tokio", 1.0, Octets(6_000.0)),
    goal("stomp-tokio, a subscription", 1.0, Octets(8_000.0)),
    goal("stomp-smol", 1.0, Octets(6_000.0)),
];

/// Prints them, and tells which of them are missed. One of which a line was not measured is neither printed nor missed.
pub(crate) fn judge(results: &Results) -> Vec<bool> {
    let mut rows = vec![["goal", "wanted", "measured", ""].map(str::to_owned).to_vec()];
    let missed = GOALS.iter().map(|goal| {
        let Some((what, measured)) = goal.measure(results) else { return false };
        let is_missed = measured > goal.most;
        let verdict = if is_missed { "MISSED" } else { "" };
        rows.push(vec![what, format!("<= {:.2}", goal.most), format!("{measured:.2}"), verdict.to_owned()]);
        is_missed
    });
    let missed = missed.collect();
    table::print(&rows);
    missed
}

impl Goal {
    fn measure(&self, results: &Results) -> Option<(String, f64)> {
        let ours = self.ours;
        Some(match self.theirs {
            Cpu(theirs) => (format!("{ours} : {theirs}"), results.cpu(ours)? / results.cpu(theirs)?),
            Best(peers) => {
                let best = peers.iter().filter_map(|peer| results.cpu(peer)).min_by(f64::total_cmp)?;
                (format!("{ours} : the best peer"), results.cpu(ours)? / best)
            }
            Wall(theirs) => (format!("{ours} : {theirs}, p50"), results.wall(ours)? / results.wall(theirs)?),
            Octets(octets) => (format!("idle, {ours} : {octets} octets"), results.heap(ours)? / octets),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{measure::Hosts, rows};

    #[test]
    fn goals_name_rows() {
        let names: Vec<_> = rows::all(Hosts::start().address()).iter().map(|row| row.name).collect();
        for goal in &GOALS {
            let wanted = match goal.theirs {
                Cpu(theirs) | Wall(theirs) => vec![goal.ours, theirs],
                Best(peers) => [&[goal.ours], peers].concat(),
                Octets(_) => vec![],
            };
            assert!(wanted.iter().all(|name| names.contains(name)), "{wanted:?}");
        }
    }
}
