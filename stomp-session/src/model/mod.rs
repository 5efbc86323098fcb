//! Plain types: what is told, what is asked for, what brokers mean. They know of nobody else.

pub(crate) mod brokers;
pub(crate) mod collections;
pub(crate) mod command_error;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod event;
pub mod frames;
pub(crate) mod ids;
mod known_brokers;
pub(crate) mod mask;
pub(crate) mod message;
pub(crate) mod profile;
pub mod rabbitmq;
pub(crate) mod random;
pub(crate) mod subscribe;
pub(crate) mod time;
pub(crate) mod timed;
pub(crate) mod transport_failure;
pub(crate) mod verdict;
