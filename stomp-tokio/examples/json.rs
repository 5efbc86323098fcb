//! Values of the program as JSON bodies, there and back: `json [URI]`. Without a URI it uses a broker in this process.

use std::error::Error;

use serde::{Deserialize, Serialize};
use stomp_testkit::{broker::BrokerConfig, server::Server};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    count: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = Server::start(BrokerConfig::default())?;
    let uri = std::env::args().nth(1).unwrap_or_else(|| broker.uri());
    let client = stomp_tokio::connect(&uri).await?;
    let mut orders = client.subscribe("/queue/orders").await?;

    let sent = Order { item: "coffee".into(), count: 2 };
    client.send("/queue/orders", "").json(&sent)?.persistent().confirmed().await?;

    let message = orders.next().await.ok_or("the subscription has ended")?;
    let received: Order = message.json()?;
    message.ack()?;
    println!("{} of {}", received.count, received.item);

    // What is not what was expected is an error that shows nothing of the body.
    client.send("/queue/orders", r#"{"item": "coffee", "count": "two"}"#).confirmed().await?;
    let message = orders.next().await.ok_or("the subscription has ended")?;
    let refused = message.json::<Order>().expect_err("two is no number");
    message.ack()?;
    println!("{refused}");

    client.disconnect().await?;
    if received == sent { Ok(()) } else { Err("it came back changed".into()) }
}
