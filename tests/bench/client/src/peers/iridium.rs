//! iridium-stomp: a task behind channels. It matches RECEIPTs. It has no way to hand over several frames in one write, nor to wait
//! until what was handed over is on the wire, so that the last one is confirmed instead.

use std::{collections::VecDeque, hint::black_box, net::SocketAddr, time::Duration};

use futures_util::StreamExt as _;
use iridium_stomp::{
    AckMode, ConnectOptions, Connection, Frame, ReceiptHandle, Subscription, SubscriptionOptions,
};

use super::{CONNECTED, DESTINATION, Letter, RECEIVED, SENT, order};
use crate::{contest::Peer, sink::BLAST};

/// For a RECEIPT, as ours has it.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Iridium {
    connection: Connection,
    letter: Letter,
    is_confirmed: bool,
    subscription: Option<(Subscription, bool)>,
    waiting: VecDeque<ReceiptHandle>,
}

impl Iridium {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::sending(address, Letter::small(), false).await
    }

    pub(crate) async fn sending(address: SocketAddr, letter: Letter, is_confirmed: bool) -> Self {
        let options = ConnectOptions::default().max_frame_size(128 << 20);
        let address = address.to_string();
        let connection = Connection::connect_with_options(&address, "guest", "guest", "0,0", options);
        let connection = connection.await.expect(CONNECTED);
        Self { connection, letter, is_confirmed, subscription: None, waiting: VecDeque::new() }
    }

    fn frame(&self) -> Frame {
        let frame = Frame::new("SEND").header("destination", DESTINATION);
        let frame =
            self.letter.headers.iter().fold(frame, |frame, (name, value)| frame.header(*name, *value));
        frame.header("content-length", self.letter.body.len().to_string()).set_body(self.letter.body.clone())
    }
}

impl Peer for Iridium {
    async fn subscribe(&mut self, is_acked: bool) {
        let mode = if is_acked { AckMode::ClientIndividual } else { AckMode::Auto };
        // With its own limit of 1,024 a subscription does not survive a burst.
        let options = SubscriptionOptions::new().overflow_limit(usize::MAX);
        let subscription = self.connection.subscribe_with_options(DESTINATION, mode, options);
        self.subscription = Some((subscription.await.expect(CONNECTED), is_acked));
    }

    async fn order(&mut self, messages: usize, octets: usize) {
        let headers = order(messages, octets).into_iter();
        let frame = Frame::new("SEND").header("destination", BLAST);
        let frame = headers.fold(frame, |frame, (name, value)| frame.header(name, value));
        self.connection.send_frame(frame).await.expect(SENT);
    }

    async fn take(&mut self) {
        let (subscription, is_acked) = self.subscription.as_mut().expect(RECEIVED);
        let frame = subscription.next().await.expect(RECEIVED);
        black_box(&frame.body);
        if *is_acked {
            subscription.ack_frame(&frame).await.expect(SENT);
        }
    }

    async fn feed(&mut self) {
        let frame = self.frame();
        if self.is_confirmed {
            self.waiting.push_back(self.connection.send_frame_with_receipt(frame).await.expect(SENT));
        } else {
            self.connection.send_frame(frame).await.expect(SENT);
        }
    }

    async fn flush(&mut self) {
        if !self.is_confirmed {
            self.drain().await;
        }
    }

    async fn receipt(&mut self) {
        self.waiting.pop_front().expect(RECEIVED).wait(TIMEOUT).await.expect(SENT);
    }

    async fn drain(&mut self) {
        self.connection.send_frame_confirmed(self.frame(), TIMEOUT).await.expect(SENT);
    }
}
