//! Takes messages from one queue, sends what it makes of them to another, and acknowledges: `transformer [URI]`, until Ctrl-C.
//!
//! Two connections: RabbitMQ stops reading a connection that publishes when it runs short of memory, and with it the
//! acknowledgements that would help.

use std::error::Error;

use serde_json::{Value, json};
use stomp_tokio::{Client, Forward, Message, OnFailure};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let uri = std::env::args().nth(1).unwrap_or_else(|| "tcp://guest:guest@127.0.0.1:61613".into());
    let (receiver, sender) = (stomp_tokio::connect(&uri).await?, stomp_tokio::connect(&uri).await?);
    let messages = receiver.subscribe("/queue/testIn").prefetch(20).await?;
    let tally = messages
        .handle(async |message| transform(&sender, &message).await)
        .concurrency(10)
        // One that cannot be read goes to the error queue instead of round in circles.
        .on_failure(OnFailure::Forward(Forward::to("/queue/testError")))
        .until(async { drop(tokio::signal::ctrl_c().await) })
        .run()
        .await?;
    receiver.disconnect().await?;
    sender.disconnect().await?;
    println!("{} transformed, {} failed", tally.handled, tally.failed);
    Ok(())
}

/// The message is acknowledged when this has succeeded: whatever happens before, the broker still has it.
async fn transform(sender: &Client, message: &Message) -> Result<(), Failure> {
    let value: Value = serde_json::from_slice(message.body())?;
    let count = value["count"].as_u64().ok_or("a message without a count")?;
    let body = json!({ "count": count + 1 }).to_string();
    Ok(sender.send("/queue/testOut", body).persistent().confirmed().await?)
}
