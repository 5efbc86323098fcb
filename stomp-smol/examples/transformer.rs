//! Takes messages from one queue, sends what it makes of them to another, and acknowledges: `transformer [URI]`, until SIGTERM
//! or Ctrl-C.
//!
//! Two connections: RabbitMQ stops reading a connection that publishes when it runs short of memory, and with it the
//! acknowledgements that would help.

use std::error::Error;

use async_signal::{Signal, Signals};
use serde_json::{Value, json};
use smol::stream::StreamExt as _;
use stomp_smol::{Client, Forward, Message, OnFailure};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    smol::block_on(transform_all())
}

async fn transform_all() -> Result<(), Failure> {
    let uri = std::env::args().nth(1).unwrap_or_else(|| "tcp://guest:guest@127.0.0.1:61613".into());
    // Windows has no SIGTERM.
    let ends: &[Signal] = if cfg!(unix) { &[Signal::Term, Signal::Int] } else { &[Signal::Int] };
    let mut signals = Signals::new(ends.iter().copied())?;
    let (receiver, sender) = (stomp_smol::connect(&uri).await?, stomp_smol::connect(&uri).await?);
    let messages = receiver.subscribe("/queue/testIn").prefetch(20).await?;
    let tally = messages
        .handle(async |message| transform(&sender, &message).await)
        .concurrency(10)
        // One that cannot be read goes to the error queue instead of round in circles.
        .on_failure(OnFailure::Forward(Forward::to("/queue/testError")))
        .until(async move { drop(signals.next().await) })
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
