//! Messages that are moved away because nobody may have them any more, and why.

use super::{Broker, content::Content, death::Death, journal::Fact, store::Message};

/// Returns the queue to which messages of `destination` are dead-lettered, such as `/queue/DLQ.a` for `/queue/a`.
///
/// ```
/// assert_eq!(stomp_testkit::broker::dead_letter_queue("/queue/a"), "/queue/DLQ.a");
/// ```
#[must_use]
pub fn dead_letter_queue(destination: &str) -> String {
    let prefixes = ["/queue/", "/topic/", "/"];
    let name = prefixes.into_iter().find_map(|prefix| destination.strip_prefix(prefix));
    format!("/queue/DLQ.{}", name.unwrap_or(destination))
}

impl Broker {
    /// Moves a message to the dead letter queue, as a new one that says where it came from.
    pub(super) fn dead_letter(&mut self, message: &Message, death: Death) {
        self.bury(message, death, &dead_letter_queue(&message.content.destination));
    }

    /// Moves a message to this queue.
    pub(super) fn bury(&mut self, message: &Message, death: Death, queue: &str) {
        let dead = &message.content;
        self.note(|| Fact::DeadLettered(dead.body.clone()));
        let mut headers = dead.headers.clone();
        headers.set("original-destination", dead.destination.as_bytes());
        if let Some(expires) = headers.get("expires").map(|value| value.octets().into_owned()) {
            headers.remove("expires");
            headers.set("originalExpiration", expires);
        }
        let content = Content::new(queue.into(), headers, dead.body.clone());
        let (persistent, announced, id) = (dead.persistent, dead.announced, dead.id.clone());
        self.keep(Content { persistent, announced, id, death: Some(death), ..content });
    }
}
