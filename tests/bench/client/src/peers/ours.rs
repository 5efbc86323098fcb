//! stomp-tokio and stomp-smol: messages one by one.

use std::{collections::VecDeque, hint::black_box, net::SocketAddr, pin::Pin, time::Duration};

use futures_util::{
    future::{MaybeDone, maybe_done},
    poll,
};
use stomp_proto::AckMode;
use stomp_session::client::{Builder, Client, PreparedSend, SendBuilder, Subscription};

use super::{CONNECTED, DESTINATION, Letter, RECEIVED, SENT, SUBSCRIPTION, order};
use crate::{
    contest::{Peer, WINDOW},
    sink::BLAST,
};

/// Which of them, as its README connects it: the driver is a task of the runtime's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    Smol,
    Tokio,
}

pub(crate) async fn connect(which: Which, address: SocketAddr) -> Client {
    // As many un-receipted messages that are sent at least once as the other windows have.
    let builder = Client::builder(format!("tcp://{address}")).at_least_once_window(WINDOW);
    connect_as(which, builder).await
}

/// That sends a heart-beat each time this has passed, or none.
pub(crate) async fn connect_beating(which: Which, address: SocketAddr, beat: Duration) -> Client {
    connect_as(which, Client::builder(format!("tcp://{address}")).heart_beats(beat, Duration::ZERO)).await
}

async fn connect_as(which: Which, builder: Builder) -> Client {
    match which {
        Which::Smol => stomp_smol::Connect::connect(builder).await,
        Which::Tokio => stomp_tokio::Connect::connect(builder).await,
    }
    .expect(CONNECTED)
}

pub(crate) async fn subscribe(client: &Client, is_acked: bool) -> Subscription {
    let mode = if is_acked { AckMode::ClientIndividual } else { AckMode::Auto };
    client.subscribe(DESTINATION).id(SUBSCRIPTION).ack(mode).await.expect(CONNECTED)
}

pub(crate) async fn blast(client: &Client, messages: usize, octets: usize) {
    let headers = order(messages, octets);
    let send = client.send(BLAST, "");
    headers.iter().fold(send, |send, (name, value)| send.header(name, value)).await.expect(SENT);
}

/// How its messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    AtLeastOnce,
    Confirmed,
    Plain,
}

type Sending = <SendBuilder as IntoFuture>::IntoFuture;

/// Receives, and sends by a future for each message, which is awaited.
pub(crate) struct Single {
    client: Client,
    subscription: Option<(Subscription, bool)>,
    letter: Letter,
    how: How,
    prepared: Option<PreparedSend>,
    /// Those that may wait for their RECEIPT, the oldest first.
    waiting: VecDeque<MaybeDone<Sending>>,
}

impl Single {
    pub(crate) async fn connect(which: Which, address: SocketAddr) -> Self {
        Self::sending(which, address, Letter::small(), How::Plain).await
    }

    pub(crate) async fn sending(which: Which, address: SocketAddr, letter: Letter, how: How) -> Self {
        let client = connect(which, address).await;
        Self { client, subscription: None, letter, how, prepared: None, waiting: VecDeque::new() }
    }

    /// The headers are checked and escaped once.
    pub(crate) async fn prepared(which: Which, address: SocketAddr, letter: Letter, how: How) -> Self {
        let mut single = Self::sending(which, address, letter, how).await;
        single.prepared = Some(single.builder().prepare().expect(SENT));
        single
    }

    fn builder(&self) -> SendBuilder {
        let send = self.client.send(DESTINATION, self.letter.body.clone());
        let send = self.letter.headers.iter().fold(send, |send, (name, value)| send.header(name, value));
        match self.how {
            How::AtLeastOnce => send.at_least_once(),
            How::Confirmed => send.confirmed(),
            How::Plain => send,
        }
    }

    fn sent(&self) -> Sending {
        match &self.prepared {
            Some(prepared) => prepared.send(self.letter.body.clone()),
            None => self.builder().into_future(),
        }
    }
}

impl Peer for Single {
    async fn subscribe(&mut self, is_acked: bool) {
        self.subscription = Some((subscribe(&self.client, is_acked).await, is_acked));
    }

    async fn order(&mut self, messages: usize, octets: usize) {
        blast(&self.client, messages, octets).await;
    }

    async fn take(&mut self) {
        let (subscription, is_acked) = self.subscription.as_mut().expect(RECEIVED);
        let message = subscription.next().await.expect(RECEIVED);
        black_box(message.body());
        if *is_acked {
            message.ack().expect(SENT);
        }
    }

    async fn feed(&mut self) {
        let sending = self.sent();
        if self.how == How::Plain {
            return sending.await.expect(SENT);
        }
        // It is handed over at the first poll; its RECEIPT is awaited later.
        let mut sending = maybe_done(sending);
        _ = poll!(&mut sending);
        self.waiting.push_back(sending);
    }

    async fn flush(&mut self) {
        if self.how == How::Plain {
            self.client.flush().await.expect(SENT);
        }
    }

    async fn receipt(&mut self) {
        let mut sending = self.waiting.pop_front().expect(RECEIVED);
        (&mut sending).await;
        Pin::new(&mut sending).take_output().expect(RECEIVED).expect(SENT);
    }

    async fn drain(&mut self) {
        self.client.send(DESTINATION, "").confirmed().await.expect(SENT);
    }
}
