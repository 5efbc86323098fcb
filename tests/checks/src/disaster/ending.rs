//! The end of a run: nothing goes wrong any more, and everything must come right.

use std::{collections::BTreeSet, time::Duration};

use stomp_proto::Version;
use stomp_session::{Closed, Timestamp};

use super::{
    accounts::key,
    actor::{Actor, Mark},
    law::{Checked, Law, demand},
    link::Link,
    model::{Model, Node},
    plan::WHOLE,
    world::World,
};

/// Longer than every deadline and every delay together.
const PATIENCE: Duration = Duration::from_secs(2 * 60 * 60);
/// Longer than it takes to say goodbye.
const FAREWELL: Duration = Duration::from_secs(300);
/// Octets that may always be on their way.
const BEATS: usize = 4;
/// Looks are no further apart.
const LOOK: Duration = Duration::from_secs(1);

impl World {
    /// Stops the faults and demands that everything ends: results come, queues run dry, goodbyes are answered.
    pub(super) fn end(&mut self) -> Checked {
        self.heal()?;
        let limit = self.now.after(PATIENCE);
        while let Some((law, what)) = self.unrest() {
            demand(self.now < limit, law, || format!("long after the last fault: {what}"))?;
            self.pass_on()?;
        }
        for number in 0..self.actors.len() {
            let now = self.now;
            self.actors[number].disconnect(now)?;
            // A second time is no other.
            self.actors[number].disconnect(now)?;
        }
        let limit = self.now.after(FAREWELL);
        while self.actors.iter().any(|actor| actor.closed.is_none()) || !self.links.is_empty() {
            demand(self.now < limit, Law::Close, || {
                format!("long after the goodbyes: {:?}", self.links.keys())
            })?;
            self.pass_on()?;
        }
        self.report.elapsed = self.now.since_start();
        (self.report.runs, self.report.sessions) = (1, self.actors.len() as u64);
        self.check_ends()?;
        self.check_accounts()
    }

    fn heal(&mut self) -> Checked {
        self.stormy = false;
        self.trace.note(self.now, 7, || "no more faults".to_owned());
        self.models.iter_mut().for_each(Model::heal);
        self.nodes.iter_mut().for_each(Node::heal);
        for link in self.links.values_mut() {
            link.up.heal();
            link.down.heal();
        }
        for actor in &mut self.actors {
            actor.stalled_until = actor.stalled_until.min(self.now);
            // They were given back: nobody counts on them.
            actor.dropped.iter_mut().for_each(|dropped| dropped.retries = u32::MAX);
            actor.held.append(&mut actor.dropped);
        }
        self.settle()
    }

    /// Users do their work, and time moves on.
    fn pass_on(&mut self) -> Checked {
        for number in 0..self.actors.len() {
            let Self { actors, links, now, .. } = self;
            let actor = &mut actors[number];
            let mut watch = actor.link.and_then(|link| links.get_mut(&link)).map(|link| &mut link.watch);
            actor.resume(watch.as_deref_mut(), *now);
            actor.give_up_transaction();
            actor.settle_all(watch)?;
        }
        self.settle()?;
        let look = self.now.after(LOOK);
        let next = self.deadline().map_or(look, |next| next.min(look));
        self.now = self.now.max(next);
        self.settle()
    }

    /// What has not come to rest.
    fn unrest(&self) -> Option<(Law, String)> {
        let actors = self.actors.iter().filter(|actor| actor.closed.is_none());
        for actor in actors {
            let link = actor.link.and_then(|link| self.links.get(&link));
            let Some(link) = link.filter(|_| actor.session.connection().is_some()) else {
                return Some((Law::Schedule, format!("client {} has no connection", actor.number)));
            };
            if actor.going.is_some() {
                return Some((Law::Move, format!("client {} moves: {:?}", actor.number, actor.going)));
            }
            if !actor.operations.is_empty() || actor.session.awaited_receipts() > 0 {
                return Some((Law::Ends, format!("client {} awaits {:?}", actor.number, actor.operations)));
            }
            if link.watch.replay.iter().any(|mark| actor.subscriptions.contains_key(mark))
                || actor.session.unsent() > 0
            {
                return Some((
                    Law::Replay,
                    format!("client {} has not written {:?}", actor.number, link.watch.replay),
                ));
            }
            if let Some(mark) = self.unsubscribed(actor, link) {
                return Some((Law::Retried, format!("client {} is not subscribed to {mark}", actor.number)));
            }
            if !actor.held.is_empty() {
                return Some((Law::Ends, format!("client {} has work", actor.number)));
            }
        }
        let unfinished =
            |link: &&Link| !link.held || !link.served || link.up.held() + link.down.held() > BEATS;
        if let Some(link) = self.links.values().find(unfinished) {
            let Link { client, node, held, served, up, down, .. } = link;
            let what = format!("client {client} to broker {node}: {held} {served}, up {up:?}, down {down:?}");
            return Some((Law::Ends, what));
        }
        if let Some(broker) = self.models.iter().position(|model| model.broker.deferred() > 0) {
            return Some((Law::Ends, format!("broker {broker} has work")));
        }
        let strands = |link: &&Link| self.strands(link);
        if let Some(link) = self.links.values().find(strands) {
            return Some((
                Law::AtLeastOnce,
                format!("client {} keeps what it has unsubscribed", link.client),
            ));
        }
        let waiting = self.actors.iter().find_map(|actor| self.waiting_for(actor));
        waiting.map(|queue| (Law::AtLeastOnce, format!("{queue} has consumers and holds messages")))
    }

    /// A subscription that lives and does not stand.
    fn unsubscribed(&self, actor: &Actor, link: &Link) -> Option<Mark> {
        let broker = &self.models[link.model].broker;
        let stands = |mark: &Mark| {
            let mut ids = link.watch.subscribed.iter().filter(|(_, other)| *other == mark);
            ids.any(|(id, _)| broker.is_subscribed(link.connection, id))
        };
        actor.subscriptions.keys().find(|mark| WHOLE && !actor.is_leaving() && !stands(mark)).copied()
    }

    /// Whether a living connection keeps messages from others whose subscription has ended. In 1.0 nothing can be done.
    fn strands(&self, link: &Link) -> bool {
        let broker = &self.models[link.model].broker;
        let version = broker.version(link.connection);
        version.is_some_and(|version| version > Version::V1_0) && broker.stranded(link.connection) > 0
    }

    /// A queue that holds messages for a client.
    fn waiting_for(&self, actor: &Actor) -> Option<String> {
        let broker = &self.models.get(self.links.get(&actor.link?)?.model)?.broker;
        let mut queues = actor.subscriptions.values().map(|subscribed| &subscribed.destination);
        queues.find(|queue| broker.depth(queue) > 0).cloned()
    }

    /// Nobody holds anything any more, and everybody knows why it ended.
    fn check_ends(&self) -> Checked {
        for actor in &self.actors {
            let session = &actor.session;
            let is_empty =
                session.poll_timeout().is_none() && session.unsent() == 0 && session.awaited_receipts() == 0;
            demand(is_empty, Law::Memory, || {
                format!("client {} has ended and holds {session:?}", actor.number)
            })?;
            let everybody_refused = actor.course.barred.len() == self.nodes.len();
            let is_lawful = match &actor.closed {
                Some(Closed::Disconnected { .. }) => actor.disconnected_at < Some(Timestamp::MAX),
                Some(Closed::GaveUp { .. }) => everybody_refused && (!WHOLE || !actor.course.stood),
                // Checked when it came.
                Some(Closed::ProtocolErrorLoop(_)) => true,
                _ => false,
            };
            demand(is_lawful, Law::Schedule, || {
                format!("client {} has ended: {:?}", actor.number, actor.closed)
            })?;
        }
        Ok(())
    }

    /// What was confirmed is somewhere, and what was rejected is nowhere.
    fn check_accounts(&self) -> Checked {
        let kept: Vec<BTreeSet<_>> = self
            .models
            .iter()
            .map(|model| {
                let bodies =
                    model.broker.queues().into_iter().flat_map(|queue| model.broker.messages(&queue));
                bodies.map(|body| key(&body)).collect()
            })
            .collect();
        for (key, entry) in self.accounts.iter() {
            demand(!entry.rejected || entry.stored.is_empty(), Law::ConfirmedIsStored, || {
                format!("{key} was rejected and is stored")
            })?;
            for broker in &entry.confirmed {
                let is_excused = entry.forgotten.contains(broker) && !entry.persistent;
                let is_there = entry.ended.contains(broker) || kept[*broker].contains(key);
                demand(is_there || is_excused, Law::ConfirmedIsStored, || {
                    format!("{key} was confirmed by broker {broker} and is gone: {entry:?}")
                })?;
            }
        }
        Ok(())
    }
}
