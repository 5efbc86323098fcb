//! What RabbitMQ lets a client say about its queues and streams.
//!
//! RabbitMQ creates a queue when a client first names it, in a SEND or in a SUBSCRIBE. [`Queue`] has the headers that say of
//! which kind the queue is. Say the same in both: RabbitMQ refuses a queue that exists with other arguments (`inequivalent arg`,
//! [`Meaning::Invalid`](crate::Meaning::Invalid)).
//!
//! RabbitMQ's STOMP plugin passes on only some of the arguments that queues and consumers have. No release up to 4.3 passes on
//! `x-delivery-limit`, `x-single-active-consumer`, or a stream offset that is an interval: set these by a policy, or declare
//! the queue by other means.
//!
//! A stream keeps its messages, and every consumer reads them from an offset on. [`StreamPosition`] knows how far a consumer has
//! come, so that a subscription which is made again goes on from there:
//!
//! ```no_run
//! # #[cfg(feature = "client")]
//! # async fn example(client: stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use stomp_session::rabbitmq::{Queue, StreamOffset, StreamPosition};
//!
//! let stream = Queue::stream();
//! client.send("/queue/log", "started").headers(stream.headers()).confirmed().await?;
//!
//! let position = StreamPosition::new(StreamOffset::First);
//! let mut entries = client.subscribe("/queue/log").headers(stream.headers()).stream(&position).await?;
//! while let Some(entry) = entries.next().await {
//!     println!("{}", entry.text()?);
//!     position.handled(entry.headers());
//!     entry.ack()?;
//! }
//! # Ok(()) }
//! ```

use alloc::string::ToString;
use core::{fmt, time::Duration};
#[cfg(feature = "std")]
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stomp_proto::Headers;

/// The kind and the arguments of a queue, as headers of SEND and SUBSCRIBE.
///
/// ```
/// use std::time::Duration;
/// use stomp_session::{Subscribe, rabbitmq::Queue};
///
/// let orders = Queue::quorum().dead_letter_exchange("").dead_letter_routing_key("failed").message_ttl(Duration::from_secs(60));
/// let subscribe = Subscribe::new("/queue/orders").headers(orders.headers());
/// # assert_eq!(orders.headers().get("x-message-ttl").unwrap(), "60000");
/// ```
///
/// A subscription to a topic or an exchange has a queue of its own. For a quorum queue or a stream there, it must also be durable
/// (`durable:true` and `auto-delete:false`, with an id of its own).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "its headers are set on a SEND or SUBSCRIBE"]
pub struct Queue {
    headers: Headers,
}

impl Queue {
    fn of_type(name: &str) -> Self {
        Self { headers: Headers::new() }.with("x-queue-type", name)
    }

    /// Creates the description of a classic queue: on one node, for any number of consumers.
    pub fn classic() -> Self {
        Self::of_type("classic")
    }

    /// Creates the description of a quorum queue: replicated, durable, and from RabbitMQ 4 on with a limit of deliveries.
    ///
    /// The limit is 20 unless a policy sets another one; see [`Profile::end_counts`](crate::Profile::end_counts).
    pub fn quorum() -> Self {
        Self::of_type("quorum")
    }

    /// Creates the description of a stream: a replicated log that consumers read from any [offset](StreamOffset).
    ///
    /// A stream requires acknowledgements and a prefetch. An ACK only makes room for another message: it removes nothing.
    pub fn stream() -> Self {
        Self::of_type("stream")
    }

    /// Sets the exchange to which messages go that are refused, expire, or reach a limit: `x-dead-letter-exchange`. An empty name
    /// is the default exchange, which routes by the name of a queue.
    pub fn dead_letter_exchange(self, name: &str) -> Self {
        self.with("x-dead-letter-exchange", name)
    }

    /// Sets the routing key of dead-lettered messages: `x-dead-letter-routing-key`. By default they keep their own.
    pub fn dead_letter_routing_key(self, key: &str) -> Self {
        self.with("x-dead-letter-routing-key", key)
    }

    /// Deletes the queue when it has had no consumer for this time, in whole milliseconds: `x-expires`. Not for streams.
    pub fn expires(self, after: Duration) -> Self {
        self.with("x-expires", &after.as_millis().to_string())
    }

    /// Sets the most messages that the queue holds: `x-max-length`. Not for streams.
    pub fn max_length(self, messages: u64) -> Self {
        self.with("x-max-length", &messages.to_string())
    }

    /// Sets the most octets that the queue or stream holds: `x-max-length-bytes`.
    pub fn max_length_bytes(self, octets: u64) -> Self {
        self.with("x-max-length-bytes", &octets.to_string())
    }

    /// Sets the highest priority of messages: `x-max-priority`. Only for classic queues.
    pub fn max_priority(self, priority: u8) -> Self {
        self.with("x-max-priority", &priority.to_string())
    }

    /// Sets how long a message waits for a consumer, in whole milliseconds: `x-message-ttl`. Not for streams.
    pub fn message_ttl(self, ttl: Duration) -> Self {
        self.with("x-message-ttl", &ttl.as_millis().to_string())
    }

    /// Sets how long a stream keeps messages, in whole seconds: `x-max-age`. RabbitMQ 3 ignores this over STOMP.
    pub fn max_age(self, age: Duration) -> Self {
        self.with("x-max-age", &alloc::format!("{}s", age.as_secs()))
    }

    /// Returns the headers, to be set on every SEND and SUBSCRIBE that names the queue.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.set(name, value);
        self
    }
}

/// Where a consumer of a stream begins: the value of `x-stream-offset`.
///
/// ```
/// use stomp_session::rabbitmq::StreamOffset;
///
/// assert_eq!(StreamOffset::Offset(7).to_string(), "offset=7");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamOffset {
    /// The oldest message that the stream holds.
    First,
    /// The newest chunk of messages. It contains the newest message, and often others before it.
    Last,
    /// The next message that is sent. This is RabbitMQ's default.
    #[default]
    Next,
    /// The message with this number, or the oldest one after it that the stream holds.
    Offset(u64),
    /// The chunk of messages that was stored at this time, in seconds since 1970 (UTC), or the next one.
    Timestamp(u64),
}

impl StreamOffset {
    /// The header of a SUBSCRIBE that says where a consumer begins, and of a MESSAGE that says which number it has in the stream.
    pub const HEADER: &'static str = "x-stream-offset";
}

/// Writes the value as RabbitMQ's STOMP plugin reads it. It ignores any other, and begins with the next message.
impl fmt::Display for StreamOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("first"),
            Self::Last => f.write_str("last"),
            Self::Next => f.write_str("next"),
            Self::Offset(number) => write!(f, "offset={number}"),
            Self::Timestamp(seconds) => write!(f, "timestamp={seconds}"),
        }
    }
}

/// How far a consumer of a stream has come.
///
/// A subscription that is made with [`Subscribe::stream`](crate::Subscribe::stream) begins here, and goes on after the last message
/// that was handled whenever it is made again. Clones share the position.
///
/// Until a first message was handled, the subscription begins anew where it had begun: with [`StreamOffset::Next`], messages that
/// were sent while there was no connection are missed.
///
/// The position is in memory only. A program that goes on where it was after a restart stores [`offset`](Self::offset).
#[cfg(feature = "std")]
#[derive(Clone, Debug, Default)]
pub struct StreamPosition {
    offset: Arc<Mutex<StreamOffset>>,
}

#[cfg(feature = "std")]
impl StreamPosition {
    /// Creates the position of a consumer that has handled nothing yet.
    #[must_use]
    pub fn new(begin: StreamOffset) -> Self {
        Self { offset: Arc::new(Mutex::new(begin)) }
    }

    /// Returns where the consumer goes on.
    #[must_use]
    pub fn offset(&self) -> StreamOffset {
        *self.lock()
    }

    /// Notes that the message with these headers was handled, and all before it.
    ///
    /// Call this in the order of the stream. If messages are handled concurrently, call it for a message once all earlier ones are
    /// handled too: those before it do not come again. A message without a number, or with an earlier one, changes nothing.
    pub fn handled(&self, headers: &Headers) {
        let number =
            headers.get(StreamOffset::HEADER).and_then(|value| value.text().ok()?.parse::<u64>().ok());
        let Some(next) = number.and_then(|number| number.checked_add(1)) else { return };
        let mut offset = self.lock();
        *offset = match *offset {
            StreamOffset::Offset(known) => StreamOffset::Offset(known.max(next)),
            _ => StreamOffset::Offset(next),
        };
    }

    /// It holds a plain value: a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, StreamOffset> {
        self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};

    use super::*;

    #[test]
    fn offsets_as_the_plugin_reads_them() {
        use StreamOffset::{First, Last, Next, Offset, Timestamp};
        let written =
            [First, Last, Next, Offset(0), Offset(u64::MAX), Timestamp(9)].map(|offset| offset.to_string());
        assert_eq!(
            written,
            ["first", "last", "next", "offset=0", "offset=18446744073709551615", "timestamp=9"]
        );
    }

    #[test]
    fn queues_as_headers() {
        let minute = Duration::from_secs(60);
        for (queue, expected) in [
            (Queue::quorum(), "x-queue-type:quorum "),
            (Queue::stream().max_age(minute), "x-queue-type:stream x-max-age:60s "),
            (Queue::stream().max_length_bytes(5), "x-queue-type:stream x-max-length-bytes:5 "),
            (
                Queue::classic().expires(minute).max_priority(9),
                "x-queue-type:classic x-expires:60000 x-max-priority:9 ",
            ),
            (Queue::quorum().max_length(7).max_length(8), "x-queue-type:quorum x-max-length:8 "),
        ] {
            let headers = queue.headers().iter();
            let shown: String = headers.map(|(name, value)| format!("{name}:{value} ")).collect();
            assert_eq!(shown, expected);
        }
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_position_never_goes_back() {
        for begin in
            [StreamOffset::First, StreamOffset::Next, StreamOffset::Offset(3), StreamOffset::Timestamp(9)]
        {
            let position = StreamPosition::new(begin);
            let note = |number: &str| {
                let mut headers = Headers::new();
                headers.set(StreamOffset::HEADER, number);
                position.clone().handled(&headers);
                position.offset()
            };
            for number in ["", "x", "-1", "offset=4", "18446744073709551615"] {
                assert_eq!(note(number), begin);
            }
            assert_eq!(["5", "9", "7"].map(note), [6, 10, 10].map(StreamOffset::Offset));
            position.handled(&Headers::new());
            assert_eq!(position.offset(), StreamOffset::Offset(10));
        }
        let position = StreamPosition::new(StreamOffset::Offset(100));
        let mut earlier = Headers::new();
        earlier.set(StreamOffset::HEADER, "4");
        position.handled(&earlier);
        assert_eq!(position.offset(), StreamOffset::Offset(100));
    }
}
