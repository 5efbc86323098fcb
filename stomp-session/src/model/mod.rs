//! Plain types: what is told, what is asked for, what brokers mean. They know of nobody else.

pub(crate) mod arrival;
pub(crate) mod at_least_once;
pub(crate) mod brokers;
pub(crate) mod command_error;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod deadlines;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod events;
pub mod frames;
pub(crate) mod ids;
pub(crate) mod mask;
pub(crate) mod message;
pub(crate) mod moving;
pub(crate) mod numbers;
pub(crate) mod profile;
pub(crate) mod random;
pub(crate) mod ring;
pub(crate) mod seldom;
pub(crate) mod subscribe;
pub(crate) mod timed;
pub(crate) mod timestamp;
pub(crate) mod transport_failure;
pub(crate) mod verdict;
