//! What is said once the handshake is over.

use stomp_session::{
    Lost, Unknown,
    client::{SendError, TlsBackend},
};
use stomp_testkit::tls::TlsFrontConfig;

use crate::{Bench, QUEUE, support::Adapter};

pub(crate) async fn messages_go_both_ways<A: Adapter>(backend: TlsBackend) {
    let bench = Bench::new(TlsFrontConfig::default());
    let (client, _kill) = bench.client::<A>(backend).await;
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    let large: Vec<u8> = (0..8 * 1024 * 1024_u32).map(|number| (number >> 3) as u8).collect();
    for body in [b"small".to_vec(), large, Vec::new()] {
        client.send(QUEUE, body.clone()).confirmed().await.unwrap();
        let message = messages.next().await.unwrap();
        assert!(message.body() == body, "the body came as it went");
        message.ack().unwrap();
    }
    client.disconnect().await.unwrap();
    assert_eq!(bench.server.with(|broker| broker.unacked(QUEUE)), 0);
}

pub(crate) async fn a_lost_connection_is_made_again<A: Adapter>(backend: TlsBackend) {
    let bench = Bench::new(TlsFrontConfig::default());
    let uri = format!("failover:({})?useExponentialBackOff=false", bench.front.uri());
    let (client, _kill) = A::start(crate::config(&uri), bench.settings(backend));
    client.connected().await.unwrap();
    let mut messages = client.subscribe(QUEUE).await.unwrap();
    for round in 0..20 {
        bench.server.close_connections();
        bench.server.with(|broker| broker.publish(QUEUE, format!("{round}"), &[]));
        let message = messages.next().await.unwrap();
        assert_eq!(message.body(), format!("{round}").as_bytes());
        message.ack().unwrap();
        // Until the broker has the ACK, closing again would bring the message again.
        client.send("/queue/other", "").confirmed().await.unwrap();
    }
}

pub(crate) async fn an_end_is_an_end_with_and_without_a_farewell<A: Adapter>(backend: TlsBackend) {
    for farewell in [true, false] {
        let mut config = TlsFrontConfig::default();
        config.farewell = farewell;
        let bench = Bench::new(config);
        let (client, _kill) = bench.client::<A>(backend).await;
        bench.server.with(|broker| broker.drop_receipts(true));
        let waiting = client.send(QUEUE, "").confirmed();
        let cut = async {
            // The SEND is there: its end is not that of a write.
            while bench.server.with(|broker| broker.depth(QUEUE)) == 0 {
                futures_lite::future::yield_now().await;
            }
            bench.server.close_connections();
        };
        let (sent, ()) = futures_lite::future::zip(async { waiting.await }, cut).await;
        assert_eq!(sent, Err(SendError::Unknown(Unknown::Lost(Lost::Eof))), "farewell: {farewell}");
    }
}
