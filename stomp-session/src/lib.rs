#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;
#[cfg(all(test, not(feature = "std")))]
extern crate std;

mod at_least_once;
mod commands;
mod config;
mod connected;
mod connections;
mod deadlines;
mod disconnect;
mod error;
mod event;
mod failover;
pub mod frames;
mod handshake;
mod heart_beats;
mod incoming;
mod input;
mod isolation;
mod judgement;
mod keep;
mod leaving;
mod mask;
mod message;
mod outbox;
mod outcomes;
mod profile;
mod random;
mod receipts;
mod send;
mod session;
mod settle;
mod subscriptions;
mod suspects;
mod timestamp;
mod transaction;
mod unsettled;
mod verdict;

#[cfg(feature = "client")]
pub mod client;

pub use at_least_once::AtLeastOnce;
pub use config::{Config, OnRefusal};
pub use error::{Closed, CommandError, Ended, Lost, NotSent, Outcome, ServerError, Unknown};
pub use event::{Action, Attempt, AttemptId, Connection, ConnectionId, Event, ReceiptId, SubscriptionId};
pub use failover::{Brokers, BrokersError, Endpoint, Login, Reconnect, Schedule, Which};
pub use input::Input;
pub use message::Message;
pub use profile::{
    ConnectEscaping, Cumulative, DeliveryIds, Nack, Prefetch, Profile, ReplyQueue, Stray, Unsubscribe,
};
pub use session::{Phase, Session};
pub use subscriptions::{Oversized, Retry, Subscribe};
pub use timestamp::Timestamp;
pub use transaction::TransactionId;
pub use verdict::Meaning;

pub use stomp_proto as proto;
