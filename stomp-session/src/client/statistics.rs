//! Counts of what has happened in a session.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Event;

/// Counts of what has happened in a session since its creation, returned by [`Client::statistics`].
///
/// The counts only grow.
///
/// [`Client::statistics`]: super::Client::statistics
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// The number of connections that were established.
    pub connections: u64,
    /// The number of established connections that have ended.
    pub connections_lost: u64,
    /// The number of attempts to connect that failed.
    pub attempts_failed: u64,
    /// The number of messages that came for subscriptions or as replies.
    pub messages_received: u64,
    /// The number of messages that were handed to the session to be sent. A message that is sent again counts once.
    pub messages_sent: u64,
    /// The number of RECEIPTs that came for frames of the client.
    pub confirmed: u64,
    /// The number of frames that asked for a RECEIPT and were refused, not sent, or not answered.
    pub unconfirmed: u64,
    /// The number of ERRORs that ended neither a connection nor a subscription.
    pub errors: u64,
    /// The number of times the broker refused or cancelled a subscription that it had accepted before, so that it was
    /// to be sent again.
    pub resubscriptions: u64,
    /// The number of messages that were over the limits and were read past.
    pub too_large: u64,
    /// The number of octets that were read.
    pub octets_received: u64,
    /// The number of octets that were written.
    pub octets_sent: u64,
}

/// The counters behind a [`Statistics`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    connections: AtomicU64,
    connections_lost: AtomicU64,
    attempts_failed: AtomicU64,
    messages_received: AtomicU64,
    messages_sent: AtomicU64,
    confirmed: AtomicU64,
    unconfirmed: AtomicU64,
    errors: AtomicU64,
    resubscriptions: AtomicU64,
    too_large: AtomicU64,
    octets_received: AtomicU64,
    octets_sent: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Statistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            connections: read(&self.connections),
            connections_lost: read(&self.connections_lost),
            attempts_failed: read(&self.attempts_failed),
            messages_received: read(&self.messages_received),
            messages_sent: read(&self.messages_sent),
            confirmed: read(&self.confirmed),
            unconfirmed: read(&self.unconfirmed),
            errors: read(&self.errors),
            resubscriptions: read(&self.resubscriptions),
            too_large: read(&self.too_large),
            octets_received: read(&self.octets_received),
            octets_sent: read(&self.octets_sent),
        }
    }

    pub(super) fn note(&self, event: &Event) {
        let counter = match event {
            Event::Message(_) => &self.messages_received,
            Event::Receipt { outcome: crate::Outcome::Confirmed, .. } => &self.confirmed,
            Event::Receipt { .. } => &self.unconfirmed,
            Event::Connected(_) => &self.connections,
            Event::Disconnected { .. } => &self.connections_lost,
            Event::ConnectFailed { .. } => &self.attempts_failed,
            Event::Error(_) => &self.errors,
            Event::Resubscribing { .. } => &self.resubscriptions,
            Event::TooLarge { .. } => &self.too_large,
            _ => return,
        };
        add(counter, 1);
    }

    pub(super) fn count_received(&self, count: usize) {
        add(&self.messages_received, count);
    }

    pub(super) fn count_sent(&self) {
        add(&self.messages_sent, 1);
    }

    pub(super) fn count_read(&self, octets: usize) {
        add(&self.octets_received, octets);
    }

    pub(super) fn count_written(&self, octets: usize) {
        add(&self.octets_sent, octets);
    }
}

/// Each has one writer at a time: whoever holds the lock, or the driver. So nothing is locked for it.
fn add(counter: &AtomicU64, count: usize) {
    let sum = counter.load(Ordering::Relaxed).wrapping_add(count as u64);
    counter.store(sum, Ordering::Relaxed);
}
