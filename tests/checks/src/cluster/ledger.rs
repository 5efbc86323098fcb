//! What was confirmed, what was received, and when each client showed a sign of life.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A ledger that all clients of a load share.
#[derive(Debug)]
pub(super) struct Ledger(Mutex<Book>);

#[derive(Debug)]
struct Book {
    /// The messages of each producer, by their numbers.
    messages: Vec<Vec<Entry>>,
    /// When each client last did what it is there for, producers first, and the longest that it took since the round began.
    signs: Vec<Signs>,
    /// The same for all consumers together.
    traffic: Signs,
    counts: Counts,
    broken: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    confirmed: bool,
    received: bool,
}

/// What has been counted since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Messages that a broker confirmed.
    pub(super) confirmed: u64,
    /// Messages that came more than once, for each time.
    pub(super) copies: u64,
}

/// The time between two signs of life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) from: Instant,
    pub(super) to: Instant,
}

impl Gap {
    pub(super) fn length(&self) -> Duration {
        self.to.saturating_duration_since(self.from)
    }
}

#[derive(Clone, Debug)]
struct Signs {
    last: Instant,
    longest: Vec<Gap>,
}

/// Shorter gaps are not looked at.
const NOTABLE: Duration = Duration::from_millis(500);

impl Signs {
    fn new() -> Self {
        Self { last: Instant::now(), longest: Vec::new() }
    }

    fn show(&mut self, now: Instant) {
        let gap = Gap { from: self.last, to: now };
        self.longest.extend((gap.length() >= NOTABLE).then_some(gap));
        self.last = now;
    }

    /// The gaps until now, the last of which may not have ended.
    fn take(&mut self, now: Instant) -> Vec<Gap> {
        let mut gaps = std::mem::take(&mut self.longest);
        gaps.push(Gap { from: self.last, to: now });
        gaps
    }
}

impl Ledger {
    pub(super) fn new(producers: usize, consumers: usize) -> Self {
        let signs = (0..producers + consumers).map(|_| Signs::new()).collect();
        let (messages, traffic) = (vec![Vec::new(); producers], Signs::new());
        Self(Mutex::new(Book { messages, signs, traffic, counts: Counts::default(), broken: Vec::new() }))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a producer's next message.
    pub(super) fn next(&self, producer: usize) -> usize {
        let messages = &mut self.book().messages[producer];
        messages.push(Entry::default());
        messages.len() - 1
    }

    pub(super) fn confirmed(&self, producer: usize, number: usize) {
        let mut book = self.book();
        book.counts.confirmed += 1;
        book.messages[producer][number].confirmed = true;
        book.signs[producer].show(Instant::now());
    }

    /// A client has got that message. Nobody has sent what is not in the book.
    pub(super) fn received(&self, client: usize, message: Option<(usize, usize)>) {
        let (mut book, now) = (self.book(), Instant::now());
        book.signs[client].show(now);
        let Some((producer, number)) = message else { return };
        let Some(entry) = book.messages.get_mut(producer).and_then(|messages| messages.get_mut(number))
        else {
            book.broken.push(format!("client {client} got {producer} {number}, which nobody has sent"));
            return;
        };
        let again = std::mem::replace(&mut entry.received, true);
        book.counts.copies += u64::from(again);
        if !again {
            book.traffic.show(now);
        }
    }

    /// A law was broken: a message was given up, or a subscription has ended.
    pub(super) fn broke(&self, what: String) {
        self.book().broken.push(what);
    }

    pub(super) fn counts(&self) -> Counts {
        self.book().counts
    }

    /// The messages that were confirmed and have not been received.
    pub(super) fn missing(&self) -> Vec<(usize, usize)> {
        let book = self.book();
        let numbered = book.messages.iter().enumerate();
        let all = numbered.flat_map(|(producer, messages)| {
            messages.iter().enumerate().map(move |(number, entry)| ((producer, number), entry))
        });
        all.filter(|(_, entry)| entry.confirmed && !entry.received).map(|(named, _)| named).collect()
    }

    /// Counts that message as received from now on: it was told that it is lost.
    pub(super) fn write_off(&self, (producer, number): (usize, usize)) {
        self.book().messages[producer][number].received = true;
    }

    /// Whether somebody has received that message.
    pub(super) fn has(&self, (producer, number): (usize, usize)) -> bool {
        self.book().messages[producer][number].received
    }

    /// The clients that have shown no sign of life since then.
    pub(super) fn silent_since(&self, since: Instant) -> Vec<usize> {
        let book = self.book();
        let silent = book.signs.iter().enumerate().filter(|(_, signs)| signs.last <= since);
        silent.map(|(client, _)| client).collect()
    }

    /// The gaps of each client since the last call, and those of all traffic.
    pub(super) fn gaps(&self) -> (Vec<Vec<Gap>>, Vec<Gap>) {
        let (mut book, now) = (self.book(), Instant::now());
        let traffic = book.traffic.take(now);
        (book.signs.iter_mut().map(|signs| signs.take(now)).collect(), traffic)
    }

    /// The laws that were broken since the last call.
    pub(super) fn take_broken(&self) -> Vec<String> {
        std::mem::take(&mut self.book().broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_confirmed_and_never_came_is_missing() {
        let ledger = Ledger::new(2, 1);
        let first = ledger.next(1);
        let second = ledger.next(1);
        ledger.confirmed(1, first);
        ledger.received(2, Some((1, second)));
        assert_eq!(ledger.missing(), [(1, 0)]);
        ledger.received(2, Some((1, first)));
        assert_eq!(ledger.missing(), []);
        assert_eq!(ledger.counts(), Counts { confirmed: 1, copies: 0 });
    }

    #[test]
    fn what_comes_again_is_a_copy_and_what_nobody_sent_is_a_broken_law() {
        let ledger = Ledger::new(1, 1);
        let number = ledger.next(0);
        ledger.received(1, Some((0, number)));
        ledger.received(1, Some((0, number)));
        assert_eq!(ledger.counts().copies, 1);
        ledger.received(1, Some((0, 7)));
        assert_eq!(ledger.take_broken().len(), 1);
        assert_eq!(ledger.take_broken(), [""; 0]);
    }
}
