//! Takes messages from one queue, sends what it makes of them to another, and acknowledges: `transformer [URI] [COUNT]`.
//!
//! Two connections: RabbitMQ stops reading a connection that publishes when it runs short of memory, and with it the
//! acknowledgements that would help.

use std::error::Error;

use serde_json::{Value, json};
use stomp_smol::{Client, Message, SendError};

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let uri = std::env::args().nth(1).unwrap_or_else(|| "tcp://guest:guest@127.0.0.1:61613".into());
    let count = std::env::args().nth(2).map_or(Ok(10), |count| count.parse())?;
    let (receiver, sender) = (stomp_smol::connect(&uri).await?, stomp_smol::connect(&uri).await?);
    let mut messages = receiver.subscribe("/queue/testIn").await?;
    for _ in 0..count {
        let Some(message) = messages.next().await else { break };
        forward(&sender, &message).await?;
        // Only now: whatever happens before, the broker still has the message.
        message.ack()?;
    }
    receiver.disconnect().await?;
    sender.disconnect().await?;
    Ok(())
}

/// Sends what the message becomes. One that cannot be read goes to the error queue instead of round in circles.
async fn forward(sender: &Client, message: &Message) -> Result<(), SendError> {
    let parsed = serde_json::from_slice::<Value>(message.body()).ok();
    match parsed.and_then(|value| value["count"].as_u64()) {
        Some(count) => {
            let body = json!({ "count": count + 1 }).to_string();
            sender.send("/queue/testOut", body).persistent().confirmed().await
        }
        None => sender.send("/queue/testError", message.body_bytes()).persistent().confirmed().await,
    }
}
