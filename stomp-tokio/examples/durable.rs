//! A feed that misses nothing while its reader is away: `durable [URI]`. Without a URI it uses a broker in this process.

use std::error::Error;

use stomp_testkit::{broker::BrokerConfig, server::Server};
use stomp_tokio::{Client, Connect as _, ConnectError};

const FEED: &str = "/topic/prices";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = Server::start(BrokerConfig::default())?;
    let uri = std::env::args().nth(1).unwrap_or_else(|| broker.uri());

    // The reader comes once, so that the broker knows it, and leaves.
    let reader = connect_reader(&uri).await?;
    reader.subscribe(FEED).durable("dashboard").await?.unsubscribe().await?;
    reader.disconnect().await?;

    // Nobody is there. A plain subscription to a topic would miss all of this.
    let publisher = stomp_tokio::connect(&uri).await?;
    for price in ["2.70", "2.75", "2.80"] {
        publisher.send(FEED, price).persistent().confirmed().await?;
    }
    publisher.disconnect().await?;

    // It comes back, by the same names.
    let reader = connect_reader(&uri).await?;
    let mut prices = reader.subscribe(FEED).durable("dashboard").await?;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let price = prices.next().await.ok_or("the subscription has ended")?;
        println!("{}", price.text()?);
        seen.push(price.text()?.to_owned());
        price.ack()?;
    }

    // Until this the broker goes on collecting.
    prices.delete()?;
    reader.disconnect().await?;
    if seen == ["2.70", "2.75", "2.80"] { Ok(()) } else { Err("the feed has a gap".into()) }
}

/// ActiveMQ and Artemis know a durable subscription by the `client-id` of its reader and its name.
async fn connect_reader(uri: &str) -> Result<Client, ConnectError> {
    Client::builder(uri).connect_header("client-id", "the-dashboard").connect().await
}
