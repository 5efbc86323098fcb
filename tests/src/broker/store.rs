//! Where messages wait: queues that consumers share, and one queue of its own for each subscription of a topic.

use core::time::Duration;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
    sync::Arc,
};

use super::{
    ConnectionId,
    consumers::{Consumers, Wishes},
    content::Content,
    source::{Source, SubscriptionKey, is_remote},
    wildcard::is_topic,
};

/// Where a message stands in its queue: by its rank, the best first, then by its number.
type Place = (u8, u64);

/// A message in a queue or on its way to a consumer. One that comes back takes its place again.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) number: u64,
    rank: u8,
    pub(super) redelivered: bool,
    /// How often it came back in a way that counts, and how often of these its consumer had wanted it.
    pub(super) returns: u32,
    pub(super) orderly_returns: u32,
    pub(super) content: Arc<Content>,
}

#[derive(Debug, Default)]
struct Queue {
    ready: BTreeMap<Place, Message>,
    /// Whose turn it is stands in front.
    consumers: VecDeque<SubscriptionKey>,
    /// Receipts that wait until the queue holds fewer messages.
    withheld: VecDeque<(ConnectionId, Vec<u8>)>,
}

impl Queue {
    fn is_unused(&self) -> bool {
        self.ready.is_empty() && self.consumers.is_empty() && self.withheld.is_empty()
    }
}

impl Message {
    const fn place(&self) -> Place {
        (self.rank, self.number)
    }
}

/// All queues and topics, and which of them may have something to dispatch.
#[derive(Debug, Default)]
pub(super) struct Store {
    queues: BTreeMap<Source, Queue>,
    consumers: Consumers,
    touched: BTreeSet<Source>,
    numbers: u64,
    /// Whether a message of a higher priority overtakes others.
    ranks: bool,
    /// The destinations that belong to a connection.
    temporaries: BTreeSet<Arc<str>>,
    /// When messages that wait expire.
    expiring: BTreeSet<(Duration, Source, Place)>,
}

impl Store {
    pub(super) fn new(ranks: bool) -> Self {
        Self { ranks, ..Self::default() }
    }

    /// Accepts a message. Gives the numbers of its places.
    pub(super) fn publish(&mut self, content: Content) -> Range<u64> {
        let (first, content) = (self.numbers, Arc::new(content));
        if !is_topic(&content.destination) {
            self.push(Source::Queue(content.destination.clone()), content);
            return first..self.numbers;
        }
        for source in self.consumers.of_topic(&content) {
            self.push(source, content.clone());
        }
        first..self.numbers
    }

    fn push(&mut self, source: Source, content: Arc<Content>) {
        let number = self.numbers;
        self.numbers += 1;
        let rank = if self.ranks { 9 - content.priority.min(9) } else { 0 };
        self.insert(
            source,
            Message { number, rank, redelivered: false, returns: 0, orderly_returns: 0, content },
        );
    }

    fn insert(&mut self, source: Source, message: Message) {
        if let Some(time) = message.content.expires {
            self.expiring.insert((time, source.clone(), message.place()));
        }
        self.queue(&source).ready.insert(message.place(), message);
        self.touched.insert(source);
    }

    /// The queue of a source, which has consumers from the start where they have asked for any queue of its name.
    fn queue(&mut self, source: &Source) -> &mut Queue {
        if !self.queues.contains_key(source) {
            let consumers = self.consumers.found(source).into();
            self.queues.insert(source.clone(), Queue { consumers, ..Queue::default() });
        }
        self.queues.entry(source.clone()).or_default()
    }

    /// Takes a message back that was handed out. What was for a subscription that is gone is gone with it.
    pub(super) fn put_back(&mut self, source: &Source, message: Message) {
        let is_gone = match source {
            Source::Queue(name) => is_remote(name) && !self.is_temporary(name),
            Source::Topic(_) => !self.queues.contains_key(source),
            Source::Durable(name) => !self.consumers.is_durable(name),
        };
        if !is_gone {
            self.insert(source.clone(), Message { redelivered: true, ..message });
        }
    }

    /// Adds a consumer. A durable one is served from what the subscription of that name has collected.
    pub(super) fn add_consumer(&mut self, wishes: Wishes, key: SubscriptionKey) {
        let queues = self.queues.keys().filter_map(|source| match source {
            Source::Queue(name) => Some(name),
            Source::Topic(_) | Source::Durable(_) => None,
        });
        for source in self.consumers.add(key, wishes, queues) {
            self.queue(&source).consumers.push_back(key);
            self.touch(&source);
        }
    }

    /// Removes a consumer. A topic's messages that wait for it are dropped.
    pub(super) fn remove_consumer(&mut self, key: SubscriptionKey) {
        for source in self.consumers.remove(key) {
            let Some(queue) = self.queues.get_mut(&source) else { continue };
            queue.consumers.retain(|consumer| *consumer != key);
            if matches!(source, Source::Topic(_)) || queue.is_unused() {
                self.queues.remove(&source);
            }
        }
    }

    /// Deletes a durable subscription with what it has collected. Whether there was one.
    pub(super) fn delete(&mut self, durable: &Arc<str>) -> bool {
        self.queues.remove(&Source::Durable(durable.clone()));
        self.consumers.delete(durable)
    }

    /// Says that a consumer of it may have room again.
    pub(super) fn touch(&mut self, source: &Source) {
        if self.queues.get(source).is_some_and(|queue| !queue.ready.is_empty()) {
            self.touched.insert(source.clone());
        }
    }

    /// Says that a consumer may have room again.
    pub(super) fn touch_consumer(&mut self, key: SubscriptionKey) {
        let Self { queues, consumers, touched, .. } = self;
        let has_messages = |source: &&Source| queues.get(source).is_some_and(|queue| !queue.ready.is_empty());
        touched.extend(consumers.sources(key).filter(has_messages).cloned());
    }

    /// What a consumer is served from.
    pub(super) fn sources(&self, key: SubscriptionKey) -> Vec<Source> {
        self.consumers.sources(key).cloned().collect()
    }

    /// A source that may have something for somebody.
    pub(super) fn next_touched(&mut self) -> Option<Source> {
        self.touched.pop_first()
    }

    /// The next message of a source and who gets it: the first in turn that has room and wants it. Those without room keep
    /// their turn.
    pub(super) fn take(
        &mut self,
        source: &Source,
        has_room: impl Fn(SubscriptionKey) -> bool,
    ) -> Option<(SubscriptionKey, Message)> {
        let Self { queues, consumers, .. } = self;
        let queue = queues.get_mut(source).filter(|queue| !queue.ready.is_empty())?;
        if !queue.consumers.iter().any(|key| has_room(*key)) {
            return None;
        }
        let (place, turn) = queue.ready.iter().find_map(|(place, message)| {
            let wants = |key: &SubscriptionKey| has_room(*key) && consumers.accepts(*key, &message.content);
            Some((*place, queue.consumers.iter().position(wants)?))
        })?;
        let key = queue.consumers.remove(turn)?;
        queue.consumers.push_back(key);
        let message = queue.ready.remove(&place)?;
        if let Some(time) = message.content.expires {
            self.expiring.remove(&(time, source.clone(), place));
        }
        Some((key, message))
    }

    /// When the next message that waits expires, since 1970.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.expiring.first().map(|(time, ..)| *time)
    }

    /// A message that has expired.
    pub(super) fn take_expired(&mut self, now: Duration) -> Option<Message> {
        loop {
            let (_, source, place) = self.expiring.first().filter(|(time, ..)| *time <= now)?.clone();
            self.expiring.pop_first();
            let queue = self.queues.get_mut(&source);
            if let Some(message) = queue.and_then(|queue| queue.ready.remove(&place)) {
                return Some(message);
            }
        }
    }

    /// Keeps the receipt of a SEND back if the queue holds more than `limit` messages; gives it back otherwise.
    pub(super) fn withhold(
        &mut self,
        destination: &str,
        limit: usize,
        connection: ConnectionId,
        receipt: Vec<u8>,
    ) -> Option<Vec<u8>> {
        match self.queues.get_mut(&Source::Queue(destination.into())) {
            Some(queue) if queue.ready.len() > limit => {
                queue.withheld.push_back((connection, receipt));
                None
            }
            _ => Some(receipt),
        }
    }

    /// A receipt that need not be withheld any more.
    pub(super) fn release(&mut self, source: &Source, limit: usize) -> Option<(ConnectionId, Vec<u8>)> {
        self.queues.get_mut(source).filter(|queue| queue.ready.len() <= limit)?.withheld.pop_front()
    }

    /// The messages that wait at a destination, in their order; for a topic those that wait for a subscriber, durable ones last.
    pub(super) fn ready<'a>(&'a self, destination: &'a str) -> impl Iterator<Item = &'a Message> {
        let queue = [Source::Queue(destination.into())].into_iter();
        let sources = queue.chain(self.consumers.sources_of(destination));
        sources.filter_map(|source| self.queues.get(&source)).flat_map(|queue| queue.ready.values())
    }

    /// The names of the queues that hold messages.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.queues.iter().filter(|(_, queue)| !queue.ready.is_empty()).filter_map(|(source, _)| match source
        {
            Source::Queue(name) => Some(&**name),
            Source::Topic(_) | Source::Durable(_) => None,
        })
    }

    /// Forgets what does not survive a crash: what is not on disk yet, and what never goes there, if anything does not.
    pub(super) fn drop_volatile(&mut self, unsynced: &BTreeSet<u64>, durable_only: bool) -> Vec<Message> {
        let survives = |message: &Message| {
            (message.content.persistent || !durable_only) && !unsynced.contains(&message.number)
        };
        let mut lost = Vec::new();
        for queue in self.queues.values_mut() {
            let (kept, gone): (BTreeMap<_, _>, _) =
                core::mem::take(&mut queue.ready).into_iter().partition(|(_, message)| survives(message));
            queue.ready = kept;
            lost.extend(BTreeMap::into_values(gone));
        }
        lost
    }

    pub(super) fn add_temporary(&mut self, name: Arc<str>) {
        self.temporaries.insert(name);
    }

    /// Deletes a temporary destination with its messages.
    pub(super) fn delete_temporary(&mut self, name: &Arc<str>) {
        self.temporaries.remove(name);
        self.queues.remove(&Source::Queue(name.clone()));
    }

    pub(super) fn is_temporary(&self, name: &str) -> bool {
        self.temporaries.contains(name)
    }

    /// The names of all queues.
    pub(super) fn queue_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.queues.keys().filter_map(|source| match source {
            Source::Queue(name) => Some(name),
            Source::Topic(_) | Source::Durable(_) => None,
        })
    }

    /// Forgets the messages of a destination.
    pub(super) fn purge(&mut self, destination: &str) {
        if let Some(queue) = self.queues.get_mut(&Source::Queue(destination.into())) {
            queue.ready.clear();
        }
        self.touched.insert(Source::Queue(destination.into()));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use stomp_proto::Headers;

    use super::*;
    use crate::broker::wildcard::Target;

    fn content(destination: &str, body: &'static str) -> Content {
        let persistent = body.starts_with('p');
        let content = Content::new(destination.into(), Headers::new(), Bytes::from_static(body.as_bytes()));
        Content { persistent, ..content }
    }

    fn bodies(store: &Store, destination: &str) -> Vec<Bytes> {
        store.ready(destination).map(|message| message.content.body.clone()).collect()
    }

    fn wishes(destination: &str, durable: Option<&Arc<str>>) -> Wishes {
        Wishes { targets: vec![Target::Name(destination.into())], selector: None, durable: durable.cloned() }
    }

    /// A new consumer, and what it is served from.
    fn consume(
        store: &mut Store,
        destination: &str,
        durable: Option<&Arc<str>>,
        key: SubscriptionKey,
    ) -> Source {
        store.add_consumer(wishes(destination, durable), key);
        store.sources(key).remove(0)
    }

    fn keys<const N: usize>() -> [SubscriptionKey; N] {
        core::array::from_fn(|number| SubscriptionKey(number as u64))
    }

    #[test]
    fn those_in_turn_with_room_are_served() {
        let [first, second, third] = keys();
        let mut store = Store::default();
        let source = consume(&mut store, "/queue/a", None, first);
        consume(&mut store, "/queue/a", None, second);
        consume(&mut store, "/queue/a", None, third);
        for _ in 0..5 {
            store.publish(content("/queue/a", "x"));
        }
        let mut turns = Vec::new();
        for full in [None, None, Some(third), None, None] {
            turns.push(store.take(&source, |key| Some(key) != full).map(|(key, _)| key));
        }
        assert_eq!(turns, [Some(first), Some(second), Some(first), Some(third), Some(second)]);
        assert!(store.take(&source, |_| true).is_none());
    }

    #[test]
    fn what_comes_back_takes_its_old_place() {
        let [key] = keys();
        let mut store = Store::default();
        let source = consume(&mut store, "/queue/a", None, key);
        for body in ["1", "2", "3"] {
            store.publish(content("/queue/a", body));
        }
        let (_, one) = store.take(&source, |_| true).unwrap();
        let (_, two) = store.take(&source, |_| true).unwrap();
        store.put_back(&source, two);
        store.put_back(&source, one);
        assert_eq!(bodies(&store, "/queue/a"), ["1", "2", "3"]);
        assert_eq!(store.ready("/queue/a").filter(|message| message.redelivered).count(), 2);
    }

    #[test]
    fn topics_store_for_their_subscribers_only() {
        let [first, second] = keys();
        let mut store = Store::default();
        store.publish(content("/topic/t", "nobody"));
        let source = consume(&mut store, "/topic/t", None, first);
        consume(&mut store, "/topic/t", None, second);
        store.publish(content("/topic/t", "both"));
        assert_eq!(bodies(&store, "/topic/t"), ["both", "both"]);
        let (_, message) = store.take(&source, |_| true).unwrap();
        store.remove_consumer(first);
        store.put_back(&source, message);
        assert_eq!(bodies(&store, "/topic/t"), ["both"]);
    }

    #[test]
    fn a_durable_subscription_collects_until_it_is_deleted() {
        let [first, second] = keys();
        let (topic, name): (&str, Arc<str>) = ("/topic/t", "mine".into());
        let mut store = Store::default();
        let source = consume(&mut store, topic, Some(&name), first);
        store.publish(content("/topic/t", "there"));
        let (_, message) = store.take(&source, |_| true).unwrap();
        store.remove_consumer(first);
        store.put_back(&source, message);
        store.publish(content("/topic/t", "away"));
        assert_eq!(bodies(&store, "/topic/t"), ["there", "away"]);
        assert_eq!(consume(&mut store, topic, Some(&name), second), source);
        let (key, message) = store.take(&source, |_| true).unwrap();
        assert_eq!((key, message.redelivered), (second, true));
        assert!(store.delete(&name) && !store.delete(&name));
        store.put_back(&source, message);
        store.publish(content("/topic/t", "late"));
        assert_eq!(bodies(&store, "/topic/t"), [""; 0]);
    }

    #[test]
    fn a_crash_keeps_what_is_persistent() {
        let mut store = Store::default();
        store.publish(content("/queue/a", "volatile"));
        store.publish(content("/queue/a", "persistent"));
        let forgotten = store.drop_volatile(&BTreeSet::new(), true);
        assert_eq!(forgotten.len(), 1);
        assert_eq!(bodies(&store, "/queue/a"), ["persistent"]);
        store.purge("/queue/a");
        assert_eq!(store.names().count(), 0);
    }
}
