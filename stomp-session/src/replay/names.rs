//! The ids of subscriptions on the wire: which stand, which are taken all the same, and which are free again.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

use crate::model::ids::SubscriptionId;

/// The most that are remembered of each kind.
const REMEMBERED: usize = 1024;

/// See the [module](self).
///
/// A number that was generated is never used again. A name that the user chose may be, on the same connection too, once the
/// broker has answered its UNSUBSCRIBE: what comes late is then behind us, or confirms nothing. A message of the
/// subscription that had the name before is told apart by its [`SubscriptionId`], which is never given twice.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Names of the user's own in the table, by their octets: a name is looked up for each message.
    standing: BTreeMap<Vec<u8>, SubscriptionId>,
    /// Those whose UNSUBSCRIBE was not answered.
    leaving: BTreeMap<String, SubscriptionId>,
    left_by: BTreeMap<SubscriptionId, String>,
    /// Those that were used on this connection before: messages for them may still be on their way.
    used: BTreeSet<String>,
    /// There were more of them.
    has_forgotten: bool,
    next: u64,
    /// Numbers that were passed over.
    skipped: BTreeSet<u64>,
}

impl Names {
    /// The next number, for a subscription that has a name of its own.
    pub(super) fn skip(&mut self) -> u64 {
        if self.skipped.len() >= REMEMBERED {
            self.skipped.pop_first();
        }
        let number = self.next;
        self.skipped.insert(number);
        self.next = self.next.saturating_add(1);
        number
    }

    /// The next number that is nobody's name.
    pub(super) fn generate(&mut self) -> u64 {
        while self.is_somebodys(&self.next.to_string()) {
            self.skip();
        }
        let number = self.next;
        self.next = self.next.saturating_add(1);
        number
    }

    fn is_somebodys(&self, name: &str) -> bool {
        self.standing.contains_key(name.as_bytes())
            || self.leaving.contains_key(name)
            || self.used.contains(name)
    }

    /// Whether that number was generated.
    pub(super) fn is_generated(&self, number: u64) -> bool {
        number < self.next && !self.skipped.contains(&number)
    }

    /// Whether a new subscription may have that name.
    pub(super) fn is_free(&self, name: &str) -> bool {
        let is_generated = name.parse().is_ok_and(|number: u64| self.is_generated(number));
        !is_generated && !self.standing.contains_key(name.as_bytes()) && !self.leaving.contains_key(name)
    }

    pub(super) fn claim(&mut self, name: String, id: SubscriptionId) {
        self.standing.insert(name.into(), id);
    }

    pub(super) fn of(&self, name: &[u8]) -> Option<SubscriptionId> {
        self.standing.get(name).copied()
    }

    /// That subscription has the name no more. It is free, unless it [leaves](Self::leave).
    pub(super) fn drop(&mut self, name: &str, id: SubscriptionId) {
        if self.of(name.as_bytes()) == Some(id) {
            self.standing.remove(name.as_bytes());
            self.note_used(name);
        }
    }

    /// Messages may come under that id that are none of the next subscription's.
    pub(super) fn note_used(&mut self, name: &str) {
        if self.used.insert(name.into()) && self.used.len() > REMEMBERED {
            self.used.pop_first();
            self.has_forgotten = true;
        }
    }

    /// The name is not free until that subscription's UNSUBSCRIBE is answered. A broker that answers none does not have
    /// it remembered for ever.
    pub(super) fn leave(&mut self, name: String, id: SubscriptionId) {
        if self.left_by.len() >= REMEMBERED
            && let Some((_, oldest)) = self.left_by.pop_first()
        {
            self.leaving.remove(&oldest);
        }
        self.left_by.insert(id, name.clone());
        self.leaving.insert(name, id);
    }

    /// The broker knows nothing of that subscription any more.
    pub(super) fn release(&mut self, id: SubscriptionId) -> bool {
        let name = self.left_by.remove(&id);
        name.is_some_and(|name| self.leaving.remove(&name).is_some())
    }

    /// Whether messages under that id may be those of an earlier subscription of this connection.
    pub(super) fn was_used(&self, name: &str) -> bool {
        self.used.contains(name) || (self.has_forgotten && self.standing.contains_key(name.as_bytes()))
    }

    /// Whether a subscription of this connection had that name and has it no more.
    pub(super) fn is_past(&self, name: &str) -> bool {
        self.used.contains(name) || self.leaving.contains_key(name)
    }

    /// The connection has ended: nobody answers any more, and nobody has to.
    pub(super) fn end_connection(&mut self) {
        self.leaving.clear();
        self.left_by.clear();
    }

    /// A connection stands that knows nothing of all this.
    pub(super) fn begin_connection(&mut self) {
        let Self { standing, next, skipped, .. } = core::mem::take(self);
        *self = Self { standing, next, skipped, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::Number;

    fn id(value: u64) -> SubscriptionId {
        SubscriptionId(Number { value, ..Number::default() })
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut names = Names::default();
        for value in 0..5000 {
            let name = alloc::format!("n{value}");
            let id = id(names.skip());
            names.claim(name.clone(), id);
            names.drop(&name, id);
            names.leave(name, id);
        }
        let Names { standing, leaving, left_by, used, skipped, .. } = &names;
        let bounded = [leaving.len(), left_by.len(), used.len(), skipped.len()];
        assert_eq!((standing.len(), bounded), (0, [REMEMBERED; 4]));
        names.claim("n0".into(), id(9999));
        assert!(names.was_used("n0"), "what was forgotten counts as used");
    }

    #[test]
    fn a_number_is_generated_once_and_never_one_that_is_a_name() {
        let mut names = Names::default();
        assert!(names.is_free("1"));
        let first = id(names.skip());
        names.claim("1".into(), first);
        assert_eq!((names.generate(), names.generate()), (2, 3));
        names.drop("1", first);
        assert!(names.is_free("1"), "it was never generated");
        assert!(!names.is_free("2") && names.is_free("4"));
    }
}
