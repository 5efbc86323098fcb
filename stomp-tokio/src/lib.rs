#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(docsrs, doc(auto_cfg(hide(feature = "client"))))]
#![cfg_attr(
    docsrs,
    allow(unexpected_cfgs, reason = "a feature of stomp-session, which this crate always has on")
)]
#![forbid(unsafe_code)]

pub mod blocking;
mod compat;
mod connecting;
mod runtime;
mod socket;
mod tcp;

pub use compat::Compat;
pub use connecting::{Connect, connect};
pub use runtime::Tokio;
pub use socket::Socket;
#[doc(inline)]
pub use stomp_session::client::*;
// What those name.
#[doc(inline)]
pub use stomp_session::{
    self as session, AckToken, Attempt, AttemptId, Brokers, BrokersError, Closed, CommandError, Config,
    ConnectEscaping, Connection, ConnectionId, Cumulative, DeliveryIds, Ended, Endpoint, FrameLimit,
    FrameUnit, Login, Lost, Meaning, Move, Moved, Nack, NotSent, OnRefusal, Outcome, Oversized, Prefetch,
    Profile, ReceiptId, Reconnect, ReplyQueue, Retry, ServerError, Settle, Stray, Subscribe, SubscriptionId,
    Timestamp, TransactionId, TransportFailure, Unknown, Unsubscribe, Which,
    proto::{
        AckMode, Command, EncodeError, Excess, Frame, FrameRef, Headers, HeadersRef, HeartBeat, Limits,
        NotUtf8, Oversize, ParseError, ParseErrorKind, Text, Version, bytes::Bytes,
    },
    rabbitmq,
};
