//! One subscription: its terms, and whether it may be sent another message.

use core::fmt;
use std::sync::Arc;

use stomp_proto::{AckMode, Command, Frame, Version};

use super::{ConnectionId, dialect::Dialect, refusal::Refusal, value};

/// Names a subscription on its connection. In 1.0 the `id` is optional, and the destination does instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SubscriptionName {
    Destination(Arc<str>),
    Id(Arc<str>),
}

impl SubscriptionName {
    /// The name that a SUBSCRIBE or UNSUBSCRIBE gives.
    pub(super) fn of(frame: &Frame, version: Version, dialect: Dialect) -> Result<Self, Refusal> {
        match value(frame, "id")? {
            Some(id) => Ok(Self::Id(id)),
            None if version > Version::V1_0 && !dialect.needs_no_id() => Err(Refusal::missing("id")),
            None => match value(frame, "destination")? {
                Some(destination) => Ok(Self::Destination(destination)),
                None if frame.command() == Command::Unsubscribe && dialect.needs_no_id() => {
                    Err(Refusal::missing("id"))
                }
                None => Err(Refusal::missing("destination")),
            },
        }
    }

    /// The `subscription` header of its messages.
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Id(id) => Some(id),
            Self::Destination(_) => None,
        }
    }
}

impl fmt::Display for SubscriptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Destination(name) | Self::Id(name)) = self;
        write!(f, "{}", name.escape_debug())
    }
}

/// What a SUBSCRIBE asked for.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) name: SubscriptionName,
    pub(super) destination: Arc<str>,
    pub(super) ack_mode: AckMode,
    pub(super) prefetch: Option<u64>,
    /// Whether its queue is for its connection alone.
    pub(super) exclusive: bool,
    /// The name of a durable subscription.
    pub(super) durable: Option<Arc<str>>,
    /// Whether messages are shown and stay.
    pub(super) browses: bool,
    pub(super) selector: Option<Arc<str>>,
}

impl Terms {
    pub(super) fn of(frame: &Frame, version: Version, dialect: Dialect) -> Result<Self, Refusal> {
        let destination = value(frame, "destination")?.ok_or_else(|| Refusal::missing("destination"))?;
        let name = SubscriptionName::of(frame, version, dialect)?;
        let exclusive = frame.header("exclusive").is_some_and(|value| value == "true");
        let (ack_mode, prefetch, durable) =
            (ack_mode(frame, dialect)?, prefetch(frame), durable(frame, &name)?);
        let browses = frame.header("browser").is_some_and(|value| value == "true");
        let selector = value(frame, "selector")?;
        Ok(Self { name, destination, ack_mode, prefetch, exclusive, durable, browses, selector })
    }
}

/// 1.0 to 1.2, "SUBSCRIBE": auto when nothing is said.
fn ack_mode(frame: &Frame, dialect: Dialect) -> Result<AckMode, Refusal> {
    match value(frame, "ack")? {
        None => Ok(AckMode::Auto),
        Some(name) => match AckMode::from_name(&name) {
            Some(mode) => Ok(mode),
            None if dialect.knows_any_ack_mode() => Ok(AckMode::Auto),
            None => Err(Refusal::bad("ack")),
        },
    }
}

/// The durable subscription that a SUBSCRIBE makes or an UNSUBSCRIBE deletes: as ActiveMQ and Artemis name it, then as RabbitMQ
/// does, by the id.
pub(super) fn durable(frame: &Frame, name: &SubscriptionName) -> Result<Option<Arc<str>>, Refusal> {
    for header in ["activemq.subscriptionName", "durable-subscription-name"] {
        if let Some(durable) = value(frame, header)? {
            return Ok(Some(durable));
        }
    }
    let is_durable = frame.header("durable").is_some_and(|value| value == "true");
    Ok(name.id().filter(|_| is_durable).map(Arc::from))
}

/// RabbitMQ's header, then ActiveMQ's. 0 is no bound.
fn prefetch(frame: &Frame) -> Option<u64> {
    let names = ["prefetch-count", "activemq.prefetchSize"];
    let number = names.into_iter().find_map(|name| frame.header(name))?.number()?;
    (number > 0).then_some(number)
}

/// A subscription with what is on its way.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) connection: ConnectionId,
    pub(super) terms: Terms,
    /// Messages sent and not yet acknowledged.
    pub(super) in_flight: u64,
}

impl Subscription {
    pub(super) fn has_room(&self) -> bool {
        let bounded = self.terms.prefetch.filter(|_| self.terms.ack_mode != AckMode::Auto);
        bounded.is_none_or(|prefetch| self.in_flight < prefetch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_of_a_subscribe() {
        let rows = [
            ("id:0 destination:/queue/a", Version::V1_2, Some((AckMode::Auto, None))),
            ("destination:/queue/a", Version::V1_0, Some((AckMode::Auto, None))),
            ("destination:/queue/a", Version::V1_1, None),
            ("id:0", Version::V1_2, None),
            ("id:0 destination:a ack:client", Version::V1_0, Some((AckMode::Client, None))),
            ("id:0 destination:a ack:never", Version::V1_2, None),
            ("id:0 destination:a prefetch-count:5", Version::V1_2, Some((AckMode::Auto, Some(5)))),
            ("id:0 destination:a activemq.prefetchSize:7", Version::V1_2, Some((AckMode::Auto, Some(7)))),
            ("id:0 destination:a prefetch-count:0", Version::V1_2, Some((AckMode::Auto, None))),
        ];
        for (headers, version, expected) in rows {
            let frame = headers.split(' ').filter_map(|header| header.split_once(':'));
            let frame = frame
                .fold(Frame::new(Command::Subscribe), |frame, (name, value)| frame.with_header(name, value));
            let terms = Terms::of(&frame, version, Dialect::Plain).ok();
            assert_eq!(
                terms.map(|terms| (terms.ack_mode, terms.prefetch)),
                expected,
                "{headers} in {version}"
            );
        }
    }
}
