//! Handles messages until SIGTERM, then ends gracefully: `worker [URI]`.
//!
//! What is being handled is finished and acknowledged, for at most ten seconds; the rest stays with the broker.

use std::{convert::Infallible, error::Error};

use stomp_tokio::Delivery;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let uri = std::env::args().nth(1).unwrap_or_else(|| "tcp://guest:guest@127.0.0.1:61613".into());
    let client = stomp_tokio::connect(&uri).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let messages = client.subscribe("/queue/testOut").prefetch(20).await?;
    let handler = async |message: Delivery| {
        println!("{}", message.body().escape_ascii());
        Ok::<_, Infallible>(())
    };
    let stop = async move {
        terminate.recv().await;
    };
    let tally = messages.handle(handler).concurrency(10).until(stop).run().await?;
    client.disconnect().await?;
    println!("{} handled", tally.handled);
    Ok(())
}
