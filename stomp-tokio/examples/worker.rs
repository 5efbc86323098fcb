//! Handles messages until SIGTERM, then ends gracefully: `worker [URI]`. Where there is no SIGTERM, Ctrl-C takes its place.
//!
//! What is being handled is finished and acknowledged, for at most ten seconds; the rest stays with the broker.

use std::{convert::Infallible, error::Error, io};

use stomp_tokio::Delivery;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let uri = std::env::args().nth(1).unwrap_or_else(|| "tcp://guest:guest@127.0.0.1:61613".into());
    let client = stomp_tokio::connect(&uri).await?;
    let terminated = terminated()?;
    let messages = client.subscribe("/queue/testOut").prefetch(20).await?;
    let handler = async |message: Delivery| {
        println!("{}", message.body().escape_ascii());
        Ok::<_, Infallible>(())
    };
    let tally = messages.handle(handler).concurrency(10).until(terminated).run().await?;
    client.disconnect().await?;
    println!("{} handled", tally.handled);
    Ok(())
}

/// The signal is caught from the call on, not from the first poll.
#[cfg(unix)]
fn terminated() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        terminate.recv().await;
    })
}

#[cfg(not(unix))]
fn terminated() -> io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}
