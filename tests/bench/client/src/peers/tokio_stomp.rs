//! tokio-stomp-2: a sink and a stream of frames, like async-stomp. It does not know the `ack` of a message, which is among the headers.

use std::{hint::black_box, net::SocketAddr, task::Poll};

use futures_util::{SinkExt, StreamExt as _, poll};
use tokio_stomp_2::{
    AckMode, FromServer, Message, ToServer,
    client::{ClientTransport, connect},
};

use super::{CONNECTED, DESTINATION, Letter, RECEIVED, SENT, SUBSCRIPTION, order};
use crate::{contest::Peer, sink::BLAST};

pub(crate) struct TokioStomp {
    transport: ClientTransport,
    letter: Letter,
    /// Whether what it sends is confirmed, and the number of RECEIPTs that were asked for.
    receipts: Option<u64>,
    is_acked: bool,
}

impl TokioStomp {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::sending(address, Letter::small(), false).await
    }

    pub(crate) async fn sending(address: SocketAddr, letter: Letter, is_confirmed: bool) -> Self {
        let transport = connect(address.to_string(), None, None).await.expect(CONNECTED);
        Self { transport, letter, receipts: is_confirmed.then_some(0), is_acked: false }
    }

    fn message(&mut self) -> Message<ToServer> {
        if let Some(receipts) = &mut self.receipts {
            *receipts += 1;
        }
        let headers = self.letter.owned_headers(self.receipts);
        send(DESTINATION, headers, self.letter.body.clone())
    }

    /// The next frame. What was fed leaves when there is none yet.
    async fn next(&mut self) -> FromServer {
        let next = match poll!(self.transport.next()) {
            Poll::Ready(next) => next,
            Poll::Pending => {
                self.flush().await;
                self.transport.next().await
            }
        };
        next.expect(RECEIVED).expect(RECEIVED).content
    }
}

fn send(destination: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Message<ToServer> {
    let (destination, headers, body) = (destination.to_owned(), Some(headers), Some(body));
    ToServer::Send { destination, transaction: None, headers, body }.into()
}

impl Peer for TokioStomp {
    async fn subscribe(&mut self, is_acked: bool) {
        self.is_acked = is_acked;
        let ack = Some(if is_acked { AckMode::ClientIndividual } else { AckMode::Auto });
        let (destination, id) = (DESTINATION.to_owned(), SUBSCRIPTION.to_owned());
        self.transport.send(ToServer::Subscribe { destination, id, ack }.into()).await.expect(SENT);
    }

    async fn order(&mut self, messages: usize, octets: usize) {
        let order = send(BLAST, order(messages, octets), Vec::new());
        self.transport.send(order).await.expect(SENT);
    }

    async fn take(&mut self) {
        let FromServer::Message { headers, body, .. } = self.next().await else { panic!("{RECEIVED}") };
        black_box(body);
        if self.is_acked {
            let (_, id) = headers.into_iter().find(|(name, _)| name == "ack").expect(RECEIVED);
            self.transport.feed(ToServer::Ack { id, transaction: None }.into()).await.expect(SENT);
        }
    }

    async fn feed(&mut self) {
        let message = self.message();
        self.transport.feed(message).await.expect(SENT);
    }

    async fn flush(&mut self) {
        SinkExt::<Message<ToServer>>::flush(&mut self.transport).await.expect(SENT);
    }

    async fn receipt(&mut self) {
        let FromServer::Receipt { receipt_id } = self.next().await else { panic!("{RECEIVED}") };
        black_box(receipt_id);
    }

    async fn drain(&mut self) {
        let receipt = vec![("receipt".to_owned(), "drained".to_owned())];
        self.transport.send(send(DESTINATION, receipt, Vec::new())).await.expect(SENT);
        self.receipt().await;
    }
}
