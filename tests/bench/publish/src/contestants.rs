//! Those who publish: each sends a number of messages over a connection that stands, and returns when all of them are on the
//! wire, or confirmed.

use std::{future::Future, net::SocketAddr, pin::Pin};

use async_stomp::{
    Message, ToServer,
    client::{ClientTransport, Connector},
};
use futures_util::{SinkExt as _, StreamExt as _};
use stomp_bench::corpus::{self, Send};
use stomp_tokio::{Client, PreparedSend, Publisher, PublisherBuilder, SendBuilder};

/// Messages that wait for their RECEIPT at most.
pub(crate) const WINDOW: usize = 1_000;

pub(crate) type Work<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// What is measured.
pub(crate) trait Contestant {
    fn send(&mut self, messages: usize) -> Work<'_>;
}

const SENT: &str = "the sink takes everything";

/// The message that all send: 32 octets that its sender owns, as each message has others. The peer is given its
/// `content-length`, since it writes one only when it must.
fn message() -> Send {
    corpus::sends().swap_remove(0)
}

async fn client(address: SocketAddr) -> Client {
    stomp_tokio::connect(&format!("tcp://{address}")).await.expect("the sink lets everybody in")
}

fn publisher(client: &Client, message: &Send) -> PublisherBuilder {
    let publisher = client.publisher(message.destination).window(WINDOW);
    message.headers.iter().fold(publisher, |publisher, (name, value)| publisher.header(name, value))
}

fn single(client: &Client, message: &Send) -> SendBuilder {
    let send = client.send(message.destination, message.body.clone());
    message.headers.iter().fold(send, |send, (name, value)| send.header(name, value))
}

/// Our publisher.
pub(crate) struct Bulk {
    publisher: Publisher,
    body: Vec<u8>,
}

impl Bulk {
    pub(crate) async fn connect(address: SocketAddr, confirmed: bool) -> Box<dyn Contestant> {
        let message = message();
        let publisher = publisher(&client(address).await, &message);
        let publisher = if confirmed { publisher.confirmed() } else { publisher };
        Box::new(Self { publisher: publisher.build().expect(SENT), body: message.body })
    }
}

impl Contestant for Bulk {
    fn send(&mut self, messages: usize) -> Work<'_> {
        Box::pin(async move {
            for _ in 0..messages {
                self.publisher.feed(self.body.clone()).await.expect(SENT);
            }
            self.publisher.flush().await.expect(SENT);
        })
    }
}

/// Our single sends, one after the other; the last one is confirmed, so that all have left.
pub(crate) struct Single {
    client: Client,
    message: Send,
    prepared: Option<PreparedSend>,
}

impl Single {
    pub(crate) async fn connect(address: SocketAddr, is_prepared: bool) -> Box<dyn Contestant> {
        let (client, message) = (client(address).await, message());
        let prepared = is_prepared.then(|| single(&client, &message).prepare().expect(SENT));
        Box::new(Self { client, message, prepared })
    }
}

impl Contestant for Single {
    fn send(&mut self, messages: usize) -> Work<'_> {
        Box::pin(async move {
            for _ in 0..messages {
                match &self.prepared {
                    Some(prepared) => prepared.send(self.message.body.clone()).await.expect(SENT),
                    None => single(&self.client, &self.message).await.expect(SENT),
                }
            }
            single(&self.client, &self.message).confirmed().await.expect(SENT);
        })
    }
}

/// async-stomp's `feed`.
pub(crate) struct Feed {
    transport: ClientTransport,
    message: Send,
    confirmed: bool,
    receipts: u64,
}

impl Feed {
    pub(crate) async fn connect(address: SocketAddr, confirmed: bool) -> Box<dyn Contestant> {
        let connector = Connector::builder().server(address).virtualhost("/".to_owned());
        let transport = connector.connect().await.expect("the sink lets everybody in");
        Box::new(Self { transport, message: message(), confirmed, receipts: 0 })
    }

    fn message(&mut self) -> Message<ToServer> {
        let Send { destination, headers, body, .. } = &self.message;
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut headers: Vec<_> = headers.iter().map(owned).collect();
        headers.push(("content-length".to_owned(), body.len().to_string()));
        if self.confirmed {
            self.receipts += 1;
            headers.push(("receipt".to_owned(), self.receipts.to_string()));
        }
        let (destination, body) = ((*destination).to_owned(), Some(body.clone()));
        ToServer::Send { destination, transaction: None, headers: Some(headers), body }.into()
    }

    async fn send_window(&mut self, messages: usize) {
        for _ in 0..messages {
            let message = self.message();
            self.transport.feed(message).await.expect(SENT);
        }
        self.transport.flush().await.expect(SENT);
        for _ in 0..if self.confirmed { messages } else { 0 } {
            self.transport.next().await.expect("a RECEIPT").expect("a RECEIPT");
        }
    }
}

impl Contestant for Feed {
    fn send(&mut self, messages: usize) -> Work<'_> {
        Box::pin(async move {
            let window = if self.confirmed { WINDOW } else { messages };
            let mut left = messages;
            while left > 0 {
                let now = left.min(window);
                self.send_window(now).await;
                left -= now;
            }
        })
    }
}
