//! Prints messages, and acknowledges each once it was printed: `consumer [URI] [COUNT]`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let uri = std::env::args().nth(1).unwrap_or_else(|| "tcp://guest:guest@127.0.0.1:61613".into());
    let count = std::env::args().nth(2).map_or(Ok(10), |count| count.parse())?;
    let client = stomp_smol::connect(&uri).await?;
    let mut messages = client.subscribe("/queue/testOut").await?;
    for _ in 0..count {
        let Some(message) = messages.next().await else { break };
        println!("{}", message.body().escape_ascii());
        message.ack()?;
    }
    client.disconnect().await?;
    Ok(())
}
