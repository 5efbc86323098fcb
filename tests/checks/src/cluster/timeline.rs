//! When the cluster served, as the probes saw it, and how much of a client's gap was the client's own.

use std::time::{Duration, Instant};

use super::ledger::Gap;

/// How a node looks to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// It takes messages.
    Serves,
    /// It takes clients, but none of their messages. Who is connected to it cannot know.
    Deaf,
    /// It takes no clients.
    Gone,
}

/// What a probe found, which it began to look for when its last one ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) node: usize,
    pub(super) until: Instant,
    pub(super) view: View,
}

/// What the probes found.
#[derive(Debug, Default)]
pub(super) struct Timeline(Vec<Sight>);

/// How finely a gap is looked at.
const STEP: Duration = Duration::from_millis(20);

impl Timeline {
    pub(super) fn saw(&mut self, sight: Sight) {
        self.0.push(sight);
    }

    /// Leaves the last sight of each node behind.
    pub(super) fn take(&mut self) -> Self {
        let taken = std::mem::take(&mut self.0);
        for sight in taken.iter().rev() {
            if self.0.iter().all(|kept| kept.node != sight.node) {
                self.0.push(*sight);
            }
        }
        self.0.reverse();
        Self(taken)
    }

    /// Whether each of the first `nodes` nodes serves, by when it was last seen.
    pub(super) fn now(&self, nodes: usize) -> Vec<bool> {
        let last = |node| self.0.iter().rev().find(|sight| sight.node == node);
        (0..nodes).map(|node| last(node).is_some_and(|sight| sight.view == View::Serves)).collect()
    }

    /// How long, within a gap, some node served and none was deaf, and the client did not wait for an answer: what of the
    /// gap is the client's own.
    pub(super) fn served(&self, gap: Gap, waits: &[Gap]) -> Duration {
        let views = self.views();
        let served = steps(gap.from, gap.to).filter(|at| {
            let mut seen = views.iter().map(|of| view(of, *at));
            seen.clone().any(|view| view == View::Serves)
                && !seen.any(|view| view == View::Deaf)
                && !waits.iter().any(|wait| wait.from <= *at && *at < wait.to)
        });
        STEP * u32::try_from(served.count()).unwrap_or(u32::MAX)
    }

    /// The longest time, between two moments, in which no node served.
    pub(super) fn outage(&self, from: Instant, to: Instant) -> Duration {
        let views = self.views();
        let (mut longest, mut current) = (0_u32, 0_u32);
        for at in steps(from, to) {
            let serves = views.iter().any(|of| view(of, at) == View::Serves);
            current = if serves { 0 } else { current + 1 };
            longest = longest.max(current);
        }
        STEP * longest
    }

    /// The sights of each node, in their order.
    fn views(&self) -> Vec<Vec<Sight>> {
        let nodes = self.0.iter().map(|sight| sight.node + 1).max().unwrap_or_default();
        (0..nodes).map(|node| self.0.iter().filter(|sight| sight.node == node).copied().collect()).collect()
    }
}

fn steps(from: Instant, to: Instant) -> impl Iterator<Item = Instant> {
    std::iter::successors(Some(from), |at| Some(*at + STEP)).take_while(move |at| *at < to)
}

/// What a node looked like. It serves from the end of the first question that it answered on.
fn view(sights: &[Sight], at: Instant) -> View {
    let next = sights.partition_point(|sight| sight.until < at);
    let before = next.checked_sub(1).and_then(|last| sights.get(last)).map(|sight| sight.view);
    match (before, sights.get(next).map(|sight| sight.view)) {
        (Some(View::Serves), Some(View::Serves) | None) => View::Serves,
        // What it looked like meanwhile nobody knows; it had not been asked before, or had not answered.
        (Some(before), Some(View::Serves)) => before,
        (_, Some(view)) => view,
        (before, None) => before.unwrap_or(View::Gone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sights of nodes, each with its milliseconds.
    fn seen(rows: &[(usize, u64, View)]) -> (Instant, Timeline) {
        let start = Instant::now();
        let sight = |(node, until, view): &(usize, u64, View)| Sight {
            node: *node,
            until: start + Duration::from_millis(*until),
            view: *view,
        };
        (start, Timeline(rows.iter().map(sight).collect()))
    }

    fn served(rows: &[(usize, u64, View)], from: u64, to: u64) -> u64 {
        let (start, timeline) = seen(rows);
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let served = timeline.served(Gap { from: at(from), to: at(to) }, &[]);
        u64::try_from(served.as_millis()).unwrap()
    }

    #[test]
    fn an_answer_that_is_owed_is_the_brokers() {
        let (start, timeline) = seen(&[(0, 0, View::Serves), (0, 1_000, View::Serves)]);
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let (gap, wait) = (Gap { from: at(200), to: at(800) }, Gap { from: at(300), to: at(500) });
        assert_eq!(timeline.served(gap, &[wait]), Duration::from_millis(400));
    }

    #[test]
    fn a_gap_is_the_clients_while_a_node_serves() {
        let rows = [(0, 0, View::Serves), (0, 1_000, View::Serves)];
        assert_eq!(served(&rows, 200, 800), 600);
    }

    #[test]
    fn a_node_serves_from_its_first_answer_on() {
        let rows = [(0, 0, View::Gone), (0, 1_000, View::Serves), (0, 2_000, View::Serves)];
        assert_eq!(served(&rows, 0, 2_000), 980);
    }

    #[test]
    fn nobody_can_tell_that_a_node_is_deaf() {
        let rows =
            [(0, 0, View::Serves), (0, 1_000, View::Serves), (1, 0, View::Serves), (1, 500, View::Deaf)];
        assert_eq!(served(&[rows.as_slice(), &[(1, 1_000, View::Gone)]].concat(), 10, 1_010), 500);
    }

    #[test]
    fn an_outage_is_when_no_node_serves() {
        let rows = [(0, 0, View::Serves), (0, 600, View::Gone), (1, 0, View::Gone), (1, 400, View::Serves)];
        let (start, timeline) = seen(&rows);
        let outage = timeline.outage(start + Duration::from_millis(10), start + Duration::from_millis(1_010));
        assert!(outage.as_millis().abs_diff(400) <= 20, "{outage:?}");
    }

    #[test]
    fn the_last_sight_of_each_node_is_left_behind() {
        let (_, mut timeline) = seen(&[(0, 0, View::Gone), (1, 0, View::Serves), (0, 5, View::Serves)]);
        assert_eq!(timeline.take().0.len(), 3);
        assert_eq!(timeline.now(2), [true, true]);
        assert_eq!(timeline.0.len(), 2);
    }
}
