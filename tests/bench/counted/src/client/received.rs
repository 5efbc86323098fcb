//! Messages that come in.

use std::{
    convert::Infallible,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use stomp_bench::workload::Workload;
use stomp_proto::AckMode;
use stomp_session::client::{Client, Delivery, Subscription};

use super::{MESSAGES, Task, line::Line, poll, still::Still};

/// Counts what was done.
type Count = Arc<AtomicU64>;

pub(super) fn received() -> Workload {
    workload(|client, count| async move {
        let mut messages = subscribed(&client, AckMode::Auto).await;
        while messages.next().await.is_some() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    })
}

pub(super) fn acknowledged() -> Workload {
    workload(|client, count| async move {
        let mut messages = subscribed(&client, AckMode::ClientIndividual).await;
        while let Some(message) = messages.next().await {
            message.ack().expect("the connection stands");
            count.fetch_add(1, Ordering::Relaxed);
        }
    })
}

pub(super) fn handled() -> Workload {
    workload(|client, count| async move {
        let handler = async |_: Delivery| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(())
        };
        let messages = subscribed(&client, AckMode::ClientIndividual).await;
        drop(messages.handle(handler).concurrency(10).run().await);
    })
}

async fn subscribed(client: &Client, mode: AckMode) -> Subscription {
    let subscribe = client.subscribe("/queue/orders.incoming").id("mine").prefetch(1000).ack(mode);
    subscribe.await.expect("it is confirmed")
}

/// A pass is over when all of its messages are counted.
fn workload<F: Future<Output = ()> + 'static>(consume: impl FnOnce(Client, Count) -> F) -> Workload {
    let line = Line::default();
    let built = Client::builder("tcp://broker").build_on(Arc::new(Still), Arc::new(line.clone()));
    let (client, driver) = built.expect("a URI");
    let count = Count::default();
    let mut driver: Task = Box::pin(driver.run());
    let mut consumer: Task = Box::pin(consume(client, Arc::clone(&count)));
    let mut turn = move || {
        assert!(poll(&mut driver).is_pending(), "the session lives");
        assert!(poll(&mut consumer).is_pending(), "it receives for ever");
    };
    for octets in ["", "CONNECTED\nversion:1.2\n\n\0", "RECEIPT\nreceipt-id:1\n\n\0"] {
        line.say(octets.as_bytes());
        (0..4).for_each(|_| turn());
    }
    let batch = message().repeat(MESSAGES as usize);
    let octets = batch.len() as u64;
    let mut wanted = 0;
    let pass = move || {
        line.say(&batch);
        wanted += MESSAGES;
        while count.load(Ordering::Relaxed) < wanted {
            turn();
        }
    };
    Workload { frames: MESSAGES, octets, pass: Box::new(pass) }
}

/// As large as the small frames of the other gates.
fn message() -> Vec<u8> {
    let head = "MESSAGE\nsubscription:mine\nmessage-id:T_mine@@session-1@@1\nack:T_mine@@session-1@@1\n\
                destination:/queue/orders.incoming\ncontent-type:application/json\npersistent:true\n";
    let body = r#"{"order": 4711, "coffees": 1000}"#;
    format!("{head}content-length:{}\n\n{body}\0", body.len()).into_bytes()
}
