//! Moving to another connection, and waiting until it is established.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    error::ReconnectError,
    handle::Client,
    runner::awaits_end,
    runners::MoveId,
    shared::{Keep, Shared},
    task::{Timer, Waiting},
    waits::For,
};
use crate::{Endpoint, Move, Moved};

impl Client {
    /// Leaves the connection in good order and connects to the next broker, or to one that is
    /// [named](ReconnectBuilder::to).
    ///
    /// All subscriptions, and all messages that are sent at least once, go on with the new connection. Use this method when
    /// credentials have changed, before a broker is stopped, or to distribute load anew. [Listeners](Self::listen) and
    /// `tracing` show the reason.
    ///
    /// 1. Each [`Runner`](super::Runner) takes no more messages, and its handlers end. They can still use all commands.
    /// 2. Nothing new is sent. Sends wait for the next connection, and [immediate](super::SendBuilder::immediate) sends fail
    ///    with [`NotConnected`](crate::CommandError::NotConnected). Messages can still be acknowledged. Outstanding receipts
    ///    are awaited, then DISCONNECT is sent and its RECEIPT awaited, and the stream is closed.
    /// 3. If the time for this is over ([`ReconnectBuilder::within`]), or the connection ends earlier, the client leaves the
    ///    connection without waiting any longer.
    /// 4. The next broker is dialled at once: the one after the current broker in the list. The current broker is tried last.
    ///    On the new connection the subscriptions are sent first, then messages that are sent at least once, then the sends
    ///    that have waited. Runners continue.
    ///
    /// Nothing that was confirmed is lost or sent twice. These subscriptions may miss messages; [`Moved::at_risk`] counts
    /// them:
    ///
    /// - those of topics that are not durable, which may carry messages in the meantime
    /// - those with ack mode `auto`, because the broker may have sent messages that were not read
    /// - those of temporary queues, which end with their connection
    ///
    /// Messages that were received and not taken are delivered again, except with ack mode `auto`: those can still be taken.
    /// A late acknowledgement fails with [`Stale`](crate::CommandError::Stale). Open transactions are lost, and requests
    /// without a reply fail with [`RequestError::Lost`](super::RequestError::Lost).
    ///
    /// A second call joins the first, and may name another broker. [`disconnect`](Self::disconnect) ends both. If there is no
    /// connection, the next attempt to connect is made at once.
    ///
    /// ```
    /// # async fn example(client: &stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let moved = client.reconnect("broker a is drained").to("tcp://b:61613".parse()?).await?;
    /// println!("now at {}, {} unconfirmed", moved.connection.endpoint, moved.unconfirmed);
    /// # Ok(()) }
    /// ```
    pub fn reconnect(&self, reason: impl Into<String>) -> ReconnectBuilder {
        ReconnectBuilder { keep: self.keep().clone(), how: Move::new(reason) }
    }
}

/// A move to another broker that has not begun. Await it to begin the move.
///
/// # Errors
/// The future returns a [`ReconnectError`] if there is no new connection.
#[must_use = "nothing happens until it is awaited"]
#[derive(Clone, Debug)]
pub struct ReconnectBuilder {
    keep: Keep,
    how: Move,
}

impl ReconnectBuilder {
    /// Sets the broker to connect to first. It need not be in the list, and is not added to it.
    ///
    /// If this broker cannot be reached, the brokers of the list are tried in turn.
    pub fn to(mut self, endpoint: Endpoint) -> Self {
        self.how = self.how.to(endpoint);
        self
    }

    /// Sets the time for leaving the connection in good order. Handlers have three quarters of it.
    ///
    /// Default: [`Builder::disconnect_timeout`](super::Builder::disconnect_timeout).
    pub fn within(mut self, timeout: Duration) -> Self {
        self.how = self.how.within(timeout);
        self
    }
}

impl IntoFuture for ReconnectBuilder {
    type Output = Result<Moved, ReconnectError>;
    type IntoFuture = Reconnecting;

    /// Begins the move.
    fn into_future(self) -> Reconnecting {
        let shared = Arc::clone(&self.keep.shared);
        let (leaving, id) = shared.command(|inner| {
            let leaving = self.how.within.unwrap_or_else(|| inner.session.config().disconnect_timeout);
            (leaving, shared.begin_move(inner, self.how))
        });
        let limit = leaving.saturating_add(shared.settings.send_timeout);
        Reconnecting {
            waiting: Waiting::new(Arc::clone(&shared), For::Move),
            timer: Timer::new(Arc::clone(&shared), limit),
            shared,
            id,
        }
    }
}

/// The future of a [`ReconnectBuilder`], which resolves when the next connection is established.
///
/// It only waits: the move goes on whether or not the future is polled. It waits at most for the time for leaving and
/// [`Builder::send_timeout`](super::Builder::send_timeout), counted from its first poll. The session continues to try after
/// that. It is cancel safe.
///
/// A handler may await it. The move does not wait for the message of this handler, which is delivered again.
#[must_use = "the result of the move is not known until the future is awaited"]
#[derive(Debug)]
pub struct Reconnecting {
    shared: Arc<Shared>,
    id: MoveId,
    waiting: Waiting,
    timer: Timer,
}

impl Future for Reconnecting {
    type Output = Result<Moved, ReconnectError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let id = self.id;
        let polled = self.waiting.poll(cx, |inner| match (inner.moves.result(id), &inner.closed) {
            (Some(moved), _) => Some(Ok(moved)),
            (None, closed) => closed.as_deref().map(|closed| Err(closed.clone().into())),
        });
        if polled.is_ready() {
            return polled;
        }
        awaits_end();
        let limit = self.timer.patience();
        self.timer.poll(cx).map(|()| match self.shared.with(|inner| inner.closed.as_deref().cloned()) {
            Some(closed) => Err(closed.into()),
            None => Err(ReconnectError::Timeout(limit)),
        })
    }
}
