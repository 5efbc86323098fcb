//! What to subscribe to.

use alloc::{string::String, sync::Arc};
use core::{fmt, time::Duration};

use stomp_proto::{AckMode, Headers};

/// What to subscribe to.
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

/// What becomes of a message that was over the [limits](crate::Config::limits) and was read past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oversized {
    /// It stays with the broker, unsettled, and keeps its place in the prefetch; it comes again on the next connection.
    /// Whoever sees the event may settle it.
    #[default]
    Leave,
    /// It is acknowledged, and so lost.
    Acknowledge,
    /// It is NACKed where that dead-letters, and left where it does not.
    DeadLetter,
}

/// Whether a subscription that stood once is sent again when the broker refuses or cancels it. A first SUBSCRIBE that is
/// refused is never sent again: its caller has the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// For as long as the session lives.
    #[default]
    Always,
    /// Not at all: the subscription ends.
    Never,
    /// Until that long after the first refusal in a row.
    Within(Duration),
}

impl Subscribe {
    /// Acknowledged one by one, with the prefetch of the broker's [`Profile`](crate::Profile).
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

    /// Sets the ack mode.
    ///
    /// `client-individual` does not exist in 1.0. It is sent as `client`, and an ACK leaves when all messages before it are
    /// acknowledged: one that is dropped holds up those behind it until the connection ends.
    ///
    /// Where the broker takes a cumulative ACK for messages of other subscriptions too, `client` is sent as
    /// `client-individual`, with one ACK for each message.
    pub fn ack(mut self, ack_mode: AckMode) -> Self {
        self.ack_mode = ack_mode;
        self
    }

    /// How many messages may be out unacknowledged: reserved in
    /// [`Config::prefetch_budget`](crate::Config::prefetch_budget), and the same on each connection, since STOMP cannot change
    /// it while the subscription stands. [`CommandError::Prefetch`](crate::CommandError::Prefetch) when it is 0 or the budget
    /// has not enough left. Without it the number is
    /// [`Profile::default_prefetch`](crate::Profile::default_prefetch), of which nothing is reserved.
    ///
    /// Each message that is out when a connection ends counts as delivered once more, whether anybody has seen it or not:
    /// RabbitMQ's quorum queues destroy or dead-letter a message at its 21st delivery, Artemis at its 10th. A large prefetch
    /// is worth that where a round trip is long and messages are small.
    ///
    /// With `auto` nothing is reserved, and it means nothing to RabbitMQ and Artemis, which counts octets: see
    /// [`Prefetch`](crate::Prefetch). A prefetch header of your own goes before it.
    pub fn prefetch(mut self, prefetch: u32) -> Self {
        self.prefetch = Some(prefetch);
        self
    }

    /// An id of your own. Only a durable subscription of RabbitMQ needs one: it names the queue. Digits are as good as any.
    ///
    /// After [`unsubscribe`](crate::Session::unsubscribe) it is free again once the broker has answered the UNSUBSCRIBE,
    /// which waits for what was taken and not settled ([`Event::Unsubscribed`](crate::Event::Unsubscribed)), with the end of
    /// the connection, and at once when the broker has ended the subscription. Messages of the subscription that had it
    /// before stay those of that one: to acknowledge them is
    /// [`CommandError::Unsubscribed`](crate::CommandError::Unsubscribed).
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Delivers also what had come and was not collected when its connection ended. Usually such a message is skipped,
    /// since the broker delivers it again and no acknowledgement of this copy can count. A topic does not deliver again,
    /// unless the subscription is durable.
    pub const fn keep_stale(mut self) -> Self {
        self.keep_stale = true;
        self
    }

    /// What becomes of a message that is over the [limits](crate::Config::limits), which is told as
    /// [`Event::TooLarge`](crate::Event::TooLarge). With ack mode `client` it can only be left: any other choice is
    /// [`CommandError::CumulativeOversized`](crate::CommandError::CumulativeOversized).
    pub const fn oversized(mut self, oversized: Oversized) -> Self {
        self.oversized = oversized;
        self
    }

    /// What to do when the broker refuses or cancels the subscription after it had stood.
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Changes the headers when the SUBSCRIBE is sent again, on a later connection or after the broker has ended the
    /// subscription: `change` is given those that were set here. It is called from within the session and must be quick.
    /// What it sets of `destination`, `id`, `ack` and `receipt` is left out.
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    /// use stomp_session::Subscribe;
    ///
    /// // Whoever handles the messages of a RabbitMQ stream notes how far that has come.
    /// let handled = Arc::new(AtomicU64::new(0));
    /// let next = Arc::clone(&handled);
    /// let subscribe = Subscribe::new("/queue/stream").header("x-stream-offset", "first").on_replay(move |headers| {
    ///     headers.set("x-stream-offset", format!("offset:{}", next.load(Ordering::Relaxed)));
    /// });
    /// ```
    pub fn on_replay(mut self, change: impl Fn(&mut Headers) + Send + Sync + 'static) -> Self {
        self.on_replay = Some(OnReplay(Arc::new(change)));
        self
    }

    /// Another header: a selector, a broker's own.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(name, value);
        self
    }
}
