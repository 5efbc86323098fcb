//! A web service that takes orders and hands them to a broker: `service [URI]`. Without a URI it uses a broker in this process.

use std::{error::Error, time::Duration};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use stomp_testkit::{broker::BrokerConfig, server::Server};
use stomp_tokio::{Client, SendError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = Server::start(BrokerConfig::default())?;
    let uri = std::env::args().nth(1).unwrap_or_else(|| broker.uri());
    let client = stomp_tokio::connect(&uri).await?;

    let routes = Router::new().route("/orders", post(order)).route("/health", get(health));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, routes.with_state(client.clone())).into_future());

    // Somebody who uses it.
    let mut caller = TcpStream::connect(address).await?;
    let request =
        "POST /orders HTTP/1.1\r\nhost: me\r\nconnection: close\r\ncontent-length: 10\r\n\r\none coffee";
    caller.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    caller.read_to_string(&mut answer).await?;

    client.disconnect().await?;
    println!("{}", answer.lines().next().unwrap_or_default());
    if answer.starts_with("HTTP/1.1 202") { Ok(()) } else { Err(answer.into()) }
}

/// Answers when the broker has the order, or when it cannot be known whether it has.
async fn order(State(client): State<Client>, order: String) -> StatusCode {
    let sent =
        client.send("/queue/orders", order).persistent().confirmed().timeout(Duration::from_secs(30)).await;
    match sent {
        Ok(()) => StatusCode::ACCEPTED,
        Err(SendError::Rejected(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The client reconnects by itself: nobody needs to restart the service.
async fn health(State(client): State<Client>) -> StatusCode {
    if client.connection().is_some() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
