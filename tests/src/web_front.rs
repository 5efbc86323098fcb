//! A WebSocket in front of a broker that does not support it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use futures_lite::future;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::Mutex,
};

use crate::{
    port::Port,
    server::line::{Came, Line},
};

/// A port that takes WebSockets, or plain STOMP, and forwards what was said to a broker.
///
/// Handshakes are taken with any path and any headers.
///
/// ```
/// use stomp_testkit::{broker::BrokerConfig, server::Server, web_front::WebFront};
///
/// let server = Server::start(BrokerConfig::default())?;
/// let front = WebFront::start(server.address())?;
/// assert!(front.uri().starts_with("ws://guest:guest@localhost:"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct WebFront {
    port: Port,
}

impl WebFront {
    /// Starts a front for the broker at this address, on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Returns an error if no port can be opened.
    pub fn start(broker: SocketAddr) -> io::Result<Self> {
        Ok(Self { port: Port::open((Ipv4Addr::LOCALHOST, 0), move |client| serve(client, broker))? })
    }

    /// Returns the address on which the front listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Returns a URI with which a client can connect and log in. Its host is `localhost`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("ws://guest:guest@localhost:{}/ws", self.address().port())
    }
}

async fn serve(mut client: TcpStream, broker: SocketAddr) -> io::Result<()> {
    let mut broker = TcpStream::connect(broker).await?;
    broker.set_nodelay(true)?;
    let line = Line::new(true);
    let (client, to_client) = client.split();
    let (from_broker, mut to_broker) = broker.split();
    // What is encoded first is written first.
    let to_client = Mutex::new(to_client);
    let request = async {
        let ended = from_client(&line, client, &to_client, &mut to_broker).await;
        // When the client ends, the broker notices and closes. Then the client notices, and the connection is over.
        _ = to_broker.shutdown().await;
        match ended {
            Ok(()) => future::pending().await,
            Err(error) => Err(error),
        }
    };
    future::or(forward(&line, from_broker, &to_client), request).await
}

async fn from_client(
    line: &Line,
    mut client: ReadHalf<'_>,
    to_client: &Mutex<WriteHalf<'_>>,
    broker: &mut WriteHalf<'_>,
) -> io::Result<()> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let count = client.read(&mut buffer).await?;
        let octets = buffer.get(..count).unwrap_or_default();
        if octets.is_empty() {
            return Ok(());
        }
        match line.came(octets) {
            Came::Plain => broker.write_all(octets).await?,
            Came::Read { payload, answer, ended } => {
                if !answer.is_empty() {
                    to_client.lock().await.write_all(&answer).await?;
                }
                broker.write_all(&payload).await?;
                if ended {
                    return Ok(());
                }
            }
        }
    }
}

async fn forward(line: &Line, mut broker: ReadHalf<'_>, to_client: &Mutex<WriteHalf<'_>>) -> io::Result<()> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let count = broker.read(&mut buffer).await.unwrap_or_default();
        let octets = buffer.get(..count).unwrap_or_default();
        let mut client = to_client.lock().await;
        if octets.is_empty() {
            client.write_all(&line.close()).await?;
            return client.shutdown().await;
        }
        client.write_all(&line.say(octets)).await?;
    }
}
