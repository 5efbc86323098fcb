//! The client for threads without a runtime, where each wait blocks the calling thread.

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
    subscription::Subscription,
    task::Waiting,
    waits::For,
};

/// What an adapter provides for its module `blocking`, in addition to its runtime.
///
/// Drivers run in a thread that nothing else can keep busy, so that heart-beats and reconnects go on whatever the
/// waiting threads do.
pub trait Blocking: Runtime + Default {
    /// Runs a future in the calling thread.
    ///
    /// # Panics
    /// Panics within asynchronous code, if that can be detected.
    fn block_on<F: Future>(future: F) -> F::Output;

    /// Returns `true` if [`block_on`](Self::block_on) is known not to panic.
    fn may_block() -> bool;

    /// Runs a driver in the thread for drivers.
    fn spawn(driver: impl Future<Output = ()> + Send + 'static);
}

/// The time to wait after the deadline of a graceful end. The driver keeps that deadline, unless its thread is gone.
const GRACE: Duration = Duration::from_secs(1);

/// Waits for a future, and returns its output.
pub fn wait<R: Blocking, F: IntoFuture>(future: F) -> F::Output {
    R::block_on(future.into_future())
}

/// Waits for a future, and returns its output, or `None` after this time. The future is then dropped.
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

/// Returns the messages of a subscription, until it ends or none has come for this time.
pub fn within<R: Blocking>(
    subscription: &mut Subscription,
    patience: Duration,
) -> impl Iterator<Item = Message> {
    iter::from_fn(move || wait_for::<R, _>(subscription.next(), patience).flatten())
}

/// Runs the driver in the thread for drivers, and waits for the first connection.
///
/// # Errors
/// Returns a [`ConnectError`] if no broker could be reached, or if the client was refused.
pub fn start<R: Blocking, C: Connector>(
    (client, driver): (handle::Client, Driver<R, C>),
) -> Result<Client<R>, ConnectError> {
    R::spawn(driver.run());
    wait::<R, _>(client.connected())?;
    let _end = End { shared: Arc::clone(&client.keep().shared), runtime: PhantomData };
    Ok(Client { client, _end })
}

/// A client that disconnects gracefully when it is dropped. It dereferences to [`Client`](super::Client).
///
/// If no clone, subscription or transaction keeps the session alive, dropping the client waits until the session has
/// disconnected, for at most [`Builder::disconnect_timeout`](super::Builder::disconnect_timeout) and one second. Call
/// [`disconnect`](super::Client::disconnect) to get the result.
///
/// If a client is dropped within asynchronous code, and that can be detected, it does not wait. The thread for drivers
/// goes on with the disconnect for as long as the process lives.
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
