//! A hundred requests at once, and their replies: `rpc [URI]`. Without a URI it uses a broker in this process.

use std::error::Error;

use stomp_testkit::{broker::BrokerConfig, server::Server};
use stomp_tokio::{Client, Delivery};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let broker = Server::start(BrokerConfig::default())?;
    let uri = std::env::args().nth(1).unwrap_or_else(|| broker.uri());

    // The one side: whatever comes is squared, a hundred at a time.
    let server = stomp_tokio::connect(&uri).await?;
    let numbers = server.subscribe("/queue/numbers").prefetch(100).await?;
    let replier = server.clone();
    let answer = async move |request: Delivery| square(&replier, &request).await;
    let serving = tokio::spawn(numbers.handle(answer).concurrency(100).run());

    // The other: each request is a future of its own, and its reply finds it.
    let client = stomp_tokio::connect(&uri).await?;
    let requests: Vec<_> = (0..100_u64)
        .map(|number| tokio::spawn(client.request("/queue/numbers", number.to_string()).into_future()))
        .collect();
    let mut sum = 0;
    for request in requests {
        sum += request.await??.text()?.parse::<u64>()?;
    }

    client.disconnect().await?;
    server.disconnect().await?;
    println!("{} answered, the sum of the squares is {sum}", serving.await??.handled);
    if sum == 328_350 { Ok(()) } else { Err("a wrong sum".into()) }
}

async fn square(client: &Client, request: &Delivery) -> Result<(), Failure> {
    let number: u64 = request.text()?.parse()?;
    Ok(client.reply(request, (number * number).to_string()).await?)
}
