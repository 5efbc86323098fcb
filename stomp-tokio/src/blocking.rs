//! For scripts, and for threads without a runtime: every future of a client can be waited for.
//!
//! There is no second client here. Everything that is awaited elsewhere ends in [`wait`](Wait::wait) instead of `.await`, and
//! a subscription is an iterator. The sessions run in a thread of their own: heart-beats and reconnects go on while the
//! script does something else. When the last handle is dropped, the thread waits until the session has disconnected:
//! see [`Client`].
//!
//! Each future has the deadlines that its documentation names; [`wait_for`](Wait::wait_for) and [`within`] add one. Do not
//! wait within asynchronous code, whose other tasks would stand still meanwhile: tokio panics there, with the words "Cannot
//! start a runtime from within a runtime". Waiting in [`tokio::task::spawn_blocking`] is fine.
//!
//! ```
//! use std::time::Duration;
//! use stomp_tokio::blocking::{self, Wait};
//! # use stomp_testkit::{broker::BrokerConfig, server::Server};
//! # let broker = Server::start(BrokerConfig::default())?;
//! # let uri = broker.uri();
//!
//! let client = blocking::connect(&uri)?;
//! client.send("/queue/orders", "one coffee").confirmed().wait()?;
//!
//! let mut orders = client.subscribe("/queue/orders").wait()?;
//! for order in blocking::within(&mut orders, Duration::from_secs(1)) {
//!     println!("{}", order.body().escape_ascii());
//!     order.ack()?;
//! }
//! client.disconnect().wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    future::{Future, IntoFuture, pending},
    sync::LazyLock,
    thread,
    time::Duration,
};

use stomp_session::client::blocking;
pub use stomp_session::client::blocking::Blocking;
use tokio::runtime::{self, Handle};

use crate::{Builder, Connect, ConnectError, Connector, Message, Subscription, Tokio};

/// A [`Client`](crate::Client) that ends gracefully when it is dropped.
pub type Client = blocking::Client<Tokio>;

/// Connects, as [`stomp_tokio::connect`](crate::connect) does.
///
/// # Errors
/// [`ConnectError`].
///
/// # Panics
/// Within asynchronous code.
pub fn connect(uri: &str) -> Result<Client, ConnectError> {
    connect_with(crate::Client::builder(uri))
}

/// Connects with everything that can be set.
///
/// ```
/// use stomp_tokio::{Client, blocking};
/// # let broker = stomp_testkit::server::Server::start(stomp_testkit::broker::BrokerConfig::default())?;
/// # let uri = broker.uri();
///
/// let client = blocking::connect_with(Client::builder(uri).prefetch(20))?;
/// # drop(client);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ConnectError`].
///
/// # Panics
/// Within asynchronous code.
pub fn connect_with(builder: Builder) -> Result<Client, ConnectError> {
    blocking::start(builder.build()?)
}

/// Connects over streams of your own, as [`Connect::connect_via`] does.
///
/// # Errors
/// [`ConnectError`].
///
/// # Panics
/// Within asynchronous code.
pub fn connect_via<C: Connector>(builder: Builder, connector: C) -> Result<Client, ConnectError> {
    blocking::start(builder.build_via(connector)?)
}

/// Waiting for a future in the thread that calls.
pub trait Wait: IntoFuture + Sized {
    /// Waits for it.
    ///
    /// # Panics
    /// Within asynchronous code.
    fn wait(self) -> Self::Output {
        blocking::wait::<Tokio, _>(self)
    }

    /// Waits for it, at most that long; then it is dropped, and `None` says so.
    ///
    /// # Panics
    /// Within asynchronous code.
    fn wait_for(self, limit: Duration) -> Option<Self::Output> {
        blocking::wait_for::<Tokio, _>(self, limit)
    }
}

impl<F: IntoFuture> Wait for F {}

/// Returns the messages of a subscription, until it ends.
pub fn messages(subscription: &mut Subscription) -> impl Iterator<Item = Message> {
    blocking::messages::<Tokio>(subscription)
}

/// Returns the messages of a subscription, until it ends or none has come for that long.
pub fn within(subscription: &mut Subscription, patience: Duration) -> impl Iterator<Item = Message> {
    blocking::within::<Tokio>(subscription, patience)
}

/// The runtime of the drivers, in a thread of its own.
static RUNTIME: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has what a runtime takes");
    let handle = runtime.handle().clone();
    let run = move || runtime.block_on(pending::<()>());
    thread::Builder::new().name("stomp-blocking".into()).spawn(run).expect("the system starts a thread");
    handle
});

impl Blocking for Tokio {
    fn block_on<F: Future>(future: F) -> F::Output {
        RUNTIME.block_on(future)
    }

    /// It is known outside of every runtime. What tokio allows within one, it does not tell.
    fn may_block() -> bool {
        Handle::try_current().is_err()
    }

    fn spawn(driver: impl Future<Output = ()> + Send + 'static) {
        RUNTIME.spawn(driver);
    }
}
