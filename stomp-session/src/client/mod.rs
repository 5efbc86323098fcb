//! The asynchronous client over any runtime: handles that command the session, and one driver that runs it.
//!
//! An adapter lends a [`Runtime`]; how an endpoint becomes a stream is a [`Connector`]. Users of an adapter meet
//! [`Client`], [`Subscription`] and [`Message`]; the [`guide`] shows what they can do.

mod acknowledging;
mod admission;
mod closing;
mod contain;
mod content;
mod credentials;
mod dial;
mod dispatch;
mod driver;
mod error;
mod fairness;
mod flushes;
mod flushing;
pub mod guide;
mod handle;
mod interrupted;
mod keep;
mod keep_alive;
mod listener;
mod listeners;
mod message;
mod moves;
mod notice;
mod parked;
mod prepared;
mod pressure;
mod race;
mod reconnecting;
mod request;
mod requests;
mod results;
mod runner;
mod runners;
mod runtime;
mod send;
mod settings;
mod shared;
mod state;
mod statistics;
mod stopping;
mod subscription;
mod telemetry;
mod terms;
mod tls;
mod transaction;
mod unanswered;
mod unsubscribing;
mod waits;

use std::{future::Future, sync::Arc};

pub use acknowledging::Acknowledging;
pub use credentials::Credentials;
pub use dial::Dial;
pub use driver::Driver;
pub use error::{
    AckError, CommitError, ConnectError, FlushError, ReconnectError, RequestError, SendError, SubscribeError,
};
pub use flushing::Flushing;
pub use handle::{Client, Disconnecting, Farewell};
pub use keep_alive::KeepAlive;
pub use listener::Listener;
pub use message::Message;
pub use notice::Notice;
pub use prepared::PreparedSend;
pub use race::{race, race_addresses};
pub use reconnecting::{ReconnectBuilder, Reconnecting};
pub use request::{RequestBuilder, Requesting};
pub use results::Results;
pub use runner::{
    Delivery, Failure, Forward, OnFailure, Runner, Running, StopReason, Stopped, Tally, Unnamed,
};
pub use runtime::{Addresses, Connector, Runtime, Stream, TransportError};
pub use send::{SendBuilder, Sending};
pub use settings::Settings;
pub use state::{State, Watch};
pub use statistics::Statistics;
pub use subscription::{SubscribeBuilder, Subscribing, Subscription};
pub use tls::{ClientCertificate, TlsBackend, TlsConfig};
pub use transaction::{Beginning, Committing, Transaction};
pub use unsubscribing::Unsubscribing;

use shared::Shared;

use crate::{Config, Session};

/// A client and the driver that runs it. The seed of the configuration is drawn from the runtime. Spawn [`Driver::run`]
/// before awaiting anything of the client.
pub fn client<R: Runtime, C: Connector>(
    mut config: Config,
    settings: Settings,
    runtime: Arc<R>,
    connector: Arc<C>,
) -> (Client, Driver<R, C>) {
    let [a, b, c, d, e, f, g, h, identity @ ..] = runtime.entropy();
    config.seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let identity = identity.iter().take(16).fold(0, |identity, octet| identity << 8 | u128::from(*octet));
    config.identity.get_or_insert(identity);
    let shared = Arc::new(Shared::new(Session::new(config, runtime.now()), settings));
    (Client::new(Arc::clone(&shared)), Driver::new(runtime, connector, shared))
}

/// What has a name can be spawned and kept anywhere; what borrows a handle can be awaited on any thread.
const _: fn(&Client) = |client| {
    const fn anywhere<T: Send + 'static>() {}
    fn sent<T: Future + Send>(_: T) {}
    type Handled = std::future::Ready<Result<(), String>>;
    anywhere::<(Runner<fn(Delivery) -> Handled, String>, Running<fn(Delivery) -> Handled, String, Handled>)>(
    );
    anywhere::<(Client, Subscription, Transaction, Message, Delivery)>();
    anywhere::<(Listener, Watch, SendBuilder, SubscribeBuilder, RequestBuilder)>();
    anywhere::<(Sending, Subscribing, Requesting)>();
    anywhere::<(Acknowledging, Beginning, Committing, Disconnecting, Flushing)>();
    anywhere::<(ReconnectBuilder, Reconnecting)>();
    sent(client.connected());
    sent(client.closed());
    sent(client.watch().next());
    sent(client.listen().next());
};
const _: fn(&mut Subscription, &Message) = |subscription, message| {
    fn sent<T: Future + Send>(_: T) {}
    sent(subscription.next());
    sent(message.lost());
};
