//! What is said once the handshake is over.

use stomp_session::{
    Lost, Unknown,
    client::{SendError, TlsBackend},
};
use stomp_testkit::tls::TlsFrontConfig;

use crate::{Bench, QUEUE, support::Adapter};

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
