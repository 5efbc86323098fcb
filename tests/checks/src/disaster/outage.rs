//! Nodes that die, freeze, are cut off and come back, and standbys that open when the other one is dead.

use std::time::Duration;

use stomp_session::{Lost, Timestamp};
use stomp_testkit::broker::Denial;

use super::{
    clusters::relayed,
    incident::{Due, KILLED, MARGIN, OPENED, SILENT, between},
    kind::Kind,
    law::Checked,
    trouble::queue,
    world::World,
};
use crate::sim::Random;

/// A node that is stopped at a time to come, and what it is when it is back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub(super) at: Timestamp,
    /// How long queues elect leaders then, at most.
    pub(super) elects: Option<Duration>,
    node: usize,
    /// When it is back, or in a pair when the other one opens.
    back: Timestamp,
    server: Option<&'static str>,
}

/// How a broker that does not serve meets those who dial it.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Refuses,
    Closes,
    /// It accepts, and answers when it opens.
    IsSilent,
}

const MANNERS: [Manner; 3] = [Manner::Refuses, Manner::Closes, Manner::IsSilent];

impl World {
    fn is_pair(&self) -> bool {
        self.models[0].kind != Kind::RabbitMq
    }

    /// Of a pair the second is the standby.
    pub(super) fn begin_pair(&mut self) {
        if self.is_pair() {
            self.nodes[1].refuses_until = Timestamp::MAX;
        }
    }

    /// The broker of a pair that serves.
    fn active(&self) -> usize {
        self.nodes.iter().position(|node| node.refuses_until < Timestamp::MAX).unwrap_or_default()
    }

    /// A node serves from then on, and meets dials in that manner until then.
    fn open_at(&mut self, node: usize, at: Timestamp, manner: Manner) {
        let opening = &mut self.nodes[node];
        opening.heal();
        match manner {
            Manner::Refuses => opening.refuses_until = at,
            Manner::Closes => opening.closes_until = at,
            Manner::IsSilent => opening.frozen_until = at,
        }
    }

    /// A node is dead until then.
    pub(super) fn kill(&mut self, node: usize, back: Timestamp) {
        self.reset_all(node);
        self.nodes[node].refuses_until = back;
    }

    /// Everybody dies, and what was not on disk is lost.
    fn crash_all(&mut self) {
        self.models[0].broker.crash();
        (0..self.nodes.len()).for_each(|node| self.reset_all(node));
    }

    /// All nodes are dead for a while, and the first is back then.
    pub(super) fn restart_all(&mut self, luck: &mut Random) -> Vec<Due> {
        let opens = self.now.after(between(luck, 500, 30_000));
        let first = luck.below(self.nodes.len());
        let later = if self.is_pair() { Timestamp::MAX } else { opens.after(between(luck, 0, 5_000)) };
        self.crash_all();
        for (number, node) in self.nodes.iter_mut().enumerate() {
            node.refuses_until = if number == first { opens } else { later };
        }
        self.due(opens, OPENED)
    }

    /// The broker of a pair that serves dies, and the other one opens later.
    pub(super) fn fail_over(&mut self, luck: &mut Random) -> Vec<Due> {
        let active = self.active();
        let most = [0, 1_500, 5_000, 30_000][luck.below(4)];
        let opens = self.now.after(between(luck, most / 2, most));
        let manner = MANNERS[luck.below(3)];
        self.crash_all();
        self.nodes[active].refuses_until = Timestamp::MAX;
        self.open_at(1 - active, opens, manner);
        self.due(opens, OPENED)
    }

    /// Queues elect their leaders, for at most that long.
    pub(super) fn elect(&mut self, luck: &mut Random, queues: usize, longest: Duration) -> Timestamp {
        let first = luck.below(2);
        let mut last = self.now;
        for number in 0..queues {
            let name = queue(u8::try_from((first + number) % 2).unwrap_or_default());
            let until = self.now.after(longest / (1 + u32::try_from(number).unwrap_or_default()));
            let election = Denial::election(&name);
            let election = if luck.once_in(3) { election.storing() } else { election };
            let election = if luck.once_in(2) { election.reading_on() } else { election };
            self.models[0].deny(election, until);
            last = last.max(until);
        }
        last
    }

    /// Two nodes of three die. The third serves nobody until one of them is back.
    pub(super) fn lose_majority(&mut self, third: usize, luck: &mut Random) -> Vec<Due> {
        let first = self.now.after(between(luck, 1_000, 40_000));
        let second = first.after(between(luck, 0, 10_000));
        let back = [first, second];
        for (node, back) in (0..self.nodes.len()).filter(|node| *node != third).zip(back) {
            self.kill(node, back);
        }
        if luck.once_in(2) {
            self.freeze_node(third, first);
        } else {
            self.kill(third, first);
        }
        // A drawn delay is a sixth of what was waited, at most.
        self.due(first, OPENED.max(first.since(self.now) / 6 + MARGIN))
    }

    /// A node is cut off from the others. It ends its connections after a while, and is back later.
    pub(super) fn partition(&mut self, node: usize, luck: &mut Random) -> Vec<Due> {
        let pauses = self.now.after(between(luck, 0, 8_000));
        let heals = pauses.after(between(luck, 500, 30_000));
        for link in self.links.values_mut().filter(|link| link.node == node) {
            link.up.reset(pauses);
            link.down.end_with(Lost::Eof, pauses);
        }
        let manner = MANNERS[luck.below(2)];
        self.open_at(node, heals, manner);
        self.due(pauses, KILLED)
    }

    /// A node is stopped by a signal, and goes on later as if nothing had been.
    pub(super) fn freeze(&mut self, luck: &mut Random) -> Vec<Due> {
        let node = if self.is_pair() { self.active() } else { luck.below(self.nodes.len()) };
        let until = self.now.after(between(luck, 1_000, 60_000));
        self.freeze_node(node, until);
        self.silent_until(until, |_| true)
    }

    fn freeze_node(&mut self, node: usize, until: Timestamp) {
        self.nodes[node].frozen_until = until;
        for link in self.links.values_mut().filter(|link| link.node == node) {
            link.up.hold_up(until);
            link.down.hold_up(until);
        }
    }

    /// The network drops what one client sends to its node, and what comes back.
    pub(super) fn cut_off(&mut self, luck: &mut Random) -> Vec<Due> {
        let until = self.now.after(between(luck, 5_000, 60_000));
        let whom = luck.below(self.actors.len());
        let link = self.actors[whom].link.and_then(|link| self.links.get_mut(&link));
        if let Some(link) = link {
            link.up.hold_up(until);
            link.down.hold_up(until);
            self.actors[whom].cut_off = Some((link.node, until));
        }
        self.silent_until(until, |number| number == whom)
    }

    /// Whoever hears nothing goes elsewhere when that is noticed, if there is another broker.
    fn silent_until(&self, until: Timestamp, is_silent: impl Fn(usize) -> bool) -> Vec<Due> {
        let noticed = self.now.after(self.setting.beats.1 * 2 + MARGIN);
        let noticed = if self.is_pair() { until } else { until.min(noticed) };
        let within = if self.is_pair() { OPENED } else { SILENT };
        let due = |number| match is_silent(number) {
            true => Due { from: noticed, by: noticed.after(within) },
            false => Due { from: self.now, by: self.now.after(KILLED) },
        };
        relayed((0..self.actors.len()).map(due).collect())
    }

    /// One node after the other is stopped and started again.
    pub(super) fn restart_in_turn(&mut self, luck: &mut Random, newer: bool) -> Vec<Due> {
        let kind = self.models[0].kind;
        self.edition += usize::from(newer);
        let server = newer.then(|| kind.server(self.edition));
        let first = if self.is_pair() { self.active() } else { 0 };
        let (mut at, mut up) = (self.now, self.now);
        for number in 0..self.nodes.len() {
            let node = (first + number) % self.nodes.len();
            let back = at.after(between(luck, 0, 5_000));
            self.stops.push(Stop { at, elects: None, node, back, server });
            up = if self.is_pair() { back } else { at };
            at = back.after(between(luck, 6_000, 9_000));
        }
        let within = if self.is_pair() { OPENED } else { KILLED };
        self.due(up, within)
    }

    /// When the next node is stopped.
    pub(super) fn next_stop(&self) -> Option<Timestamp> {
        self.stops.first().map(|stop| stop.at)
    }

    /// Stops the node that is to be stopped now.
    pub(super) fn stop(&mut self) -> Checked {
        let Some(Stop { elects, node, back, server, .. }) =
            self.stops.first().copied().filter(|stop| stop.at <= self.now)
        else {
            return Ok(());
        };
        self.stops.remove(0);
        let links: Vec<_> = self.links.values().filter(|link| link.node == node).collect();
        let connections: Vec<_> = links.iter().map(|link| link.connection).collect();
        connections.into_iter().for_each(|connection| self.models[0].broker.hang_up(connection));
        for (which, longest) in (0..2).zip(elects.into_iter().flat_map(|longest| [longest, longest / 2])) {
            self.models[0].deny(Denial::election(&queue(which)), self.now.after(longest));
        }
        self.nodes[node].server = server.or(self.nodes[node].server);
        if self.is_pair() {
            self.nodes[node].refuses_until = Timestamp::MAX;
            self.open_at(1 - node, back, Manner::Refuses);
        } else {
            self.nodes[node].refuses_until = back;
        }
        self.settle()
    }

    /// When nothing is wrong any more.
    pub(super) fn recovers_at(&self) -> Timestamp {
        let nodes =
            self.nodes.iter().flat_map(|node| [node.refuses_until, node.closes_until, node.frozen_until]);
        let cut = self.actors.iter().filter_map(|actor| Some(actor.cut_off?.1));
        let elected = |stop: &Stop| stop.at.after(stop.elects.unwrap_or_default());
        let stops = self.stops.iter().map(|stop| stop.back.max(elected(stop)));
        let all = nodes.chain(cut).chain(stops).chain(self.models[0].denied_until());
        all.filter(|at| *at < Timestamp::MAX).max().unwrap_or(self.now)
    }

    pub(super) fn due(&self, from: Timestamp, within: Duration) -> Vec<Due> {
        relayed(vec![Due { from, by: from.after(within) }; self.actors.len()])
    }
}
