//! Sends ten messages, each confirmed by the broker: `producer [URI]`.

use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let uri = std::env::args().nth(1).unwrap_or_else(|| "tcp://guest:guest@127.0.0.1:61613".into());
    let client = stomp_tokio::connect(&uri).await?;
    for count in 0..10 {
        let body = format!(r#"{{"count": {count}}}"#);
        client
            .send("/queue/testIn", body)
            .header("content-type", "application/json")
            .persistent()
            .confirmed()
            .await?;
    }
    client.disconnect().await?;
    println!("10 sent");
    Ok(())
}
