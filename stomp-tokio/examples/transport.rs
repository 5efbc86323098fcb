//! A transport that you write: through an HTTP proxy, which is in this process. `transport [URI]`: without a URI so is the broker.

use std::{error::Error, io, net::SocketAddr, sync::Arc};

use stomp_testkit::{broker::BrokerConfig, server::Server};
use stomp_tokio::{
    Client, Compat, Connect as _, Connector, Dial, Endpoint, TlsConfig, Tokio, TransportStream,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

struct Proxy {
    address: SocketAddr,
    /// Speaks TLS where the URI says ssl://: the proxy sees none of it.
    dial: Dial<Tokio>,
}

impl Connector for Proxy {
    type Stream = TransportStream;

    async fn connect(&self, endpoint: &Endpoint, _attempt: u32) -> io::Result<TransportStream> {
        let mut stream = TcpStream::connect(self.address).await?;
        let broker = format!("{}:{}", endpoint.host(), endpoint.port());
        stream.write_all(format!("CONNECT {broker} HTTP/1.1\r\nHost: {broker}\r\n\r\n").as_bytes()).await?;
        if !read_head(&mut stream).await?.starts_with("HTTP/1.1 200") {
            return Err(io::Error::other("the proxy refuses"));
        }
        self.dial.secure(endpoint, Compat::from(stream)).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = Server::start(BrokerConfig::default())?;
    let uri = std::env::args().nth(1).unwrap_or_else(|| broker.uri());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (address, dial) = (listener.local_addr()?, Dial::new(Arc::new(Tokio::new()), TlsConfig::default()));
    tokio::spawn(serve(listener));
    let client = Client::builder(uri).connect_via(Proxy { address, dial }).await?;
    client.send("/queue/orders", "one coffee").confirmed().await?;
    client.disconnect().await?;
    println!("sent through the proxy");
    Ok(())
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    let (mut client, _) = listener.accept().await?;
    let head = read_head(&mut client).await?;
    let mut broker = TcpStream::connect(head.split(' ').nth(1).unwrap_or("")).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut broker).await.map(drop)
}

async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(stream.read_u8().await?.into());
    }
    Ok(head)
}
