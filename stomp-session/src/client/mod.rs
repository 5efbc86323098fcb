//! The asynchronous client for any runtime: handles that send commands to a session, and a driver that runs it.
//!
//! An adapter provides a [`Runtime`], and a [`Connector`] opens the stream to an endpoint. Users of an adapter mostly
//! need [`Client`], [`Subscription`] and [`Message`]. The [`guide`] shows how to use them.

mod admission;
pub mod blocking;
mod builder;
mod contain;
mod dial;
mod dispatch;
mod driver;
mod error;
mod export;
pub mod futures;
mod gauge;
pub mod guide;
mod handle;
mod items;
#[cfg(feature = "json")]
mod json;
mod leaving;
mod message;
mod notice;
mod outgoing;
mod pressure;
mod publisher;
mod publishers;
mod receipts;
mod reconnecting;
mod request;
mod requests;
mod runner;
mod runners;
mod runtime;
mod send;
mod settings;
mod shared;
mod statistics;
mod stream;
mod subscription;
mod sync;
mod task;
mod telemetry;
mod tls;
mod transaction;
mod turn;
mod unsubscribing;
mod waits;
mod watch;
#[cfg(feature = "websocket")]
mod web_socket;

use std::future::Future;

pub use builder::Builder;
pub use dial::{Dial, race, race_addresses};
pub use driver::Driver;
pub use error::{
    AckError, BeginError, CommitError, ConnectError, FlushError, PublishError, ReconnectError, RequestError,
    SendError, SubscribeError,
};
pub use handle::{Client, Farewell};
pub use items::{Items, Results, SubscriptionItem, TooLarge};
#[cfg(feature = "json")]
pub use json::JsonError;
pub use message::{Message, application_headers};
pub use notice::Notice;
pub use publisher::{Publisher, PublisherBuilder};
pub use reconnecting::ReconnectBuilder;
pub use request::RequestBuilder;
pub use runner::{Delivery, Failure, Forward, OnFailure, Runner, StopReason, Stopped, Tally};
pub use runtime::{Addresses, Connector, Runtime, TransportError, TransportStream};
pub use send::{PreparedSend, SendBuilder};
pub use settings::{Credentials, KeepAlive};
pub use statistics::Statistics;
pub use subscription::{SubscribeBuilder, Subscription};
pub use tls::{ClientCertificate, TlsBackend, TlsConfig};
pub use transaction::Transaction;
pub use watch::{Listener, SessionState, Watch};
#[cfg(feature = "websocket")]
pub use web_socket::WebSocketConfig;

/// What has a name can be spawned and kept anywhere; what borrows a handle can be awaited on any thread.
const _: fn(&Client) = |client| {
    const fn anywhere<T: Send + 'static>() {}
    fn sent<T: Future + Send>(_: T) {}
    type Handled = std::future::Ready<Result<(), String>>;
    anywhere::<(
        Runner<fn(Delivery) -> Handled, String>,
        futures::Running<fn(Delivery) -> Handled, String, Handled>,
    )>();
    anywhere::<(Client, Subscription, Transaction, Message, Delivery)>();
    anywhere::<(Listener, Watch, SendBuilder, SubscribeBuilder, RequestBuilder)>();
    anywhere::<(futures::Sending, futures::Subscribing, futures::Requesting, futures::Unsubscribing)>();
    anywhere::<(futures::Beginning, futures::Committing, futures::Disconnecting)>();
    anywhere::<(futures::Acknowledging, futures::Flushing, futures::Reconnecting)>();
    anywhere::<(Builder, ReconnectBuilder)>();
    anywhere::<(Publisher, PublisherBuilder)>();
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
