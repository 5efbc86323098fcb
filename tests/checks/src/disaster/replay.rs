//! What a client writes, beside what it was asked to: its subscriptions at the beginning, copies, credentials.

use stomp_proto::{Command, Frame};
use stomp_session::Timestamp;

use super::{
    accounts::Entry,
    actor::{Actor, MARK, Mark},
    law::{Checked, Law, demand},
    model::login,
    plan::Setting,
    watch::Watch,
};

/// Each copy of a message carries the same de-duplication id.
pub(super) fn check_copy(entry: &mut Entry, frame: &Frame) -> Checked {
    let id = frame.header("_AMQ_DUPL_ID").map(|value| value.to_string());
    let before = entry.copies.replace(id.clone().unwrap_or_default());
    let is_same = id.is_some() && before.is_none_or(|before| Some(before) == id);
    demand(is_same, Law::NoRepeat, || format!("a copy has another id: {frame:?}"))
}

pub(super) fn check_login(broker: usize, setting: &Setting, connect: &Frame) -> Checked {
    let (login, passcode) = login(broker, setting);
    let is_own = connect.header("login").is_some_and(|value| value == *login)
        && connect.header("passcode").is_some_and(|value| value == *passcode);
    demand(is_own, Law::Secrets, || format!("broker {broker} gets other credentials than its own"))
}

impl Actor {
    /// A connection begins with the subscriptions that live, in order, each as it was made.
    pub(super) fn check_replay(&mut self, watch: &mut Watch, frame: &Frame, now: Timestamp) -> Checked {
        // A client that is leaving sends what waits, and wants no more messages.
        if self.is_leaving() {
            watch.replay.clear();
        }
        let lives = |mark: &Mark| self.subscriptions.contains_key(mark);
        if frame.command() != Command::Subscribe {
            // Acknowledgements of the connection that lives wait for nobody.
            let may_precede = matches!(
                frame.command(),
                Command::Ack | Command::Connect | Command::Disconnect | Command::Nack | Command::Unsubscribe
            );
            // What was handed over leaves before a connection is left, which does not get what is sent alone any more.
            let may_precede = may_precede || self.is_moving();
            return demand(may_precede || !watch.replay.iter().any(lives), Law::Replay, || {
                format!("{} comes before the subscriptions {:?}", frame.command(), watch.replay)
            });
        }
        let text = |name: &str| frame.header(name).map_or_else(String::new, |value| value.to_string());
        let (mark, id) = (text(MARK).parse().unwrap_or(Mark::MAX), text("id"));
        if watch.left.remove(&id) {
            let is_again = watch.subscribed.get(&id) == Some(&mark) && text("prefetch-count") == "1";
            watch.returning.insert(text("receipt"));
            return demand(is_again, Law::Replay, || format!("the id {id} is used again: {frame:?}"));
        }
        if self.is_suspect(mark) {
            self.check_retry(mark, now)?;
        } else {
            self.check_place(watch, mark)?;
        }
        self.check_same(mark, frame)?;
        watch.cumulative |= text("ack") == "client";
        let was_refused = watch.refused_ids.remove(&id);
        let before = watch.subscribed.insert(id.clone(), mark);
        let is_free = before.is_none() || (was_refused && before == Some(mark));
        demand(is_free, Law::Replay, || format!("the id {id} is used for {before:?} and for {mark}"))
    }

    /// Its place is behind those that were made before it.
    fn check_place(&self, watch: &mut Watch, mark: Mark) -> Checked {
        let lives = |mark: &Mark| self.subscriptions.contains_key(mark);
        // One that has ended meanwhile may still be on its way, or not.
        while watch.replay.front().is_some_and(|front| *front != mark && !lives(front)) {
            watch.replay.pop_front();
        }
        if self.is_moving() {
            // What is sent alone is passed over; the others come in order.
            let passed_over = watch.replay.iter().position(|other| *other == mark);
            watch.replay.drain(..passed_over.unwrap_or(watch.replay.len()));
        }
        let expected = watch.replay.pop_front();
        demand(expected.is_none_or(|expected| expected == mark), Law::Replay, || {
            format!("SUBSCRIBE {mark} comes instead of {expected:?}")
        })
    }

    fn check_same(&self, mark: Mark, frame: &Frame) -> Checked {
        let text = |name: &str| frame.header(name).map_or_else(String::new, |value| value.to_string());
        let is_same =
            self.subscriptions.get(&mark).is_none_or(|held| text("destination") == held.destination);
        demand(is_same, Law::Replay, || format!("SUBSCRIBE {mark} has changed: {frame:?}"))
    }
}
