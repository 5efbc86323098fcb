//! Two sessions in one process: what is of one has no meaning for the other.

use super::{
    law::{Checked, Law, demand},
    world::World,
};

impl World {
    /// The user of one client takes what is of the next for its own. It is refused, and leaves no octet.
    pub(super) fn trespass(&mut self, number: usize, which: u8) -> Checked {
        let count = self.actors.len();
        let (own, others) = (number % count, (number + 1) % count);
        let Ok([actor, other]) = self.actors.get_disjoint_mut([own, others]) else { return Ok(()) };
        if actor.stalled_until > self.now {
            return Ok(());
        }
        self.trace.note(self.now, 8, || format!("client {own} uses what is of client {others}: {which}"));
        let before = actor.session.unsent();
        let (held, which) = (other.held.first_mut(), usize::from(which));
        let is_refused = match (which % 4, held) {
            (0, Some(held)) => actor.session.ack(&mut held.message).is_err(),
            (1, Some(held)) => actor.session.nack(&mut held.message).is_err(),
            (2, _) => {
                let theirs = other.subscriptions.values().next();
                theirs.is_none_or(|theirs| actor.session.unsubscribe(theirs.id).is_err())
            }
            _ => other.operations.keys().next().is_none_or(|theirs| !actor.session.cancel(*theirs)),
        };
        demand(is_refused && actor.session.unsent() == before, Law::Foreign, || {
            format!("client {own} was let do that with what is of client {others}: {which}")
        })
    }
}
