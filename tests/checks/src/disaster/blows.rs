//! What has ended connections, and whether the frame that is blamed for it was the cause.

use std::{collections::BTreeSet, time::Duration};

use stomp_session::{Ended, Lost, Retry, SubscriptionId, Timestamp, Unknown};

use super::{
    accounts::Entry,
    actor::{Actor, Mark},
    kind::Kind,
    law::{Checked, Law, demand},
    link::Link,
    notice::Scene,
    plan::WHOLE,
    subscribed::Subscribed,
    watch::{Asked, Out},
    words::Meaning,
};

/// A connection ended without a word, or an ERROR came that named nobody.
#[derive(Debug)]
pub(super) struct Blow {
    at: Timestamp,
    node: usize,
    /// What the ERROR meant.
    said: Option<Meaning>,
    /// What was out.
    out: Out,
}

impl Blow {
    /// Whether a SEND was all that was out.
    fn meets_send(&self, key: &str) -> bool {
        self.out.marks.is_empty() && self.out.sends == [key]
    }

    fn meets_mark(&self, mark: Mark) -> bool {
        self.out.sends.is_empty() && self.out.marks == [mark]
    }

    /// Whether its words could be an answer to a frame.
    fn is_answer(&self) -> bool {
        self.said.is_some_and(|said| said != Meaning::Connection && said != Meaning::Passing)
    }
}

/// Two ERRORs that name nobody are no coincidence when they are that far apart.
const APART: Duration = Duration::from_secs(5);

impl Actor {
    /// The subscriptions that a connection begins with.
    pub(super) fn healthy(&self) -> impl Iterator<Item = Mark> {
        let held = self.subscriptions.iter().filter(|(_, held)| !held.suspect);
        held.map(|(mark, _)| *mark)
    }

    pub(super) fn is_suspect(&self, mark: Mark) -> bool {
        self.subscriptions.get(&mark).is_some_and(|held| held.suspect)
    }

    /// What was refused is not sent again before its time.
    pub(super) fn check_retry(&mut self, mark: Mark, now: Timestamp) -> Checked {
        let due = self.subscriptions.get_mut(&mark).and_then(|held| held.retry_at.take());
        demand(due.is_none_or(|due| due <= now), Law::Retried, || {
            format!("SUBSCRIBE {mark} comes at {now} and was announced for {due:?}")
        })
    }

    /// Takes note of what was heard on a connection.
    pub(super) fn note_heard(&mut self, link: &mut Link, kind: Kind, now: Timestamp) {
        for mark in std::mem::take(&mut link.watch.taken) {
            if let Some(held) = self.subscriptions.get_mut(&mark) {
                held.note_taken(now);
            }
        }
        for (meaning, out) in std::mem::take(&mut link.watch.lone) {
            if kind != Kind::ActiveMq {
                self.note_blow(Blow { at: now, node: link.node, said: Some(meaning), out });
            }
        }
    }

    /// A connection ends without a word.
    pub(super) fn note_end(&mut self, link: &mut Link, now: Timestamp) {
        link.watch.has_ended = true;
        self.note_blow(Blow { at: now, node: link.node, said: None, out: link.watch.out(now) });
    }

    fn note_blow(&mut self, blow: Blow) {
        if !WHOLE || (blow.out.sends.is_empty() && blow.out.marks.is_empty()) {
            return;
        }
        for mark in &blow.out.marks {
            if let Some(held) = self.subscriptions.get_mut(mark) {
                held.note_trouble(blow.at);
            }
        }
        self.blows.push(blow);
    }

    /// A subscription is going to be sent again.
    pub(super) fn note_retry(
        &mut self,
        id: SubscriptionId,
        delay: Duration,
        scene: &mut Scene<'_>,
    ) -> Checked {
        let now = scene.now;
        if let (Some(mark), Some(watch)) = (self.mark_of(id), &mut scene.watch) {
            watch.replay.retain(|expected| *expected != mark);
        }
        if let Some(held) = self.subscriptions.values_mut().find(|held| held.id == id) {
            held.note_trouble(now);
            held.retries += 1;
            held.retry_at = Some(now.after(delay));
        }
        demand(!delay.is_zero() && delay <= LONGEST, Law::Retried, || format!("{id:?} again in {delay:?}"))
    }

    /// A subscription ends only for a reason.
    pub(super) fn note_subscription_ended(
        &mut self,
        mark: Mark,
        reason: &Ended,
        scene: &Scene<'_>,
    ) -> Checked {
        let Some(held) = self.subscriptions.remove(&mark) else { return Ok(()) };
        if !WHOLE || matches!(reason, Ended::Unwritable(_)) {
            return Ok(());
        }
        let said = self.answers_to(mark, scene);
        if held.stood {
            let is_lawful = said.contains(&Meaning::Invalid) || is_given_up(&held, scene.now);
            return demand(is_lawful, Law::Retried, || {
                format!("{mark} stood, and has ended: {reason}, {held:?}")
            });
        }
        let silences = self.silences(scene.now, |blow| blow.meets_mark(mark));
        demand(!said.is_empty() || silences, Law::Blame, || {
            format!("{mark} has ended, and was not the cause: {reason}, {said:?} {:?}", self.blows)
        })
    }

    /// What ERRORs said that answered a SUBSCRIBE, or ended the subscription.
    fn answers_to(&self, mark: Mark, scene: &Scene<'_>) -> Vec<Meaning> {
        let Some(watch) = &scene.watch else { return Vec::new() };
        let cancelled = watch.subscribed.iter().filter(|(_, other)| **other == mark);
        let cancelled = cancelled.filter_map(|(id, _)| watch.cancels.get(id)).copied();
        let asked =
            watch.asked().filter(|(_, asked)| matches!(asked, Asked::Subscribe(of, _) if *of == mark));
        let refused = asked.filter_map(|(receipt, _)| watch.refusals.get(receipt)).copied();
        let lone = self.blows.last().filter(|blow| blow.at == scene.now && blow.meets_mark(mark));
        let lone = lone.and_then(|blow| blow.said).filter(|said| *said != Meaning::Connection);
        refused.chain(cancelled).chain(lone).collect()
    }

    /// Whether connections were closed without a word often enough, far enough apart, and at enough brokers, when something
    /// was alone.
    fn silences(&self, now: Timestamp, is_alone: impl Fn(&Blow) -> bool) -> bool {
        let mut nodes = BTreeSet::new();
        let (mut count, mut next, mut gap) = (0, Timestamp::ZERO, Duration::from_secs(2));
        for blow in self.blows.iter().filter(|blow| blow.said.is_none() && is_alone(blow)) {
            nodes.insert(blow.node);
            if blow.at >= next || count == 0 {
                count += 1;
                next = blow.at.after(gap);
                gap = (gap * 2).min(Duration::from_secs(60));
            }
        }
        let is_everywhere =
            nodes.len() > 1 || nodes.iter().all(|node| !self.course.another_stood(*node, now));
        count >= 6 && is_everywhere
    }

    /// What is not known of a SEND that is kept is not known for a reason.
    pub(super) fn check_unknown(
        &self,
        key: &str,
        why: &Unknown,
        since: Timestamp,
        scene: &mut Scene<'_>,
    ) -> Checked {
        if !WHOLE || !scene.accounts.entry(key).repeats {
            return Ok(());
        }
        match why {
            Unknown::Timeout(limit) | Unknown::TimeoutAfter { limit, .. } => {
                demand(scene.now >= since.after(*limit), Law::Blame, || format!("{key} is given up early"))
            }
            Unknown::KillsConnection(_) => {
                let is_cause = self.silences(scene.now, |blow| blow.meets_send(key));
                demand(is_cause && !scene.accounts.innocent, Law::Blame, || {
                    format!("{key} was not the cause: {:?}", self.blows)
                })
            }
            // The session ends.
            Unknown::Lost(_) => {
                let ends = self.is_leaving() || self.course.is_poisoned(scene.now);
                demand(ends, Law::Blame, || format!("{key}: {why}"))
            }
            _ => Ok(()),
        }
    }
}

/// Back-offs are no longer, jitter included.
const LONGEST: Duration = Duration::from_secs(45 * 60);

/// Whether its owner did not want it to be sent again.
fn is_given_up(held: &Subscribed, now: Timestamp) -> bool {
    match held.retry {
        Retry::Never => true,
        Retry::Within(time) => held.refused_since.is_some_and(|since| now >= since.after(time)),
        _ => false,
    }
}

/// A SEND is rejected by an ERROR that names it, or that it has met alone twice.
pub(super) fn check_rejected(blows: &[Blow], key: &str, named: &[Meaning], entry: &Entry) -> Checked {
    if !WHOLE {
        return Ok(());
    }
    let passes = |said: &Meaning| entry.repeats && matches!(said, Meaning::Connection | Meaning::Passing);
    let is_named = named.iter().any(|said| !passes(said)) && entry.refused > 0;
    let mut alone = blows.iter().filter(|blow| blow.is_answer() && blow.meets_send(key)).map(|blow| blow.at);
    let first = alone.next();
    let twice = first.is_some_and(|first| alone.any(|at| at >= first.after(APART)));
    demand(is_named || (twice && entry.repeats), Law::Blame, || {
        format!("{key} is rejected: {named:?}, refused {} times, {blows:?}", entry.refused)
    })
}

/// ActiveMQ keeps a connection after an ERROR that names nobody, and so does its client.
pub(super) fn check_kept(reason: &Lost, scene: &Scene<'_>) -> Checked {
    let Lost::ServerError(error) = reason else { return Ok(()) };
    let names_nobody =
        !["receipt-id", "subscription"].iter().any(|name| error.frame().headers().contains(name));
    let has_ended = scene.watch.as_ref().is_some_and(|watch| watch.has_ended);
    let is_kept = scene.kind == Some(Kind::ActiveMq) && !has_ended;
    demand(!WHOLE || !names_nobody || !is_kept, Law::Blame, || {
        format!("the broker keeps the connection, and it was dropped: {error:?}")
    })
}
