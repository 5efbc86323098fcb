//! stomp-tokio and stomp-smol: messages in bulk.

use std::net::SocketAddr;

use stomp_session::client::Publisher;

use super::{
    DESTINATION, Letter, SENT,
    ours::{How, Which, connect},
};
use crate::contest::{Peer, WINDOW};

pub(crate) struct Published {
    publisher: Publisher,
    body: Vec<u8>,
}

impl Published {
    pub(crate) async fn connect(which: Which, address: SocketAddr, letter: Letter, how: How) -> Self {
        let publisher = connect(which, address).await.publisher(DESTINATION).window(WINDOW);
        let publisher =
            letter.headers.iter().fold(publisher, |publisher, (name, value)| publisher.header(name, value));
        let publisher = match how {
            How::AtLeastOnce => publisher.at_least_once(),
            How::Confirmed => publisher.confirmed(),
            How::Plain => publisher,
        };
        Self { publisher: publisher.build().expect(SENT), body: letter.body }
    }
}

impl Peer for Published {
    async fn feed(&mut self) {
        self.publisher.feed(self.body.clone()).await.expect(SENT);
    }

    /// Where they are confirmed, this waits for all RECEIPTs.
    async fn flush(&mut self) {
        self.publisher.flush().await.expect(SENT);
    }
}
