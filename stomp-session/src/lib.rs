#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
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

mod failover;
mod link;
mod model;
mod replay;
mod session;

#[cfg(feature = "client")]
pub mod client;

pub use failover::{BrokersError, Schedule, Which};
pub use link::input::Input;
#[cfg(feature = "client")]
pub(crate) use model::collections::Ring;
pub use model::{
    brokers::{Brokers, Reconnect},
    config::{AtLeastOnce, Config, OnRefusal},
    connection::{Action, Attempt, Connection, Move, Moved},
    endpoint::{Endpoint, Login},
    error::{Closed, CommandError, Ended, Lost, NotSent, Outcome, SendError, ServerError, Unknown},
    event::Event,
    frames,
    ids::{AttemptId, ConnectionId, ReceiptId, SubscriptionId, TransactionId},
    message::{AckToken, Message, Settle},
    profile::{
        ConnectEscaping, Cumulative, DeliveryIds, FrameLimit, FrameUnit, Meaning, Nack, Prefetch, Profile,
        ReplyQueue, Stray, Unsubscribe,
    },
    rabbitmq,
    subscribe::{Oversized, Retry, Subscribe},
    time::Timestamp,
    transport_failure::TransportFailure,
};
#[cfg(feature = "client")]
pub(crate) use session::ConnectionMark;
pub use session::{Phase, Session};

pub use stomp_proto as proto;
