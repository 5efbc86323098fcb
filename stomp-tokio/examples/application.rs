//! How to test an application: with a broker in the process, which a test looks into and makes fail.

use std::{error::Error, time::Duration};

use stomp_testkit::{
    broker::{BrokerConfig, Denial, proto::Command},
    server::Server,
};
use stomp_tokio::{Client, Delivery, OnFailure};

/// The application: it writes an invoice for each order.
async fn bill(client: Client) -> Result<(), Box<dyn Error + Send + Sync>> {
    let orders = client.subscribe("/queue/orders").await?;
    let invoice = async move |order: Delivery| {
        let invoice = format!("{}: 2.80", order.body().escape_ascii());
        client.send("/queue/invoices", invoice).persistent().confirmed().await
    };
    // What fails goes back to the broker, which delivers it again.
    orders.handle(invoice).on_failure(OnFailure::Requeue).run().await?;
    Ok(())
}

/// The test.
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let broker = Server::start(BrokerConfig::rabbitmq())?;
    let order = |what: &'static str| broker.with(|broker| broker.publish("/queue/orders", what, &[]));
    let invoices = || broker.with(|broker| broker.messages("/queue/invoices"));
    let unacked = || broker.with(|broker| broker.unacked("/queue/orders"));
    let client = stomp_tokio::connect(&broker.uri()).await?;
    let application = tokio::spawn(bill(client.clone()));

    order("coffee");
    until("it writes an invoice", || invoices() == ["coffee: 2.80"] && unacked() == 0).await;

    broker.close_connections();
    order("tea");
    until("it comes back after a loss", || invoices().len() == 2 && unacked() == 0).await;

    let denial = Denial::of(Command::Send).at("/queue/invoices").saying("denied", "no invoices today");
    let denial = broker.with(|broker| broker.deny(denial));
    order("cocoa");
    until("the order waits", || unacked() == 1).await;
    broker.with(|broker| broker.lift(denial));
    until("no order is lost", || invoices().len() == 3 && unacked() == 0).await;

    client.disconnect().await?;
    application.await??;
    assert_eq!(invoices(), ["coffee: 2.80", "tea: 2.80", "cocoa: 2.80"]);
    Ok(())
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    println!("{what}");
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
