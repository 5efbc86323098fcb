//! Request and reply, over a queue of replies that exists only for this client.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use stomp_proto::{AckMode, Headers};

use super::{
    error::RequestError,
    handle::Client,
    keep::Keep,
    message::Message,
    requests::{Queue, RequestId},
    send::{SendBuilder, Sending},
    shared::Inner,
    state::{Timer, Waiting},
    waits::For,
};
use crate::{CommandError, ReplyQueue, Subscribe};

/// How long a request waits for its reply, if nothing else is said.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request to be sent. Add to it, then `.await` its reply.
#[must_use = "nothing is requested until it is awaited"]
#[derive(Clone, Debug)]
pub struct RequestBuilder {
    keep: Keep,
    send: SendBuilder,
    timeout: Duration,
}

impl RequestBuilder {
    /// Sets a header, in place of all that had its name; see [`SendBuilder::header`]. `reply-to` and `correlation-id` are the
    /// request's own: what is set here of them is replaced.
    pub fn header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.change(|send| send.header(name, value))
    }

    /// Adds a header, whether there is one of that name or not; see [`SendBuilder::append_header`].
    pub fn append_header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.change(|send| send.append_header(name, value))
    }

    /// Sets several headers, in place of all that had their names.
    pub fn headers(self, headers: &Headers) -> Self {
        self.change(|send| send.headers(headers))
    }

    /// Replaces the body.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        self.change(|send| send.body(body))
    }

    /// Sends it without `content-length`; see [`SendBuilder::text`].
    pub fn text(self) -> Self {
        self.change(SendBuilder::text)
    }

    /// Sends it as a message that survives the broker's restart; see [`SendBuilder::persistent`]. Whoever asks gets no reply
    /// over a restart: this is for requests that are to be handled all the same.
    pub fn persistent(self) -> Self {
        self.change(SendBuilder::persistent)
    }

    /// Sends it to a queue, whatever its name looks like; see [`SendBuilder::to_queue`].
    pub fn to_queue(self) -> Self {
        self.change(SendBuilder::to_queue)
    }

    /// Fails at once where there is no connection, or no room for the request; see [`SendBuilder::immediate`].
    pub fn immediate(self) -> Self {
        self.change(SendBuilder::immediate)
    }

    fn change(self, change: impl FnOnce(SendBuilder) -> SendBuilder) -> Self {
        Self { send: change(self.send), ..self }
    }

    /// How long to wait for the reply, from the first poll on. 60 s.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl IntoFuture for RequestBuilder {
    type Output = Result<Message, RequestError>;
    type IntoFuture = Requesting;

    fn into_future(self) -> Requesting {
        let Self { keep, send, timeout } = self;
        let shared = Arc::clone(&keep.shared);
        let connection = Waiting::new(Arc::clone(&shared), For::Connection);
        let timer = Timer::new(shared, timeout);
        Requesting { keep, stage: Stage::Connecting(connection, Some(Box::new(send))), timer, timeout }
    }
}

/// The future of a [`RequestBuilder`]: the reply.
///
/// A request belongs to its connection, as its queue of replies does: when that ends, so does the request. Cancel safe: a
/// request that has not left is not sent, and a reply that comes later is dropped.
#[must_use = "nothing is requested until it is awaited"]
#[derive(Debug)]
pub struct Requesting {
    keep: Keep,
    stage: Stage,
    timer: Timer,
    timeout: Duration,
}

#[derive(Debug)]
enum Stage {
    Connecting(Waiting, Option<Box<SendBuilder>>),
    /// The request is sent until it is, and its reply awaited all the while.
    Asked(RequestId, Option<Box<Sending>>),
    Done,
}

impl Client {
    /// A request to be sent, whose reply comes over a queue that exists for this client alone. The reply is told by the
    /// `correlation-id`, which the answerer copies: see [`reply`](Self::reply).
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), stomp_session::client::RequestError> {
    /// let reply = client.request("/queue/prices", "coffee").await?;
    /// println!("{}", reply.body().escape_ascii());
    /// # Ok(()) }
    /// ```
    pub fn request(&self, destination: &str, body: impl Into<Bytes>) -> RequestBuilder {
        let send = self.send(destination, body).confirmed();
        RequestBuilder { keep: self.keep().clone(), send, timeout: PATIENCE }
    }

    /// A reply to a request: a confirmed message to its `reply-to`, with its `correlation-id`. Without a `reply-to` it ends
    /// in [`CommandError::NoDestination`].
    ///
    /// ActiveMQ rejects a reply to a requester that is gone ([`SendError::Rejected`](super::SendError::Rejected)); the
    /// request was handled all the same:
    ///
    /// ```
    /// # async fn example(client: stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use stomp_session::client::SendError;
    ///
    /// let requests = client.subscribe("/queue/prices").await?;
    /// let answer = async |request: stomp_session::client::Delivery| {
    ///     match client.reply(&request, "2.80").await {
    ///         Ok(()) | Err(SendError::Rejected(_)) => Ok(()),
    ///         Err(error) => Err(error),
    ///     }
    /// };
    /// requests.handle(answer).concurrency(10).run().await?;
    /// # Ok(()) }
    /// ```
    pub fn reply(&self, request: &Message, body: impl Into<Bytes>) -> SendBuilder {
        let value = |name| request.header(name).map(|value| value.octets().into_owned());
        let destination = value("reply-to").unwrap_or_default();
        let reply = self.send(&String::from_utf8_lossy(&destination), body).confirmed();
        match value("correlation-id") {
            Some(id) => reply.header("correlation-id", id),
            None => reply,
        }
    }
}

impl Future for Requesting {
    type Output = Result<Message, RequestError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match self.poll_reply(cx) {
            Poll::Pending if self.timer.poll_while_open(cx).is_pending() => return Poll::Pending,
            Poll::Pending => Err(RequestError::Timeout(self.timeout)),
            Poll::Ready(result) => result,
        };
        self.finish();
        Poll::Ready(result)
    }
}

impl Requesting {
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, RequestError>> {
        if let Stage::Connecting(waiting, send) = &mut self.stage {
            let immediate = send.as_ref().is_some_and(|send| send.how.immediate);
            let (id, reply_to) = ready!(waiting.poll(cx, |inner| inner.open_request(immediate)))?;
            let Some(send) = send.take() else { return Poll::Pending };
            let send = send.header("reply-to", reply_to).header("correlation-id", id.0.to_string());
            self.stage = Stage::Asked(id, Some(Box::new(send.into_future())));
        }
        let Stage::Asked(id, sending) = &mut self.stage else { return Poll::Pending };
        let waker = cx.waker().clone();
        let reply = self.keep.shared.with(|inner| {
            let (reply, unused) = inner.requests.poll(*id, waker);
            inner.discard(unused);
            reply
        });
        if let Poll::Ready(reply) = reply {
            let shared = Arc::clone(&self.keep.shared);
            return Poll::Ready(reply.map(|message| Message::new(message, shared)));
        }
        let sent = sending.as_mut().map_or(Poll::Pending, |sending| Pin::new(&mut **sending).poll(cx));
        if let Poll::Ready(sent) = sent {
            *sending = None;
            sent?;
        }
        Poll::Pending
    }

    fn finish(&mut self) {
        if let Stage::Asked(id, _) = std::mem::replace(&mut self.stage, Stage::Done) {
            self.keep.shared.with(|inner| {
                let (waker, reply) = inner.requests.remove(id);
                inner.discard(waker);
                reply.into_iter().for_each(|message| inner.after.drop_messages([message].into()));
            });
        }
    }
}

impl Drop for Requesting {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Inner {
    /// Begins a request on the connection that stands, with the queue of replies that its broker needs.
    fn open_request(&mut self, immediate: bool) -> Option<Result<(RequestId, String), RequestError>> {
        if let Some(closed) = &self.closed {
            return Some(Err(RequestError::Closed(closed.clone())));
        }
        let Some(connection) = self.session.connection() else {
            return immediate.then_some(Err(RequestError::Send(CommandError::NotConnected.into())));
        };
        let (connection, kind) = (connection.id, connection.profile.reply_queue);
        Some(
            self.reply_to(kind)
                .map_err(|error| RequestError::Subscribe(error.into()))
                .map(|reply_to| (self.requests.add(connection), reply_to)),
        )
    }

    /// The `reply-to` of requests. The queue behind it is made again when the broker is of another kind than the last.
    fn reply_to(&mut self, kind: ReplyQueue) -> Result<String, CommandError> {
        if let Some(subscription) = self.requests.drop_other_queue(kind) {
            let _ = self.session.unsubscribe(subscription);
        }
        if let Some(queue) = self.requests.queue() {
            return Ok(queue.reply_to.clone());
        }
        let reply_to = format!("{}stomp-replies-{:016x}", kind.prefix, self.session.config().seed);
        let subscribe = Subscribe::new(&reply_to).ack(AckMode::Auto);
        let subscribe =
            kind.headers.iter().fold(subscribe, |subscribe, (name, value)| subscribe.header(name, value));
        let subscription = match kind.subscribes {
            true => self.session.subscribe(subscribe)?,
            false => self.session.expect(&reply_to)?,
        };
        self.requests.set_queue(Queue { subscription, kind, reply_to: reply_to.clone() });
        Ok(reply_to)
    }
}
