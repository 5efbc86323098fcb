//! Who is served from where: consumers of queues and topics, with the conditions that they have set.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    content::Content,
    selector::Selector,
    source::{Source, SubscriptionKey},
    wildcard::Target,
};

/// What a subscription is served from.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    pub(super) targets: Vec<Target>,
    pub(super) selector: Option<Arc<Selector>>,
    /// The name of a durable subscription.
    pub(super) durable: Option<Arc<str>>,
}

impl Wishes {
    /// Whether a message meets its condition.
    pub(super) fn accepts(&self, content: &Content) -> bool {
        self.selector.as_ref().is_none_or(|selector| content.meets(selector))
    }

    fn wants(&self, content: &Content) -> bool {
        self.targets.iter().any(|target| target.matches(&content.destination)) && self.accepts(content)
    }

    fn has_pattern(&self) -> bool {
        self.targets.iter().any(|target| matches!(target, Target::Pattern(_)))
    }
}

#[derive(Debug)]
struct Consumer {
    wishes: Wishes,
    sources: BTreeSet<Source>,
}

/// All consumers, and the subscriptions that outlive theirs.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    consumers: BTreeMap<SubscriptionKey, Consumer>,
    /// Those of a topic, by its name.
    topics: BTreeMap<Arc<str>, BTreeSet<SubscriptionKey>>,
    /// Those with wildcards.
    patterns: BTreeSet<SubscriptionKey>,
    durable: BTreeMap<Arc<str>, Wishes>,
}

impl Consumers {
    /// Adds a consumer, which is served from those queues that exist and from its own sources. Returns its sources.
    pub(super) fn add<'q>(
        &mut self,
        key: SubscriptionKey,
        wishes: Wishes,
        queues: impl Iterator<Item = &'q Arc<str>>,
    ) -> BTreeSet<Source> {
        let mut sources = BTreeSet::new();
        for target in &wishes.targets {
            let is_topic = target.is_of_topics();
            match (target, &wishes.durable) {
                (_, Some(name)) if is_topic => _ = sources.insert(Source::Durable(name.clone())),
                (Target::Name(name), _) if is_topic => {
                    self.topics.entry(name.clone()).or_default().insert(key);
                    sources.insert(Source::Topic(key));
                }
                (Target::Pattern(_), _) if is_topic => _ = sources.insert(Source::Topic(key)),
                (Target::Name(name), _) => _ = sources.insert(Source::Queue(name.clone())),
                (Target::Pattern(_), _) => {}
            }
        }
        if wishes.has_pattern() {
            self.patterns.insert(key);
            let matching = queues.filter(|name| wishes.targets.iter().any(|target| target.matches(name)));
            sources.extend(matching.map(|name| Source::Queue(name.clone())));
        }
        if let Some(name) =
            wishes.durable.clone().filter(|name| sources.contains(&Source::Durable(name.clone())))
        {
            self.durable.insert(name, wishes.clone());
        }
        self.consumers.insert(key, Consumer { wishes, sources: sources.clone() });
        sources
    }

    /// Removes a consumer, and returns its sources.
    pub(super) fn remove(&mut self, key: SubscriptionKey) -> BTreeSet<Source> {
        let Some(Consumer { wishes, sources }) = self.consumers.remove(&key) else { return BTreeSet::new() };
        self.patterns.remove(&key);
        for target in &wishes.targets {
            let Target::Name(name) = target else { continue };
            if let Some(subscribers) = self.topics.get_mut(name) {
                subscribers.remove(&key);
                if subscribers.is_empty() {
                    self.topics.remove(name);
                }
            }
        }
        sources
    }

    /// The consumers with wildcards that are served from a queue that is new.
    pub(super) fn found(&mut self, queue: &Source) -> Vec<SubscriptionKey> {
        let Source::Queue(name) = queue else { return Vec::new() };
        let Self { consumers, patterns, .. } = self;
        let mut found = Vec::new();
        for key in &*patterns {
            let Some(consumer) = consumers.get_mut(key) else { continue };
            if consumer.wishes.targets.iter().any(|target| target.matches(name)) {
                consumer.sources.insert(queue.clone());
                found.push(*key);
            }
        }
        found
    }

    /// Where a message to a topic goes, durable subscriptions last.
    pub(super) fn of_topic(&self, content: &Content) -> Vec<Source> {
        let exact = self.topics.get(&content.destination).into_iter().flatten();
        let keys: BTreeSet<_> = exact.chain(&self.patterns).copied().collect();
        let wants = |key: &SubscriptionKey| {
            self.consumers.get(key).is_some_and(|consumer| {
                consumer.sources.contains(&Source::Topic(*key)) && consumer.wishes.wants(content)
            })
        };
        let durable = self.durable.iter().filter(|(_, wishes)| wishes.wants(content));
        let durable = durable.map(|(name, _)| Source::Durable(name.clone()));
        keys.into_iter().filter(wants).map(Source::Topic).chain(durable).collect()
    }

    /// The sources from which the subscribers of a topic are served, durable ones last.
    pub(super) fn sources_of<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = Source> {
        let subscribers = self.topics.get(topic).into_iter().flatten().map(|key| Source::Topic(*key));
        let durable = self.durable.iter();
        let durable = durable.filter(move |(_, wishes)| wishes.targets.iter().any(|t| t.matches(topic)));
        subscribers.chain(durable.map(|(name, _)| Source::Durable(name.clone())))
    }

    /// What a consumer is served from.
    pub(super) fn sources(&self, key: SubscriptionKey) -> impl Iterator<Item = &Source> {
        self.consumers.get(&key).into_iter().flat_map(|consumer| &consumer.sources)
    }

    /// Whether a consumer wants a message that waits in one of its sources.
    pub(super) fn accepts(&self, key: SubscriptionKey, content: &Content) -> bool {
        self.consumers.get(&key).is_some_and(|consumer| consumer.wishes.accepts(content))
    }

    pub(super) fn is_durable(&self, name: &str) -> bool {
        self.durable.contains_key(name)
    }

    pub(super) fn delete(&mut self, durable: &str) -> bool {
        self.durable.remove(durable).is_some()
    }
}
