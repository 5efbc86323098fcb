//! The client for scripts and for threads without a runtime, which can wait for every future of a client.
//!
//! This is the same client. Instead of `.await`, use [`wait`](Wait::wait). A subscription becomes an iterator with
//! [`messages`] or [`within`]. The sessions run in a thread of their own, so heart-beats and reconnects go on while the
//! program does something else. When the last handle is dropped, the calling thread waits until the session has
//! disconnected: see [`Client`].
//!
//! Each future has the time limits that its documentation names; [`wait_for`](Wait::wait_for) and [`within`] add one.
//! Do not wait within asynchronous code, because this would block the executor's thread. Smol cannot detect this, so
//! nothing prevents it.
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

/// A [`Client`](crate::Client) that disconnects gracefully when it is dropped.
pub type Client = blocking::Client<Smol>;

/// Connects to a broker, as [`stomp_smol::connect`](crate::connect) does.
///
/// # Errors
/// Returns a [`ConnectError`] if the URI is wrong, if no broker could be reached, or if the client was refused.
pub fn connect(uri: &str) -> Result<Client, ConnectError> {
    connect_with(crate::Client::builder(uri))
}

/// Connects a builder, as [`Connect::connect`] does.
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
/// Returns a [`ConnectError`] if the URI is wrong, if no broker could be reached, or if the client was refused.
pub fn connect_with(builder: Builder) -> Result<Client, ConnectError> {
    blocking::start(builder.build()?)
}

/// Connects a builder over streams that the application opens, as [`Connect::connect_via`] does.
///
/// # Errors
/// Returns a [`ConnectError`] if the URI is wrong, if no broker could be reached, or if the client was refused.
pub fn connect_via<C: Connector>(builder: Builder, connector: C) -> Result<Client, ConnectError> {
    blocking::start(builder.build_via(connector)?)
}

/// Methods that wait for a future in the calling thread.
pub trait Wait: IntoFuture + Sized {
    /// Waits for the future, and returns its output.
    fn wait(self) -> Self::Output {
        blocking::wait::<Smol, _>(self)
    }

    /// Waits for the future, and returns its output, or `None` after this time. The future is then dropped.
    fn wait_for(self, limit: Duration) -> Option<Self::Output> {
        blocking::wait_for::<Smol, _>(self, limit)
    }
}

impl<F: IntoFuture> Wait for F {}

/// Returns the messages of a subscription, until it ends.
pub fn messages(subscription: &mut Subscription) -> impl Iterator<Item = Message> {
    blocking::messages::<Smol>(subscription)
}

/// Returns the messages of a subscription, until it ends or none has come for this time.
pub fn within(subscription: &mut Subscription, patience: Duration) -> impl Iterator<Item = Message> {
    blocking::within::<Smol>(subscription, patience)
}

/// Runs the drivers, because the threads of smol's own executor may all be blocked by waits.
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
