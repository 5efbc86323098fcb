//! For scripts, and for threads without a runtime: every future of a client can be waited for.
//!
//! There is no second client here. Everything that is awaited elsewhere ends in [`wait`](Wait::wait) instead of `.await`, and
//! a subscription is an iterator. The session itself runs on smol's executor, which has a thread of its own: heart-beats and
//! reconnects go on while the script does something else. Do not wait within asynchronous code.
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

use std::{future::IntoFuture, iter, time::Duration};

use smol::{Timer, block_on, future::or};

use crate::{Client, ConnectError, Message, Subscription};

/// Connects, as [`stomp_smol::connect`](crate::connect) does.
///
/// # Errors
/// [`ConnectError`].
pub fn connect(uri: &str) -> Result<Client, ConnectError> {
    block_on(crate::connect(uri))
}

/// Waiting for a future in the thread that calls.
pub trait Wait: IntoFuture + Sized {
    /// Waits for it.
    fn wait(self) -> Self::Output {
        block_on(self.into_future())
    }

    /// Waits for it, at most that long; then it is dropped, and `None` says so.
    fn wait_for(self, limit: Duration) -> Option<Self::Output> {
        let late = async {
            Timer::after(limit).await;
            None
        };
        block_on(or(async { Some(self.into_future().await) }, late))
    }
}

impl<F: IntoFuture> Wait for F {}

/// The messages of a subscription, until it ends.
pub fn messages(subscription: &mut Subscription) -> impl Iterator<Item = Message> {
    iter::from_fn(|| subscription.next().wait())
}

/// The messages of a subscription, until it ends or none has come for that long.
pub fn within(subscription: &mut Subscription, patience: Duration) -> impl Iterator<Item = Message> {
    iter::from_fn(move || subscription.next().wait_for(patience).flatten())
}
