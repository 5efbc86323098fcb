//! The first handler that one writes, spawned on tokio and on smol, over real sockets.

use stomp_testkit::{broker::BrokerConfig, server::Server};

const COUNT: usize = 20;

/// What both do: messages from one queue to another, until all have come.
macro_rules! relays {
    ($adapter:ident, $spawn:path) => {{
        let broker = Server::start(BrokerConfig::default())?;
        let client = $adapter::connect(&broker.uri()).await?;
        let orders = client.subscribe("/queue/orders").prefetch(10).await?;
        let mut parcels = client.subscribe("/queue/parcels").await?;

        let sender = client.clone();
        let running = $spawn(
            orders
                .handle(async move |order| {
                    sender.send("/queue/parcels", order.body_bytes()).confirmed().await
                })
                .concurrency(5)
                .run(),
        );
        for number in 0..COUNT {
            client.send("/queue/orders", number.to_string()).confirmed().await?;
        }
        for _ in 0..COUNT {
            parcels.next().await.ok_or("the end of the parcels")?.ack()?;
        }
        client.disconnect().await?;
        running
    }};
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::test]
async fn spawned_on_tokio() -> Result<(), Failed> {
    let running = relays!(stomp_tokio, tokio::spawn);
    assert_eq!(running.await??.handled, COUNT as u64);
    Ok(())
}

#[test]
fn spawned_on_smol() -> Result<(), Failed> {
    smol::block_on(async {
        let running = relays!(stomp_smol, smol::spawn);
        assert_eq!(running.await?.handled, COUNT as u64);
        Ok(())
    })
}
