//! Moving to another connection, for whoever waits until it stands.

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
    keep::Keep,
    moves::MoveId,
    runner::awaits_end,
    shared::Shared,
    state::{Timer, Waiting},
    waits::For,
};
use crate::{Endpoint, Move, Moved};

impl Client {
    /// Leaves the connection in good order and connects to the next broker, or to one that is [named](ReconnectBuilder::to),
    /// with all subscriptions and all that is sent at least once: for credentials that have changed, a broker that is about to
    /// be stopped, a load that is to be spread anew. The reason is shown to [listeners](Self::listen), and in `tracing`.
    ///
    /// 1. [`Runner`](super::Runner)s take no more messages, and their handlers end, with all commands.
    /// 2. Nothing new is sent: sends wait for the next connection, and [immediate](super::SendBuilder::immediate) ones are
    ///    [`NotConnected`](crate::CommandError::NotConnected). Messages may still be acknowledged. Outstanding receipts are
    ///    awaited, then DISCONNECT and its RECEIPT, and the stream is closed.
    /// 3. When the time for this is over ([`ReconnectBuilder::within`]), or the connection ends before, it is left as it is.
    /// 4. The next broker is dialled at once; the one behind the present in the list, the present last. The
    ///    subscriptions are sent again, then what is sent at least once, then what has waited; runners go on.
    ///
    /// If nothing was on its way, nothing is lost and nothing doubled; but a topic that is not durable may carry messages
    /// meanwhile, the broker may have sent messages with ack mode `auto` that were not read, and temporary queues go with
    /// their connection: [`Moved::at_risk`](crate::Moved::at_risk) counts the subscriptions. Messages that nobody had taken
    /// come again, unless their ack mode is `auto`: those are handled. An acknowledgement that comes too late is
    /// [`Stale`](crate::CommandError::Stale). Open transactions are lost, and requests without a reply end with
    /// [`RequestError::Lost`](super::RequestError::Lost).
    ///
    /// A second call joins the first, and may name another broker; [`disconnect`](Self::disconnect) ends both. Without a
    /// connection the next attempt comes at once.
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

/// A move to be made: add to it, then `.await` it.
#[must_use = "nothing happens until it is awaited"]
#[derive(Clone, Debug)]
pub struct ReconnectBuilder {
    keep: Keep,
    how: Move,
}

impl ReconnectBuilder {
    /// To that broker first, whether it is in the list or not. If it cannot be reached the others follow in turn. It is not
    /// added to the list.
    pub fn to(mut self, endpoint: Endpoint) -> Self {
        self.how = self.how.to(endpoint);
        self
    }

    /// The time for leaving the connection in good order, three quarters of it for handlers. Without it,
    /// [`Config::disconnect_timeout`](crate::Config::disconnect_timeout).
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

/// The future of a [`ReconnectBuilder`], which resolves when the next connection stands.
///
/// It only watches: the move goes on without it. It waits for the time of leaving and
/// [`Settings::send_timeout`](super::Settings::send_timeout) from its first poll on; the session goes on trying. Cancel safe.
///
/// A handler may await it; its own message is not waited for then, and is delivered again.
#[must_use = "where the session stands is not known until it is awaited"]
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
            (None, closed) => closed.clone().map(|closed| Err(closed.into())),
        });
        if polled.is_ready() {
            return polled;
        }
        awaits_end();
        let limit = self.timer.patience();
        self.timer.poll(cx).map(|()| match self.shared.with(|inner| inner.closed.clone()) {
            Some(closed) => Err(closed.into()),
            None => Err(ReconnectError::Timeout(limit)),
        })
    }
}
