//! The messages of a subscription, until there is a reason to end.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use stomp_tokio::{Ended, Subscription, SubscriptionItem};
use tokio::time::{sleep, timeout};

use crate::{
    exit::{Code, Failure},
    run::{Link, Run},
};

/// What comes next.
#[allow(clippy::large_enum_variant, reason = "a box would be an allocation for each message")]
pub(crate) enum Arrival {
    Item(SubscriptionItem),
    /// Nothing has come for so long, on a connection that stood all the while.
    Quiet,
    Stopped(Code),
    Ended(Failure),
}

/// Waits for the next message, or for a reason to end. Without `idle`, quiet is no reason.
pub(crate) async fn next(
    run: &Run,
    link: &Link,
    subscription: &mut Subscription,
    idle: Option<Duration>,
) -> Arrival {
    loop {
        let before = link.client.connection().map(|connection| connection.id);
        tokio::select! {
            biased;
            code = run.stop.requested() => return Arrival::Stopped(code),
            item = async { subscription.items().next().await } => return arrived(item, subscription),
            () = sleep(idle.unwrap_or_default()), if idle.is_some() => {}
        }
        // A broker that is being restarted is not quiet.
        match link.client.connection().map(|connection| connection.id) {
            None => {
                if let Err(failure) = outage(run, link).await {
                    return Arrival::Ended(failure);
                }
            }
            stands if stands == before => return Arrival::Quiet,
            Some(_) => {}
        }
    }
}

/// What has come already, without a wait.
pub(crate) async fn next_now(subscription: &mut Subscription) -> Option<SubscriptionItem> {
    let mut items = subscription.items();
    let polled = poll_fn(|cx| {
        let next = pin!(items.next());
        Poll::Ready(next.poll(cx))
    });
    match polled.await {
        Poll::Ready(item) => item.filter(|item| !matches!(item, SubscriptionItem::BrowseEnd)),
        Poll::Pending => None,
    }
}

fn arrived(item: Option<SubscriptionItem>, subscription: &Subscription) -> Arrival {
    match (item, subscription.ended()) {
        (Some(SubscriptionItem::BrowseEnd), _) | (None, Some(Ended::Browsed)) => Arrival::Quiet,
        (Some(item), _) => Arrival::Item(item),
        (None, Some(Ended::Closed(closed))) => Arrival::Ended(closed.clone().into()),
        (None, Some(ended)) => Arrival::Ended(Failure::new(Code::Failed, ended.to_string())),
        (None, None) => Arrival::Ended(Failure::new(Code::Failed, "the subscription has ended")),
    }
}

/// Waits for the end of an outage.
async fn outage(run: &Run, link: &Link) -> Result<(), Failure> {
    tokio::select! {
        code = run.stop.requested() => Err(Failure::new(code, "ended by a signal")),
        connected = timeout(run.patience(), link.client.connected()) => match connected {
            Ok(connected) => connected.map(|_| ()).map_err(Failure::from),
            Err(_) => Err(run.no_connection(&link.news)),
        },
    }
}
