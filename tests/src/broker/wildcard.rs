//! Destinations with wildcards: patterns of words that are separated by dots.

use std::sync::Arc;

/// A name, or a pattern of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Name(Arc<str>),
    Pattern(Pattern),
}

/// A pattern of the names that begin with a certain prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    prefix: &'static str,
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// Any number of words.
    Many,
    One,
    This(String),
}

/// The words that are wildcards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wildcards {
    pub(super) one: &'static str,
    pub(super) many: &'static str,
    /// Whether names of queues may have them, too.
    pub(super) of_queues: bool,
}

/// Whether a destination is a topic: everybody gets each message, and nobody listening means nobody gets it.
pub(super) fn is_topic(destination: &str) -> bool {
    destination.starts_with("/topic/") || destination.starts_with("/remote-temp-topic/")
}

const PREFIXES: [&str; 2] = ["/queue/", "/topic/"];

impl Target {
    /// Reads a destination, which is a name if it has no wildcard.
    pub(super) fn new(destination: Arc<str>, wildcards: Wildcards) -> Self {
        let prefix = PREFIXES.into_iter().find(|prefix| destination.starts_with(prefix));
        let prefix = prefix.filter(|prefix| wildcards.of_queues || *prefix == "/topic/");
        let Some(prefix) = prefix else { return Self::Name(destination) };
        let words: Vec<_> = destination[prefix.len()..].split('.').map(|word| wildcards.read(word)).collect();
        let is_name = words.iter().all(|word| matches!(word, Word::This(_)));
        if is_name { Self::Name(destination) } else { Self::Pattern(Pattern { prefix, words }) }
    }

    pub(super) fn is_of_topics(&self) -> bool {
        match self {
            Self::Name(name) => is_topic(name),
            Self::Pattern(pattern) => pattern.prefix == "/topic/",
        }
    }

    pub(super) fn matches(&self, destination: &str) -> bool {
        match self {
            Self::Name(name) => **name == *destination,
            Self::Pattern(pattern) => pattern.matches(destination),
        }
    }
}

impl Wildcards {
    fn read(self, word: &str) -> Word {
        match word {
            _ if word == self.one => Word::One,
            _ if word == self.many => Word::Many,
            _ => Word::This(word.to_owned()),
        }
    }
}

impl Pattern {
    /// Whether a name has this pattern. The time is at most the product of their lengths.
    pub(super) fn matches(&self, destination: &str) -> bool {
        let Some(name) = destination.strip_prefix(self.prefix) else { return false };
        let name: Vec<_> = name.split('.').collect();
        let (mut word, mut at) = (0, 0);
        // The latest wildcard for many words, and where it ends for the time being.
        let mut many: Option<(usize, usize)> = None;
        while let Some(part) = name.get(at) {
            match self.words.get(word) {
                Some(Word::Many) => {
                    many = Some((word, at));
                    word += 1;
                }
                Some(Word::One) => (word, at) = (word + 1, at + 1),
                Some(Word::This(this)) if this == part => (word, at) = (word + 1, at + 1),
                _ => {
                    let Some((start, end)) = many else { return false };
                    many = Some((start, end + 1));
                    (word, at) = (start + 1, end + 1);
                }
            }
        }
        self.words.get(word..).unwrap_or_default().iter().all(|word| *word == Word::Many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIVEMQ: Wildcards = Wildcards { one: "*", many: ">", of_queues: true };
    const RABBITMQ: Wildcards = Wildcards { one: "*", many: "#", of_queues: false };

    #[test]
    fn which_names_have_a_pattern() {
        let rows = [
            (ACTIVEMQ, "/queue/a.*", "/queue/a.b", true),
            (ACTIVEMQ, "/queue/a.*", "/queue/a.b.c", false),
            (ACTIVEMQ, "/queue/a.*", "/topic/a.b", false),
            (ACTIVEMQ, "/topic/a.>", "/topic/a", true),
            (ACTIVEMQ, "/topic/a.>", "/topic/a.b.c", true),
            (ACTIVEMQ, "/topic/>", "/topic/a.b", true),
            (ACTIVEMQ, "/topic/a.#", "/topic/a.b", false),
            (RABBITMQ, "/topic/#.c", "/topic/a.b.c", true),
            (RABBITMQ, "/topic/#.c.#.d", "/topic/c.c.x.d", true),
            (RABBITMQ, "/topic/#.c.#.d", "/topic/c.x", false),
            (RABBITMQ, "/topic/*.b", "/topic/a.b", true),
            (RABBITMQ, "/queue/*", "/queue/a", false),
            (RABBITMQ, "/queue/*", "/queue/*", true),
        ];
        for (wildcards, pattern, name, expected) in rows {
            assert_eq!(Target::new(pattern.into(), wildcards).matches(name), expected, "{name} of {pattern}");
        }
    }
}
