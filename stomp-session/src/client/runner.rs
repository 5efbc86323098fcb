//! The handler runner, which calls an asynchronous function for each message of a subscription.

mod beginning;
mod delivery;
mod outcome;
mod ready;
mod running;
mod slot;

use std::{
    fmt,
    future::{Future, IntoFuture},
    marker::PhantomData,
    time::Duration,
};

pub use delivery::Delivery;
use outcome::Options;
pub use outcome::{Failure, StopReason, Stopped, Tally};
pub use outcome::{Forward, OnFailure};
pub use running::Running;
pub(super) use slot::awaits_end;

use super::{message::Message, subscription::Subscription};

impl Subscription {
    /// Runs an `async` closure or function for each message, and acknowledges the messages that it has handled: see
    /// [`Runner`].
    ///
    /// The closure may own what it captures, or borrow it. The future that [`Runner::run`] returns can be spawned if
    /// the closure owns what it captures and is `Send` and `Sync`. Use [`handle_with`](Self::handle_with) for a closure
    /// that changes what it captures, for one that borrows inside a task that is itself spawned, and in a generic
    /// function that needs to know that the future is `Send`.
    ///
    /// ```
    /// # async fn example(client: stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let orders = client.subscribe("/queue/orders").prefetch(20).await?;
    /// let relay = async move |order: stomp_session::client::Delivery| {
    ///     client.send("/queue/parcels", order.body_bytes()).persistent().confirmed().await
    /// };
    /// let tally = orders.handle(relay).concurrency(10).run().await?;
    /// println!("{} orders", tally.handled);
    /// # Ok(()) }
    /// ```
    pub fn handle<H, E>(self, handler: H) -> Runner<H, E>
    where
        H: AsyncFn(Delivery) -> Result<(), E>,
        E: fmt::Display,
    {
        Runner::new(self, handler)
    }

    /// Runs a function that returns a future for each message, and acknowledges the messages that it has handled: see
    /// [`Runner`].
    ///
    /// Unlike with [`handle`](Self::handle), the future must own what it needs, and its type can be named or bounded.
    ///
    /// ```
    /// use std::{fmt, future::Future};
    /// use stomp_session::client::{Delivery, Stopped, Subscription, Tally};
    ///
    /// // The bounds say that all of it may be spawned.
    /// fn boxed<H, E, F>(
    ///     orders: Subscription,
    ///     handler: H,
    /// ) -> std::pin::Pin<Box<dyn Future<Output = Result<Tally, Stopped<E>>> + Send>>
    /// where
    ///     H: FnMut(Delivery) -> F + Send + 'static,
    ///     F: Future<Output = Result<(), E>> + Send + 'static,
    ///     E: fmt::Display + Send + 'static,
    /// {
    ///     Box::pin(orders.handle_with(handler).concurrency(10).run())
    /// }
    /// ```
    pub fn handle_with<H, E, F>(self, handler: H) -> Runner<H, E, F>
    where
        H: FnMut(Delivery) -> F,
        F: Future<Output = Result<(), E>>,
        E: fmt::Display,
    {
        Runner::new(self, handler)
    }
}

/// A runner that calls a handler for each message of a [`Subscription`].
///
/// [`Subscription::handle`] and [`Subscription::handle_with`] create a runner, and `run` starts it.
///
/// A message whose handler returns `Ok` is acknowledged. [`OnFailure`] says what becomes of the others. A handler that
/// panics, even while it is dropped, has failed. A handler may settle its message before it ends: see [`Delivery`].
///
/// Handlers run concurrently in the task that polls the runner, up to a [limit](Self::concurrency). To use another
/// core, a handler spawns its work and awaits it.
///
/// When the connection of a message ends, its handler goes on and still counts towards the limit. It may watch for
/// [`Message::lost`]. Its message can no longer be acknowledged, which [`Tally::ack_lost`] and
/// [`Notice::AckLost`](super::Notice::AckLost) report.
///
/// A runner ends when it is [told to stop](Self::until), when the client [disconnects](super::Client::disconnect), when
/// the subscription ends, or when a failure ends it. It then takes no more messages, lets the running handlers end
/// within the [grace period](Self::grace), acknowledges, and unsubscribes. If the session gives up, the runner ends
/// with this reason, and its handlers have at most [`Builder::disconnect_timeout`](super::Builder::disconnect_timeout).
///
/// The ack mode should be `client-individual`. A runner refuses `client`, which would acknowledge messages that other
/// handlers still have. With `auto`, the broker has already forgotten the message. In STOMP 1.0, where acknowledgements
/// are cumulative, handlers run one after the other.
///
/// A runner is cancel safe. If it is dropped, its handlers are dropped, their messages are left unacknowledged, and it
/// unsubscribes. In a program that is built with `panic = "abort"`, a panic ends the program as always.
///
/// ```
/// use stomp_session::client::{Forward, OnFailure};
/// # async fn store(_: &[u8]) -> std::io::Result<()> { Ok(()) }
/// # async fn example(client: stomp_session::client::Client) -> Result<(), Box<dyn std::error::Error>> {
///
/// let orders = client.subscribe("/queue/orders").prefetch(20).await?;
/// let tally = orders
///     .handle(async |order| store(order.body()).await)
///     .concurrency(10)
///     .on_failure(OnFailure::Forward(Forward::to("/queue/errors")))
///     .run()
///     .await?;
/// println!("{} orders", tally.handled);
/// # Ok(()) }
/// ```
#[must_use = "a runner handles nothing until it is run, and what `run` returns is awaited or spawned"]
pub struct Runner<H, E, F = Unnamed> {
    subscription: Subscription,
    handler: H,
    options: Options<E>,
    future: PhantomData<fn() -> F>,
}

/// A placeholder for the future of an `async` closure in the type of its [`Runner`]. That future borrows from the
/// closure and has no name.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "there is no value of it")]
pub enum Unnamed {}

impl<H, E, F> Runner<H, E, F> {
    fn new(subscription: Subscription, handler: H) -> Self {
        Self { subscription, handler, options: Options::default(), future: PhantomData }
    }

    /// Sets how many handlers may run at the same time. Default: 1.
    ///
    /// The subscription's prefetch should not be less.
    pub fn concurrency(mut self, limit: usize) -> Self {
        self.options.limit = limit.max(1);
        self
    }

    /// Sets what becomes of a message whose handler has failed. Default: [`OnFailure::Stop`].
    pub fn on_failure(self, policy: OnFailure) -> Self {
        self.decide_failure(move |_, _| policy.clone())
    }

    /// Sets a function that decides for each failure what becomes of the message.
    ///
    /// Work that takes time belongs in the handler, which may do it before it returns its error.
    pub fn decide_failure(
        mut self,
        decide: impl Fn(&Message, &Failure<E>) -> OnFailure + Send + 'static,
    ) -> Self {
        self.options.decide = Box::new(decide);
        self
    }

    /// Stops the runner when this future ends, such as one that waits for a signal or a channel.
    pub fn until(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.options.until = Some(Box::pin(stop));
        self
    }

    /// Sets the time limit for all running handlers to end after a stop. Default: 10 s.
    ///
    /// When the client disconnects, [`Builder::disconnect_timeout`](super::Builder::disconnect_timeout) limits their
    /// time too.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = grace;
        self
    }
}

// `AsyncFn`'s future borrows from the closure. Several of them beside their closure are a value that refers to itself: only an
// `async` block can hold one without `unsafe`. On stable Rust nobody can name such a future, nor ask that it be `Send`; so
// `run` asks nothing and returns an opaque type, whose `Send` the compiler finds out where it is used, when it knows the
// closure. That is also why a generic caller cannot promise it, and why `handle_with` stays: its future is a parameter.
// What the compiler cannot prove (its issue 110338) is `Send` of a closure that borrows inside of another spawned future.
impl<H, E> Runner<H, E>
where
    H: AsyncFn(Delivery) -> Result<(), E>,
    E: fmt::Display,
{
    /// Returns a future that runs the handler until the runner ends.
    ///
    /// The future is `Send` and can be spawned if the handler is `Send` and `Sync` and its futures are `Send`.
    ///
    /// # Errors
    /// Returns [`Stopped`] if a failure ended the runner, or if the subscription ended although the application did not
    /// end it.
    pub fn run(self) -> impl Future<Output = Result<Tally, Stopped<E>>> {
        let Self { subscription, handler, options, .. } = self;
        async move { Running::new(subscription, |delivery| handler(delivery), options).await }
    }
}

impl<H, E, F> Runner<H, E, F>
where
    H: FnMut(Delivery) -> F,
    F: Future<Output = Result<(), E>>,
    E: fmt::Display,
{
    /// Returns a future that runs the handler until the runner ends.
    ///
    /// # Errors
    /// Returns [`Stopped`] if a failure ended the runner, or if the subscription ended although the application did not
    /// end it.
    pub fn run(self) -> Running<H, E, F> {
        Running::new(self.subscription, self.handler, self.options)
    }
}

impl<H, E, F> IntoFuture for Runner<H, E, F>
where
    H: FnMut(Delivery) -> F,
    F: Future<Output = Result<(), E>>,
    E: fmt::Display,
{
    type Output = Result<Tally, Stopped<E>>;
    type IntoFuture = Running<H, E, F>;

    fn into_future(self) -> Self::IntoFuture {
        self.run()
    }
}

impl<H, E, F> fmt::Debug for Runner<H, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("subscription", &self.subscription)
            .field("concurrency", &self.options.limit)
            .field("grace", &self.options.grace)
            .finish_non_exhaustive()
    }
}
