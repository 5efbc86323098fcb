//! The client for threads without a runtime: every wait is one of the thread that calls.

use std::{
    fmt,
    future::{Future, IntoFuture, poll_fn},
    iter,
    marker::PhantomData,
    ops::Deref,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use super::{
    contain::contained,
    driver::Driver,
    error::ConnectError,
    handle,
    message::Message,
    runtime::{Connector, Runtime},
    shared::Shared,
    state::Waiting,
    subscription::Subscription,
    waits::For,
};

/// What an adapter lends to its module `blocking` beyond its runtime.
///
/// Drivers run in a thread that nothing else can keep busy, so that heart-beats and reconnects go on whatever the
/// threads do that wait.
pub trait Blocking: Runtime + Default {
    /// Runs a future in the thread that calls.
    ///
    /// # Panics
    /// Within asynchronous code, where that can be told.
    fn block_on<F: Future>(future: F) -> F::Output;

    /// Whether [`block_on`](Self::block_on) is known not to panic.
    fn may_block() -> bool;

    /// Runs a driver in the thread for drivers.
    fn spawn(driver: impl Future<Output = ()> + Send + 'static);
}

/// Beyond the deadline of a graceful end: the driver keeps that, and only if its thread is gone nobody does.
const GRACE: Duration = Duration::from_secs(1);

/// Waits for a future.
pub fn wait<R: Blocking, F: IntoFuture>(future: F) -> F::Output {
    R::block_on(future.into_future())
}

/// Waits for a future at most that long; then it is dropped, and `None` says so.
pub fn wait_for<R: Blocking, F: IntoFuture>(future: F, limit: Duration) -> Option<F::Output> {
    R::block_on(async {
        let runtime = R::default();
        let mut future = pin!(future.into_future());
        let mut late = pin!(runtime.sleep_until(runtime.now().after(limit)));
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => late.as_mut().poll(cx).map(|()| None),
        })
        .await
    })
}

/// Returns the messages of a subscription, until it ends.
pub fn messages<R: Blocking>(subscription: &mut Subscription) -> impl Iterator<Item = Message> {
    iter::from_fn(|| wait::<R, _>(subscription.next()))
}

/// Returns the messages of a subscription, until it ends or none has come for that long.
pub fn within<R: Blocking>(
    subscription: &mut Subscription,
    patience: Duration,
) -> impl Iterator<Item = Message> {
    iter::from_fn(move || wait_for::<R, _>(subscription.next(), patience).flatten())
}

/// Runs the driver in the thread for drivers, and waits for the first connection.
///
/// # Errors
/// [`ConnectError`]: why the brokers could not be reached.
pub fn start<R: Blocking, C: Connector>(
    (client, driver): (handle::Client, Driver<R, C>),
) -> Result<Client<R>, ConnectError> {
    R::spawn(driver.run());
    wait::<R, _>(client.connected())?;
    let _end = End { shared: Arc::clone(&client.keep().shared), runtime: PhantomData };
    Ok(Client { client, _end })
}

/// A [`Client`](super::Client), to which it derefs, that ends gracefully when it is dropped: where nothing else keeps its
/// session alive, no clone, subscription or transaction, the thread waits until the session has disconnected, at most for
/// [`Builder::disconnect_timeout`](super::Builder::disconnect_timeout) and a second. Call
/// [`disconnect`](super::Client::disconnect) to learn how that went.
///
/// Dropped within asynchronous code, as far as that can be told, it does not wait: the thread for drivers goes on with the
/// end, as long as the process lives.
pub struct Client<R: Blocking> {
    // The order of the fields is that in which they are dropped.
    client: handle::Client,
    _end: End<R>,
}

impl<R: Blocking> Clone for Client<R> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), _end: self._end.clone() }
    }
}

impl<R: Blocking> Deref for Client<R> {
    type Target = handle::Client;

    fn deref(&self) -> &handle::Client {
        &self.client
    }
}

impl<R: Blocking> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("client", &self.client).finish_non_exhaustive()
    }
}

/// Waits for the end of a session that has begun to disconnect.
struct End<R: Blocking> {
    shared: Arc<Shared>,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Blocking> Clone for End<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), runtime: PhantomData }
    }
}

impl<R: Blocking> Drop for End<R> {
    fn drop(&mut self) {
        let (is_held, limit) =
            self.shared.with(|inner| (inner.handles > 0, inner.session.config().disconnect_timeout));
        if is_held || !R::may_block() {
            return;
        }
        let mut ended = Waiting::new(Arc::clone(&self.shared), For::End);
        let ended = poll_fn(|cx| ended.poll(cx, |inner| inner.closed.as_ref().map(|_| ())));
        // Where nobody is left to wait for there is nobody to tell.
        drop(contained(|| wait_for::<R, _>(ended, limit.saturating_add(GRACE))));
    }
}
