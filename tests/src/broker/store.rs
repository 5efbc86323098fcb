//! Where messages wait: queues that consumers share, and one queue of its own for each subscription of a topic.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
    sync::Arc,
};

use bytes::Bytes;
use stomp_proto::Headers;

use super::{ConnectionId, subscription::SubscriptionKey};

/// What a message says. It is the same for everybody who gets it.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) destination: Arc<str>,
    /// The sender's headers, without those of the protocol.
    pub(super) headers: Headers,
    pub(super) body: Bytes,
    pub(super) persistent: bool,
}

/// A message in a queue or on its way to a consumer. Its number is its place: one that comes back takes it again.
#[derive(Clone, Debug)]
pub(super) struct Message {
    number: u64,
    pub(super) redelivered: bool,
    /// How often it came back in a way that counts, and how often of these its consumer had wanted it.
    pub(super) returns: u32,
    pub(super) orderly_returns: u32,
    pub(super) content: Arc<Content>,
}

/// What consumers are served from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Queue(Arc<str>),
    /// What a topic has for that subscription alone.
    Topic(SubscriptionKey),
    /// What a topic has for the durable subscription of that name, whether it has a consumer or not.
    Durable(Arc<str>),
}

#[derive(Debug, Default)]
struct Queue {
    ready: BTreeMap<u64, Message>,
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

/// All queues and topics, and which of them may have something to dispatch.
#[derive(Debug, Default)]
pub(super) struct Store {
    queues: BTreeMap<Source, Queue>,
    topics: BTreeMap<Arc<str>, BTreeSet<SubscriptionKey>>,
    /// The topics of durable subscriptions, by the names of these.
    durable: BTreeMap<Arc<str>, Arc<str>>,
    touched: BTreeSet<Source>,
    numbers: u64,
}

/// Whether a destination is a topic: everybody gets each message, and nobody listening means nobody gets it.
fn is_topic(destination: &str) -> bool {
    destination.starts_with("/topic/")
}

impl Store {
    /// Accepts a message. Gives the numbers of its places.
    pub(super) fn publish(&mut self, content: Content) -> Range<u64> {
        let (first, content) = (self.numbers, Arc::new(content));
        if !is_topic(&content.destination) {
            self.push(Source::Queue(content.destination.clone()), content);
            return first..self.numbers;
        }
        let subscribers = self.topics.get(&content.destination).into_iter().flatten();
        for key in subscribers.copied().collect::<Vec<_>>() {
            self.push(Source::Topic(key), content.clone());
        }
        let subscribed = self.durable.iter().filter(|(_, topic)| **topic == content.destination);
        for name in subscribed.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.push(Source::Durable(name), content.clone());
        }
        first..self.numbers
    }

    fn push(&mut self, source: Source, content: Arc<Content>) {
        let number = self.numbers;
        self.numbers += 1;
        let queue = self.queues.entry(source.clone()).or_default();
        queue
            .ready
            .insert(number, Message { number, redelivered: false, returns: 0, orderly_returns: 0, content });
        self.touched.insert(source);
    }

    /// Takes a message back that was handed out. What was for a subscription that is gone is gone with it.
    pub(super) fn put_back(&mut self, source: &Source, message: Message) {
        let is_gone = match source {
            Source::Queue(_) => false,
            Source::Topic(_) => !self.queues.contains_key(source),
            Source::Durable(name) => !self.durable.contains_key(name),
        };
        if is_gone {
            return;
        }
        let message = Message { redelivered: true, ..message };
        self.queues.entry(source.clone()).or_default().ready.insert(message.number, message);
        self.touch(source);
    }

    /// Adds a consumer and says what it is served from: for a topic, from what the durable subscription of that name has
    /// collected, if one is named.
    pub(super) fn add_consumer(
        &mut self,
        destination: &Arc<str>,
        durable: Option<&Arc<str>>,
        key: SubscriptionKey,
    ) -> Source {
        let source = match (is_topic(destination), durable) {
            (true, Some(name)) => {
                self.durable.insert(name.clone(), destination.clone());
                Source::Durable(name.clone())
            }
            (true, None) => {
                self.topics.entry(destination.clone()).or_default().insert(key);
                Source::Topic(key)
            }
            (false, _) => Source::Queue(destination.clone()),
        };
        self.queues.entry(source.clone()).or_default().consumers.push_back(key);
        self.touch(&source);
        source
    }

    /// Removes a consumer. A topic's messages that wait for it are dropped.
    pub(super) fn remove_consumer(&mut self, destination: &str, source: &Source, key: SubscriptionKey) {
        let Some(queue) = self.queues.get_mut(source) else { return };
        queue.consumers.retain(|consumer| *consumer != key);
        let is_over = matches!(source, Source::Topic(_)) || queue.is_unused();
        if is_over {
            self.queues.remove(source);
        }
        if let Some(subscribers) = self.topics.get_mut(destination) {
            subscribers.remove(&key);
            if subscribers.is_empty() {
                self.topics.remove(destination);
            }
        }
    }

    /// Deletes a durable subscription with what it has collected. Whether there was one.
    pub(super) fn delete(&mut self, durable: &Arc<str>) -> bool {
        self.queues.remove(&Source::Durable(durable.clone()));
        self.durable.remove(durable).is_some()
    }

    /// Says that a consumer of it may have room again.
    pub(super) fn touch(&mut self, source: &Source) {
        if self.queues.get(source).is_some_and(|queue| !queue.ready.is_empty()) {
            self.touched.insert(source.clone());
        }
    }

    /// A source that may have something for somebody.
    pub(super) fn next_touched(&mut self) -> Option<Source> {
        self.touched.pop_first()
    }

    /// The next message of a source and who gets it: the first in turn that has room. Those without room keep their
    /// turn.
    pub(super) fn take(
        &mut self,
        source: &Source,
        has_room: impl Fn(SubscriptionKey) -> bool,
    ) -> Option<(SubscriptionKey, Message)> {
        let queue = self.queues.get_mut(source).filter(|queue| !queue.ready.is_empty())?;
        let turn = queue.consumers.iter().position(|key| has_room(*key))?;
        let key = queue.consumers.remove(turn)?;
        queue.consumers.push_back(key);
        let (_, message) = queue.ready.pop_first()?;
        Some((key, message))
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

    /// The messages that wait at a destination, oldest first; for a topic those that wait for a subscriber, durable ones last.
    pub(super) fn ready<'a>(&'a self, destination: &'a str) -> impl Iterator<Item = &'a Message> {
        let topic = self.topics.get(destination).into_iter().flatten().map(|key| Source::Topic(*key));
        let durable = self.durable.iter().filter(move |(_, topic)| ***topic == *destination);
        let durable = durable.map(|(name, _)| Source::Durable(name.clone()));
        let queue = [Source::Queue(destination.into())];
        let sources = queue.into_iter().chain(topic).chain(durable);
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
    use super::*;

    fn content(destination: &str, body: &'static str) -> Content {
        let persistent = body.starts_with('p');
        let body = Bytes::from_static(body.as_bytes());
        Content { destination: destination.into(), headers: Headers::new(), body, persistent }
    }

    fn bodies(store: &Store, destination: &str) -> Vec<Bytes> {
        store.ready(destination).map(|message| message.content.body.clone()).collect()
    }

    fn keys<const N: usize>() -> [SubscriptionKey; N] {
        core::array::from_fn(|number| SubscriptionKey(number as u64))
    }

    #[test]
    fn those_in_turn_with_room_are_served() {
        let [first, second, third] = keys();
        let mut store = Store::default();
        let name: Arc<str> = "/queue/a".into();
        let source = store.add_consumer(&name, None, first);
        store.add_consumer(&name, None, second);
        store.add_consumer(&name, None, third);
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
        let source = store.add_consumer(&"/queue/a".into(), None, key);
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
        let source = store.add_consumer(&"/topic/t".into(), None, first);
        store.add_consumer(&"/topic/t".into(), None, second);
        store.publish(content("/topic/t", "both"));
        assert_eq!(bodies(&store, "/topic/t"), ["both", "both"]);
        let (_, message) = store.take(&source, |_| true).unwrap();
        store.remove_consumer("/topic/t", &source, first);
        store.put_back(&source, message);
        assert_eq!(bodies(&store, "/topic/t"), ["both"]);
    }

    #[test]
    fn a_durable_subscription_collects_until_it_is_deleted() {
        let [first, second] = keys();
        let (topic, name): (Arc<str>, Arc<str>) = ("/topic/t".into(), "mine".into());
        let mut store = Store::default();
        let source = store.add_consumer(&topic, Some(&name), first);
        store.publish(content("/topic/t", "there"));
        let (_, message) = store.take(&source, |_| true).unwrap();
        store.remove_consumer("/topic/t", &source, first);
        store.put_back(&source, message);
        store.publish(content("/topic/t", "away"));
        assert_eq!(bodies(&store, "/topic/t"), ["there", "away"]);
        assert_eq!(store.add_consumer(&topic, Some(&name), second), source);
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
