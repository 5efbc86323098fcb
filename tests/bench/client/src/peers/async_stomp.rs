//! async-stomp: a sink and a stream of frames. It matches no RECEIPTs, tells no subscriptions apart, and beats only if asked.

use std::{hint::black_box, net::SocketAddr, task::Poll};

use async_stomp::{
    AckMode, FromServer, Message, ToServer,
    client::{ClientTransport, Connector},
};
use futures_util::{SinkExt as _, StreamExt as _, poll};

use super::{CONNECTED, DESTINATION, Letter, RECEIVED, SENT, SUBSCRIPTION, order};
use crate::{contest::Peer, sink::BLAST};

pub(crate) struct AsyncStomp {
    transport: ClientTransport,
    letter: Letter,
    /// Whether what it sends is confirmed, and the number of RECEIPTs that were asked for.
    receipts: Option<u64>,
    /// Whether each frame is flushed, as its `send` does; by `feed` many leave in one write.
    flushes: bool,
    is_acked: bool,
}

impl AsyncStomp {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::sending(address, Letter::small(), false).await
    }

    pub(crate) async fn sending(address: SocketAddr, letter: Letter, is_confirmed: bool) -> Self {
        // The default is 10 MiB a frame.
        let connector =
            Connector::builder().server(address).virtualhost("/".to_owned()).max_frame_size(128 << 20);
        let transport = connector.connect().await.expect(CONNECTED);
        Self { transport, letter, receipts: is_confirmed.then_some(0), flushes: false, is_acked: false }
    }

    pub(crate) fn flushing(self) -> Self {
        Self { flushes: true, ..self }
    }

    fn message(&mut self) -> Message<ToServer> {
        if let Some(receipts) = &mut self.receipts {
            *receipts += 1;
        }
        let headers = self.letter.owned_headers(self.receipts);
        send(DESTINATION, headers, self.letter.body.clone())
    }

    async fn give(&mut self, message: Message<ToServer>) {
        let given = if self.flushes {
            self.transport.send(message).await
        } else {
            self.transport.feed(message).await
        };
        given.expect(SENT);
    }

    /// The next frame. What was fed leaves when there is none yet, and not before: that costs the least.
    async fn next(&mut self) -> FromServer {
        let next = match poll!(self.transport.next()) {
            Poll::Ready(next) => next,
            Poll::Pending => {
                self.transport.flush().await.expect(SENT);
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

impl Peer for AsyncStomp {
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
        let FromServer::Message { ack, body, .. } = self.next().await else { panic!("{RECEIVED}") };
        black_box(body);
        if self.is_acked {
            let ack = ToServer::Ack { id: ack.expect(RECEIVED), transaction: None };
            self.give(ack.into()).await;
        }
    }

    async fn feed(&mut self) {
        let message = self.message();
        self.give(message).await;
    }

    async fn flush(&mut self) {
        self.transport.flush().await.expect(SENT);
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
