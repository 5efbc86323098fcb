//! The futures that the client's methods return, for code that must name their types.
//!
//! | future | returned by |
//! | --- | --- |
//! | [`Sending`] | [`SendBuilder`](super::SendBuilder), [`PreparedSend::send`](super::PreparedSend::send) |
//! | [`Feeding`] | [`Publisher::feed`](super::Publisher::feed) |
//! | [`Flushing`] | [`Publisher::flush`](super::Publisher::flush) |
//! | [`Publishing`] | [`Publisher::send`](super::Publisher::send) |
//! | [`Requesting`] | [`RequestBuilder`](super::RequestBuilder) |
//! | [`Subscribing`] | [`SubscribeBuilder`](super::SubscribeBuilder) |
//! | [`Unsubscribing`] | [`Subscription::unsubscribe`](super::Subscription::unsubscribe) |
//! | [`Running`] | [`Runner::run`](super::Runner::run) after [`Subscription::handle_with`](super::Subscription::handle_with) |
//! | [`Beginning`] | [`Client::begin`](super::Client::begin) |
//! | [`Committing`] | [`Transaction::commit`](super::Transaction::commit) |
//! | [`Disconnecting`] | [`Client::disconnect`](super::Client::disconnect) |

pub use super::{
    handle::Disconnecting,
    publisher::{Feeding, Flushing, Publishing},
    request::Requesting,
    runner::{Running, Unnamed},
    send::Sending,
    subscription::Subscribing,
    transaction::{Beginning, Committing},
    unsubscribing::Unsubscribing,
};
