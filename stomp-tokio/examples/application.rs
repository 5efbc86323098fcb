//! How to test an application: with a broker in the process, which a test looks into and makes fail.

use std::{error::Error, time::Duration};

use stomp_testkit::{
    broker::{Answer, Broker, BrokerConfig, send},
    server::{Server, Wait},
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
    let client = stomp_tokio::connect(&broker.uri()).await?;
    let application = tokio::spawn(bill(client.clone()));

    order("coffee");
    until(&broker, "it writes an invoice", |broker| settled(broker, 1)).await?;

    broker.close_connections();
    order("tea");
    until(&broker, "it comes back after a loss", |broker| settled(broker, 2)).await?;

    let stub = broker.when(send().to("/queue/invoices")).reply(Answer::error("no invoices today"));
    order("cocoa");
    until(&broker, "the order waits", |broker| broker.unacked("/queue/orders") == 1).await?;
    broker.with(|broker| broker.remove_stub(stub));
    until(&broker, "no order is lost", |broker| settled(broker, 3)).await?;

    client.disconnect().await?;
    application.await??;
    let expected = ["coffee: 2.80", "tea: 2.80", "cocoa: 2.80"];
    broker.with(|broker| assert_eq!(broker.messages("/queue/invoices"), expected));
    Ok(())
}

fn settled(broker: &Broker, invoices: usize) -> bool {
    broker.depth("/queue/invoices") == invoices && broker.unacked("/queue/orders") == 0
}

/// The broker wakes it, and no clock. An error shows the broker's state.
fn until<C: FnMut(&Broker) -> bool>(broker: &Server, what: &str, is_so: C) -> Wait<C> {
    println!("{what}");
    broker.wait_for(Duration::from_secs(30), is_so)
}
