//! Requests and replies, over a queue of replies that only this client uses.

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
    message::Message,
    requests::{Queue, RequestId},
    send::{SendBuilder, Sending},
    shared::{Inner, Keep},
    task::{Timer, Waiting},
    waits::For,
};
use crate::{CommandError, ReplyQueue, Subscribe};

/// The default time limit for a reply.
const PATIENCE: Duration = Duration::from_secs(60);

/// A builder of a request, returned by [`Client::request`]. Await it to send the request and to get the reply.
#[must_use = "nothing is requested until it is awaited"]
#[derive(Clone, Debug)]
pub struct RequestBuilder {
    keep: Keep,
    send: SendBuilder,
    timeout: Duration,
}

impl RequestBuilder {
    /// Sets a header. It replaces all headers with that name; see [`SendBuilder::header`].
    ///
    /// The headers `reply-to` and `correlation-id` are set by the client. If they are set here, they are replaced.
    pub fn header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.change(|send| send.header(name, value))
    }

    /// Adds a header even if there is one with that name; see [`SendBuilder::append_header`].
    pub fn append_header(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.change(|send| send.append_header(name, value))
    }

    /// Sets several headers. They replace all headers with their names; see [`SendBuilder::headers`].
    pub fn headers(self, headers: &Headers) -> Self {
        self.change(|send| send.headers(headers))
    }

    /// Replaces the body.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        self.change(|send| send.body(body))
    }

    /// Omits `content-length`; see [`SendBuilder::text`].
    pub fn text(self) -> Self {
        self.change(SendBuilder::text)
    }

    /// Makes the request survive a restart of the broker; see [`SendBuilder::persistent`].
    ///
    /// After a restart, the client gets no reply. This is for requests that are to be handled nevertheless.
    pub fn persistent(self) -> Self {
        self.change(SendBuilder::persistent)
    }

    /// Sends the request to a queue, whatever the name of the destination looks like; see [`SendBuilder::to_queue`].
    pub fn to_queue(self) -> Self {
        self.change(SendBuilder::to_queue)
    }

    /// Fails at once if there is no connection or no room for the request; see [`SendBuilder::immediate`].
    pub fn immediate(self) -> Self {
        self.change(SendBuilder::immediate)
    }

    fn change(self, change: impl FnOnce(SendBuilder) -> SendBuilder) -> Self {
        Self { send: change(self.send), ..self }
    }

    /// Sets the time limit for the reply, counted from the first poll. Default: 60 s.
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

/// The future of a [`RequestBuilder`], which resolves to the reply.
///
/// A request belongs to its connection, as its queue of replies does. When the connection ends, the request fails.
///
/// This future is cancel safe. If it is dropped, a request that was not handed to the transport is not sent, and a
/// reply that comes later is dropped.
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
    /// Creates a request, whose reply comes over a queue that only this client uses.
    ///
    /// The reply is recognised by its `correlation-id`, which its sender copies from the request.
    /// [`reply`](Self::reply) does so.
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

    /// Creates a reply to a request. It is a confirmed message to the `reply-to` of the request, with its
    /// `correlation-id`.
    ///
    /// If the request has no `reply-to`, the send fails with [`CommandError::NoDestination`].
    ///
    /// ActiveMQ rejects a reply to a client that is gone ([`SendError::Rejected`](super::SendError::Rejected)). The
    /// request was handled nevertheless:
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
    /// Begins a request on the current connection, with the queue of replies that its broker needs.
    fn open_request(&mut self, immediate: bool) -> Option<Result<(RequestId, String), RequestError>> {
        if let Some(closed) = self.closed.as_deref() {
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

    /// Returns the `reply-to` of requests. Its queue is made anew if the broker is of another kind than the last one.
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
