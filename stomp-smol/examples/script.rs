//! A script that waits for each thing it does: `script [URI]`. Without a URI it uses a broker in this process.

use std::{error::Error, time::Duration};

use stomp_smol::blocking::{self, Wait as _};
use stomp_testkit::{broker::BrokerConfig, server::Server};

fn main() -> Result<(), Box<dyn Error>> {
    let broker = Server::start(BrokerConfig::default())?;
    let uri = std::env::args().nth(1).unwrap_or_else(|| broker.uri());
    let client = blocking::connect(&uri)?;

    for order in ["coffee", "tea", "cocoa"] {
        client.send("/queue/orders", order).persistent().confirmed().wait()?;
    }

    // An iterator, which would end if none came for half a minute.
    let mut orders = client.subscribe("/queue/orders").wait()?;
    let mut drunk = Vec::new();
    for order in blocking::within(&mut orders, Duration::from_secs(30)).take(3) {
        drunk.push(order.text()?.to_owned());
        order.ack()?;
    }

    // Dropped, it would do the same, and tell nobody.
    client.disconnect().wait()?;
    println!("drunk: {}", drunk.join(", "));
    if drunk == ["coffee", "tea", "cocoa"] { Ok(()) } else { Err("not what was ordered".into()) }
}
