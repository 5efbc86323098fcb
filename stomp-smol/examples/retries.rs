//! A worker that tries what fails three times, and then sets it aside: `retries [URI]`. Without a URI it uses a broker in this
//! process.

use std::{error::Error, time::Duration};

use stomp_smol::{Delivery, Forward, OnFailure};
use stomp_testkit::{broker::BrokerConfig, server::Server};

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let broker = Server::start(BrokerConfig::default())?;
    let uri = std::env::args().nth(1).unwrap_or_else(|| broker.uri());
    let client = stomp_smol::connect(&uri).await?;

    for order in ["coffee", "tea", "absinthe"] {
        client.send("/queue/orders", order).persistent().confirmed().await?;
    }

    // Two more attempts, after 10 and 20 ms. Then the order goes elsewhere, with the error as a header.
    let policy = OnFailure::Retry {
        attempts: 2,
        backoff: Duration::from_millis(10),
        then: Box::new(OnFailure::Forward(Forward::to("/queue/failed"))),
    };
    let mut failed = client.subscribe("/queue/failed").await?;
    let set_aside = async move {
        let Some(order) = failed.next().await else { return };
        println!("set aside: {}", order.body().escape_ascii());
        order.ack().expect("its connection stands");
    };

    let orders = client.subscribe("/queue/orders").await?;
    let tally = orders.handle(prepare).on_failure(policy).until(set_aside).run().await?;
    client.disconnect().await?;

    println!("{} handled, {} failed, {} retried", tally.handled, tally.failed, tally.retried);
    if (tally.handled, tally.failed, tally.retried) == (2, 1, 2) {
        Ok(())
    } else {
        Err("not as expected".into())
    }
}

/// A message is acknowledged when this has succeeded.
async fn prepare(order: Delivery) -> Result<(), String> {
    match order.body() {
        b"absinthe" => Err(format!("attempt {}: we have none", order.attempt())),
        other => {
            println!("prepared: {}", other.escape_ascii());
            Ok(())
        }
    }
}
