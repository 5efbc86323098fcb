//! What a message says. It is the same for everybody who gets it.

use core::time::Duration;
use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use stomp_proto::Headers;

use super::{
    death::Death,
    selector::{Selector, Value},
};

/// What a message says.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) destination: Arc<str>,
    /// The sender's headers, without those of the protocol.
    pub(super) headers: Headers,
    pub(super) body: Bytes,
    pub(super) persistent: bool,
    /// 0 to 9; what is higher is served first where the broker looks at that.
    pub(super) priority: u8,
    /// When it was accepted, since 1970.
    pub(super) accepted: Duration,
    /// When it is worth nothing any more, since 1970.
    pub(super) expires: Option<Duration>,
    /// Whether its sender has said how long it is.
    pub(super) announced: bool,
    /// What JMS calls it, where that is the same for everybody who gets it.
    pub(super) id: Option<Arc<str>>,
    /// Why it is in a dead letter queue, if it is in one.
    pub(super) death: Option<Death>,
}

/// The priority of a message that names none.
pub(super) const PRIORITY: u8 = 4;

impl Content {
    pub(super) fn new(destination: Arc<str>, headers: Headers, body: Bytes) -> Self {
        let persistent = headers.get("persistent").is_some_and(|value| value == "true");
        let priority = headers.get("priority").and_then(|value| value.number());
        let priority = priority.map_or(PRIORITY, |priority| u8::try_from(priority.min(9)).unwrap_or(9));
        Self {
            destination,
            headers,
            body,
            persistent,
            priority,
            accepted: Duration::ZERO,
            expires: None,
            announced: true,
            id: None,
            death: None,
        }
    }

    pub(super) fn meets(&self, selector: &Selector) -> bool {
        selector.accepts(|name| self.value(name))
    }

    /// The value of a header, or of what JMS or Artemis name otherwise.
    fn value(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "JMSPriority" | "AMQPriority" => Some(Value::Integer(i64::from(self.priority))),
            "JMSTimestamp" | "AMQTimestamp" => Some(milliseconds(self.accepted)),
            "JMSExpiration" | "AMQExpiration" => Some(milliseconds(self.expires.unwrap_or_default())),
            "JMSDeliveryMode" => {
                Some(Value::Text(if self.persistent { "PERSISTENT" } else { "NON_PERSISTENT" }.into()))
            }
            "AMQDurable" => Some(Value::Text(if self.persistent { "DURABLE" } else { "NON_DURABLE" }.into())),
            "JMSType" => self.text("type"),
            "JMSCorrelationID" => self.text("correlation-id"),
            "JMSReplyTo" => self.text("reply-to"),
            _ => self.text(name),
        }
    }

    fn text(&self, name: &str) -> Option<Value<'_>> {
        let text = self.headers.get(name)?.text().ok()?;
        Some(Value::Text(Cow::Owned(text.into_owned())))
    }
}

fn milliseconds(time: Duration) -> Value<'static> {
    Value::Integer(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}
