//! Durable subscriptions to a topic: made, left, found again with what was collected, and deleted.

use super::{Bench, Case, next, run};
use crate::support::Adapter;
use stomp_session::client::{Client, Subscription};
use stomp_testkit::real::Feature;

/// All cases.
pub(crate) fn cases<A: Adapter>() -> [Case; 1] {
    [("a durable subscription", &[Feature::Durable], durable::<A>)]
}

fn durable<A: Adapter>(bench: &mut Bench<'_>) {
    // A name of digits is as good as any.
    let name = format!("47{}", std::process::id());
    let destination = format!("/topic/{}", bench.queue);
    let mut config = bench.config();
    config.add_connect_header("client-id", format!("{}-{name}", bench.queue));
    run::<A>(async {
        let (sender, _kill) = bench.client::<A>().await;
        let send = async |number: u32| {
            sender.send(&destination, number.to_string()).persistent().confirmed().await.unwrap();
        };
        let connect = async || bench.connect::<A>(config.clone()).await.unwrap();
        let subscribe = async |client: &Client| client.subscribe(&destination).durable(&name).await.unwrap();
        let (client, _kill) = connect().await;
        let mut messages = subscribe(&client).await;
        send(0).await;
        take::<A>(&mut messages, 0).await;
        // Left, and taken up again with what came meanwhile: on this connection, and on another one.
        messages.unsubscribe().await.unwrap();
        send(1).await;
        let mut messages = subscribe(&client).await;
        take::<A>(&mut messages, 1).await;
        bench.part(&client).await;
        send(2).await;
        let (client, _kill) = connect().await;
        let mut messages = subscribe(&client).await;
        take::<A>(&mut messages, 2).await;
        let connection = client.connection().unwrap().id;
        messages.delete().unwrap();
        // A receipt behind it: by then it is gone.
        client.send(&destination, "3").confirmed().await.unwrap();
        assert_eq!(client.connection().unwrap().id, connection, "deleting it costs no connection");
        bench.part(&client).await;
        send(4).await;
        let (client, _kill) = connect().await;
        let mut messages = subscribe(&client).await;
        send(5).await;
        take::<A>(&mut messages, 5).await;
        messages.delete().unwrap();
        bench.part(&client).await;
    });
}

async fn take<A: Adapter>(messages: &mut Subscription, number: u32) {
    let message = next::<A>(messages).await;
    assert_eq!(message.text().unwrap(), number.to_string());
    message.ack().unwrap();
}
