//! What became of every message, from the brokers' journals and the clients' results.

use std::collections::{BTreeMap, BTreeSet};

use stomp_proto::Command;
use stomp_testkit::broker::Fact;

/// What a message is known by: the first word of its body.
pub(super) fn key(body: &[u8]) -> String {
    let word = body.split(|octet| *octet == b' ').next().unwrap_or_default();
    String::from_utf8_lossy(word).into_owned()
}

/// A message.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The brokers that have accepted it.
    pub(super) stored: BTreeSet<usize>,
    /// The brokers where an ACK or NACK has ended it.
    pub(super) ended: BTreeSet<usize>,
    /// The brokers where a crash has destroyed it.
    pub(super) forgotten: BTreeSet<usize>,
    /// The brokers that have confirmed it.
    pub(super) confirmed: BTreeSet<usize>,
    /// On how many connections it was written.
    pub(super) written: usize,
    /// Whether a client may write it again.
    pub(super) repeats: bool,
    /// The de-duplication id of its copies.
    pub(super) copies: Option<String>,
    pub(super) persistent: bool,
    pub(super) rejected: bool,
    /// How often a broker has refused it, or closed at it.
    pub(super) refused: usize,
    /// Whether its sender was told that nothing of it is written.
    pub(super) withdrawn: bool,
    /// How often a broker has accepted it, and how often it was handed to a user.
    pub(super) copies_stored: u64,
    pub(super) handed: u64,
    /// What went on when it was first heard of.
    pub(super) during: &'static str,
}

/// All messages by their keys.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    entries: BTreeMap<String, Entry>,
    /// What goes on.
    pub(super) during: &'static str,
    /// No SEND ends connections: what seems so is an election.
    pub(super) innocent: bool,
}

impl Accounts {
    pub(super) fn entry(&mut self, key: &str) -> &mut Entry {
        let during = self.during;
        self.entries.entry(key.to_owned()).or_insert_with(|| Entry { during, ..Entry::default() })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.entries.iter()
    }

    /// Enters what a broker has done.
    pub(super) fn enter(&mut self, broker: usize, fact: &Fact) {
        match fact {
            Fact::Stored { body, .. } => {
                let entry = self.entry(&key(body));
                entry.copies_stored += 1;
                entry.stored.insert(broker);
            }
            Fact::Acknowledged { body, .. }
            | Fact::Destroyed { body, .. }
            | Fact::Discarded(body)
            | Fact::Expired(body)
            | Fact::Delivered { body, settled: true, .. } => {
                self.entry(&key(body)).ended.insert(broker);
            }
            Fact::Forgotten(body) => _ = self.entry(&key(body)).forgotten.insert(broker),
            Fact::Refused { command: Command::Send, body, .. } => self.entry(&key(body)).refused += 1,
            _ => {}
        }
    }
}
