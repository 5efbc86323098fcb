//! What a frame may hold: a broker that is given more ends the connection without a word.

use super::{Bench, Case, next, run};
use crate::support::Adapter;
use stomp_testkit::real::Feature::FrameLimit;

/// All cases.
pub(crate) fn cases<A: Adapter>() -> [Case; 1] {
    [("takes a frame as large as may be", &[FrameLimit], largest::<A>)]
}

/// The largest body, and nearly as many headers as are allowed, go there and come back.
fn largest<A: Adapter>(bench: &mut Bench<'_>) {
    let limits = bench.description.behaviour.limits;
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let before = client.connection().unwrap().id;
        let mut messages = client.subscribe(&bench.destination()).await.unwrap();
        if let Some(octets) = limits.body {
            // The limit is that of the frame: its headers come on top.
            let body = vec![b'x'; octets - 1000];
            client.send(&bench.destination(), body.clone()).confirmed().await.unwrap();
            let message = next::<A>(&mut messages).await;
            assert!(message.body() == body, "the body came as it went");
            message.ack().unwrap();
        }
        if let Some(headers) = limits.headers {
            let mut send = client.send(&bench.destination(), "many");
            // Some are the client's own, and the broker adds some.
            for number in 0..headers - 20 {
                send = send.header(format!("header-{number}"), "value");
            }
            send.confirmed().await.unwrap();
            next::<A>(&mut messages).await.ack().unwrap();
        }
        assert_eq!(client.connection().unwrap().id, before, "the connection lives");
        bench.part(&client).await;
    });
}
