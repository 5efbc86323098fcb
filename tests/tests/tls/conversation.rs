//! What is said once the handshake is over.

use stomp_session::{
    Lost, Unknown,
    client::{SendError, TlsBackend},
};
use stomp_testkit::{server::received, tls::TlsFrontConfig};

use crate::{
    Bench, QUEUE,
    support::{Adapter, PATIENCE},
};

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
            bench.server.wait_for(PATIENCE, received(QUEUE, 1)).await.unwrap();
            bench.server.close_connections();
        };
        let (sent, ()) = futures_lite::future::zip(async { waiting.await }, cut).await;
        assert_eq!(sent, Err(SendError::Unknown(Unknown::Lost(Lost::Eof))), "farewell: {farewell}");
    }
}

/// Whoever listens in on the way could end the connection for us: so the broker is told by TLS that the end is ours (RFC 8446,
/// section 6.1), by the time that the program knows of it.
pub(crate) async fn a_graceful_end_says_goodbye<A: Adapter>(backend: TlsBackend) {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut config = TlsFrontConfig::default();
        config.versions = vec![version];
        let bench = Bench::new(config);
        let (client, _kill) = bench.client::<A>(backend).await;
        client.send(QUEUE, "").confirmed().await.unwrap();
        client.disconnect().await.unwrap();
        assert_eq!(end::<A>(&bench).await, [true], "{version:?}: after disconnect()");

        let bench = Bench::new(TlsFrontConfig::default());
        let (client, kill) = bench.client::<A>(backend).await;
        drop(client);
        assert_eq!(end::<A>(&bench).await, [true], "{version:?}: after the last handle");
        drop(kill);

        // What is killed has no time for it.
        let bench = Bench::new(TlsFrontConfig::default());
        let (_client, kill) = bench.client::<A>(backend).await;
        kill();
        assert_eq!(end::<A>(&bench).await, [false], "{version:?}: killed");
    }
}

async fn end<A: Adapter>(bench: &Bench) -> Vec<bool> {
    A::within(PATIENCE, bench.front.ended(1)).await.expect("an end of the connection")
}
