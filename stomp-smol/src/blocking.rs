//! For scripts, and for threads without a runtime: every future of a client can be waited for.
//!
//! There is no second client here. Everything that is awaited elsewhere ends in [`wait`](Wait::wait) instead of `.await`, and
//! a subscription is an iterator. The sessions run in a thread of their own: heart-beats and reconnects go on while the
//! script does something else. When the last handle is dropped, the thread waits until the session has disconnected:
//! see [`Client`].
//!
//! Each future has the deadlines that its documentation names; [`wait_for`](Wait::wait_for) and [`within`] add one. Do not
//! wait within asynchronous code: the executor's thread would stand still meanwhile. Smol cannot tell, so that nothing
//! prevents it.
//!
//! ```
//! use std::time::Duration;
//! use stomp_smol::blocking::{self, Wait};
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

use smol::{Executor, block_on};
use stomp_session::client::blocking;
pub use stomp_session::client::blocking::Blocking;

use crate::{Builder, Connect, ConnectError, Connector, Message, Smol, Subscription};

/// A [`Client`](crate::Client) that ends gracefully when it is dropped.
pub type Client = blocking::Client<Smol>;

/// Connects, as [`stomp_smol::connect`](crate::connect) does.
///
/// # Errors
/// [`ConnectError`].
pub fn connect(uri: &str) -> Result<Client, ConnectError> {
    connect_with(crate::Client::builder(uri))
}

/// Connects with everything that can be set.
///
/// ```
/// use stomp_smol::{Client, blocking};
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
pub fn connect_with(builder: Builder) -> Result<Client, ConnectError> {
    blocking::start(builder.build()?)
}

/// Connects over streams of your own, as [`Connect::connect_via`] does.
///
/// # Errors
/// [`ConnectError`].
pub fn connect_via<C: Connector>(builder: Builder, connector: C) -> Result<Client, ConnectError> {
    blocking::start(builder.build_via(connector)?)
}

/// Waiting for a future in the thread that calls.
pub trait Wait: IntoFuture + Sized {
    /// Waits for it.
    fn wait(self) -> Self::Output {
        blocking::wait::<Smol, _>(self)
    }

    /// Waits for it, at most that long; then it is dropped, and `None` says so.
    fn wait_for(self, limit: Duration) -> Option<Self::Output> {
        blocking::wait_for::<Smol, _>(self, limit)
    }
}

impl<F: IntoFuture> Wait for F {}

/// Returns the messages of a subscription, until it ends.
pub fn messages(subscription: &mut Subscription) -> impl Iterator<Item = Message> {
    blocking::messages::<Smol>(subscription)
}

/// Returns the messages of a subscription, until it ends or none has come for that long.
pub fn within(subscription: &mut Subscription, patience: Duration) -> impl Iterator<Item = Message> {
    blocking::within::<Smol>(subscription, patience)
}

/// Runs the drivers. Smol's own executor may stand still where its threads wait for something.
static EXECUTOR: LazyLock<Executor<'_>> = LazyLock::new(|| {
    let run = || block_on(EXECUTOR.run(pending::<()>()));
    thread::Builder::new().name("stomp-blocking".into()).spawn(run).expect("the system starts a thread");
    Executor::new()
});

impl Blocking for Smol {
    fn block_on<F: Future>(future: F) -> F::Output {
        block_on(future)
    }

    fn may_block() -> bool {
        true
    }

    fn spawn(driver: impl Future<Output = ()> + Send + 'static) {
        EXECUTOR.spawn(driver).detach();
    }
}
