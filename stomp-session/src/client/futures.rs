//! The futures that the client's methods return, for code that must name their types.
//!
//! | future | returned by |
//! | --- | --- |
//! | [`Sending`] | [`SendBuilder`](super::SendBuilder), [`PreparedSend::send`](super::PreparedSend::send) |
//! | [`Feeding`] | [`Publisher::feed`](super::Publisher::feed) |
//! | [`PublisherFlushing`] | [`Publisher::flush`](super::Publisher::flush) |
//! | [`Flushing`] | [`Client::flush`](super::Client::flush) |
//! | [`Publishing`] | [`Publisher::send`](super::Publisher::send) |
//! | [`Requesting`] | [`RequestBuilder`](super::RequestBuilder) |
//! | [`Subscribing`] | [`SubscribeBuilder`](super::SubscribeBuilder) |
//! | [`Unsubscribing`] | [`Subscription::unsubscribe`](super::Subscription::unsubscribe) |
//! | [`Running`] | [`Runner::run`](super::Runner::run) after [`Subscription::handle_with`](super::Subscription::handle_with) |
//! | [`Beginning`] | [`Client::begin`](super::Client::begin) |
//! | [`Committing`] | [`Transaction::commit`](super::Transaction::commit) |
//! | [`Acknowledging`] | [`Message::ack_confirmed`](super::Message::ack_confirmed), [`Delivery::ack_confirmed`](super::Delivery::ack_confirmed) |
//! | [`Reconnecting`] | [`ReconnectBuilder`](super::ReconnectBuilder) |
//! | [`Disconnecting`] | [`Client::disconnect`](super::Client::disconnect) |

pub use super::{
    handle::{Disconnecting, Flushing},
    message::Acknowledging,
    publisher::{Feeding, PublisherFlushing, Publishing},
    reconnecting::Reconnecting,
    request::Requesting,
    runner::{Running, Unnamed},
    send::Sending,
    subscription::Subscribing,
    transaction::{Beginning, Committing},
    unsubscribing::Unsubscribing,
};
