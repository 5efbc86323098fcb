//! The description of a subscription.

#[cfg(feature = "std")]
use alloc::string::ToString;
use alloc::{string::String, sync::Arc};
use core::{fmt, time::Duration};

use stomp_proto::{AckMode, Headers};

#[cfg(feature = "std")]
use super::rabbitmq::{StreamOffset, StreamPosition};

/// The description of a subscription: its destination and its options.
///
/// ```
/// use stomp_session::{Subscribe, proto::AckMode};
/// let subscribe = Subscribe::new("/queue/orders").ack(AckMode::Auto).header("selector", "price > 10");
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is handed to `Session::subscribe`"]
pub struct Subscribe {
    pub(crate) destination: String,
    pub(crate) ack_mode: AckMode,
    pub(crate) prefetch: Option<u32>,
    pub(crate) id: Option<String>,
    pub(crate) headers: Headers,
    pub(crate) keep_stale: bool,
    pub(crate) oversized: Oversized,
    pub(crate) retry: Retry,
    pub(crate) on_replay: Option<OnReplay>,
    /// The broker subscribes by itself: neither SUBSCRIBE nor UNSUBSCRIBE is sent.
    pub(crate) expected: bool,
}

/// What changes the headers of a SUBSCRIBE that is sent again.
#[derive(Clone)]
pub(crate) struct OnReplay(Arc<dyn Fn(&mut Headers) + Send + Sync>);

impl OnReplay {
    pub(crate) fn change(&self, headers: &mut Headers) {
        self.0(headers);
    }
}

impl fmt::Debug for OnReplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnReplay")
    }
}

/// What to do with a message that was over the [limits](crate::Config::limits) and was read past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oversized {
    /// Leaves the message unsettled.
    ///
    /// It stays with the broker, keeps its place in the prefetch, and comes again on the next connection. It can be
    /// settled through the [event](crate::Event::TooLarge).
    #[default]
    Leave,
    /// Acknowledges the message, which is thereby lost.
    Acknowledge,
    /// Sends a NACK for the message if that dead-letters it on this broker, and leaves it otherwise.
    DeadLetter,
    /// Hands the message to the owner of the subscription, who settles it.
    ///
    /// In the asynchronous client it comes, in its place among the others, out of `Subscription::items`, and is a failed
    /// message to a handler runner. In a [`Session`](crate::Session) this is [`Leave`](Self::Leave): the owner sees the
    /// [event](crate::Event::TooLarge).
    Deliver,
}

/// Whether to subscribe again when the broker refuses or cancels a subscription that it had accepted before.
///
/// A first SUBSCRIBE that is refused is never sent again: its caller gets the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// Tries again for as long as the session lives.
    #[default]
    Always,
    /// Does not try again: the subscription ends.
    Never,
    /// Tries again until this time after the first refusal in a row.
    Within(Duration),
}

impl Subscribe {
    /// Creates a subscription to a destination.
    ///
    /// Its messages are acknowledged one by one, with the default prefetch of the broker's [`Profile`](crate::Profile).
    pub fn new(destination: impl Into<String>) -> Self {
        Self {
            destination: destination.into(),
            ack_mode: AckMode::default(),
            prefetch: None,
            id: None,
            headers: Headers::new(),
            keep_stale: false,
            oversized: Oversized::Leave,
            retry: Retry::Always,
            on_replay: None,
            expected: false,
        }
    }

    /// Sets the ack mode. The default is `client-individual`.
    ///
    /// STOMP 1.0 has no `client-individual`. There the mode is sent as `client`, and an ACK is sent once all messages
    /// before it are acknowledged. A message that is dropped without being settled therefore holds up those after it
    /// until the connection ends.
    ///
    /// Where the broker applies a cumulative ACK to the messages of other subscriptions too, `client` is sent as
    /// `client-individual`, with one ACK for each message.
    pub fn ack(mut self, ack_mode: AckMode) -> Self {
        self.ack_mode = ack_mode;
        self
    }

    /// Sets how many unacknowledged messages the broker may have sent at the same time.
    ///
    /// This number is reserved in [`Config::prefetch_budget`](crate::Config::prefetch_budget), and is the same on each
    /// connection, because STOMP cannot change it during a subscription. Subscribing fails with
    /// [`CommandError::Prefetch`](crate::CommandError::Prefetch) if it is 0 or if the budget has too little left. The
    /// default is [`Profile::default_prefetch`](crate::Profile::default_prefetch), for which nothing is reserved.
    ///
    /// Each message that is unacknowledged when a connection ends counts as delivered once more, whether the
    /// application has seen it or not. RabbitMQ's quorum queues destroy or dead-letter a message at its 21st delivery,
    /// and Artemis at its 10th. A connection to RabbitMQ 4.3 that is left in good order gives the messages back first, which does
    /// not count; see [`Profile::end_counts`](crate::Profile::end_counts). A large prefetch is worthwhile where the round trip is
    /// long and the messages are small.
    ///
    /// With ack mode `auto`, nothing is reserved. The number then has no effect on RabbitMQ, or on Artemis, which
    /// counts octets: see [`Prefetch`](crate::Prefetch). A prefetch header that is set with [`header`](Self::header)
    /// takes precedence.
    pub fn prefetch(mut self, prefetch: u32) -> Self {
        self.prefetch = Some(prefetch);
        self
    }

    /// Sets the subscription's id. By default the session generates one.
    ///
    /// Only a durable subscription of RabbitMQ needs a chosen id, because it names the queue. An id may consist of
    /// digits.
    ///
    /// After [`unsubscribe`](crate::Session::unsubscribe), the id is free again once the broker has answered the
    /// UNSUBSCRIBE ([`Event::Unsubscribed`](crate::Event::Unsubscribed)), or once the connection has ended. The
    /// UNSUBSCRIBE waits for messages that were taken and are not settled. If the broker ends the subscription, the id
    /// is free at once. Messages of the earlier subscription with this id still belong to the earlier one:
    /// acknowledging them fails with [`CommandError::Unsubscribed`](crate::CommandError::Unsubscribed).
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Delivers messages that had come and were not taken yet when their connection ended.
    ///
    /// By default they are skipped, because the broker delivers them again and no acknowledgement of these copies can
    /// count. A topic does not deliver again, unless the subscription is durable. This option concerns the asynchronous
    /// client, which keeps messages until they are taken.
    pub const fn keep_stale(mut self) -> Self {
        self.keep_stale = true;
        self
    }

    /// Sets what to do with a message that is over the [limits](crate::Config::limits), which is reported as
    /// [`Event::TooLarge`](crate::Event::TooLarge). The default is [`Oversized::Leave`].
    ///
    /// With ack mode `client`, only [`Oversized::Leave`] and [`Oversized::Deliver`] are possible: otherwise subscribing fails with
    /// [`CommandError::CumulativeOversized`](crate::CommandError::CumulativeOversized).
    pub const fn oversized(mut self, oversized: Oversized) -> Self {
        self.oversized = oversized;
        self
    }

    /// Sets whether to subscribe again when the broker refuses or cancels the subscription after it had accepted it.
    /// The default is [`Retry::Always`].
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets a function that changes the headers when the SUBSCRIBE is sent again.
    ///
    /// It is called on a later connection, or after the broker has ended the subscription, with the headers that were
    /// set here. It is called from within the session and must be quick. The headers `destination`, `id`, `ack` and
    /// `receipt` cannot be set by it and are left out.
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    /// use stomp_session::Subscribe;
    ///
    /// // The consumer of a RabbitMQ stream stores the next offset here, as `stream` does.
    /// let handled = Arc::new(AtomicU64::new(0));
    /// let next = Arc::clone(&handled);
    /// let subscribe = Subscribe::new("/queue/stream").header("x-stream-offset", "first").on_replay(move |headers| {
    ///     headers.set("x-stream-offset", format!("offset={}", next.load(Ordering::Relaxed)));
    /// });
    /// ```
    pub fn on_replay(mut self, change: impl Fn(&mut Headers) + Send + Sync + 'static) -> Self {
        self.on_replay = Some(OnReplay(Arc::new(change)));
        self
    }

    /// Consumes a stream of RabbitMQ from this position on, and goes on from there whenever the SUBSCRIBE is sent again.
    ///
    /// This sets the header `x-stream-offset` and [`on_replay`](Self::on_replay).
    #[cfg(feature = "std")]
    pub fn stream(self, position: &StreamPosition) -> Self {
        let follow = position.clone();
        let begin = position.offset().to_string();
        self.header(StreamOffset::HEADER, begin)
            .on_replay(move |headers| headers.set(StreamOffset::HEADER, follow.offset().to_string()))
    }

    /// Sets several headers, such as those of a [`Queue`](crate::rabbitmq::Queue) of RabbitMQ. They replace all headers with their
    /// names. Repeated names within `headers` are kept.
    pub fn headers(mut self, headers: &Headers) -> Self {
        headers.iter().for_each(|(name, _)| self.headers.remove(name.octets()));
        headers.iter().for_each(|(name, value)| self.headers.push(name.octets(), value.octets()));
        self
    }

    /// Sets a header, such as a selector or one of the broker's own. It replaces all headers with that name.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.set(name, value);
        self
    }

    /// Adds a header even if there is one with that name. Receivers use the first one (STOMP 1.2, "Repeated Header
    /// Entries").
    pub fn append_header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(name, value);
        self
    }
}
