//! stomp-tokio: a handler for each message.

use std::{
    convert::Infallible,
    hint::black_box,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use stomp_session::client::{Client, Delivery};
use tokio::sync::Notify;

use super::{
    DESTINATION, SENT,
    ours::{Which, blast, connect, subscribe},
};
use crate::contest::{Contestant, Start, Work};

/// Handlers that may run at a time.
const CONCURRENCY: usize = 10;

/// A runner that is a task of tokio's.
struct Handled {
    client: Client,
    progress: Arc<Progress>,
    is_acked: bool,
    octets: usize,
}

/// Counts down.
#[derive(Default)]
struct Progress {
    left: AtomicUsize,
    done: Notify,
}

impl Progress {
    fn count(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.notify_one();
        }
    }
}

pub(crate) fn handle(address: SocketAddr, is_acked: bool, octets: usize) -> Start {
    Box::pin(async move {
        let client = connect(Which::Tokio, address).await;
        let progress = Arc::new(Progress::default());
        let counted = Arc::clone(&progress);
        let handler = async move |message: Delivery| {
            black_box(message.body());
            counted.count();
            Ok::<_, Infallible>(())
        };
        let runner = subscribe(&client, is_acked).await.handle(handler).concurrency(CONCURRENCY);
        tokio::spawn(runner.run());
        let handled: Box<dyn Contestant> = Box::new(Handled { client, progress, is_acked, octets });
        handled
    })
}

impl Contestant for Handled {
    fn run(&mut self, messages: usize) -> Work<'_> {
        Box::pin(async move {
            self.progress.left.store(messages, Ordering::Release);
            blast(&self.client, messages, self.octets).await;
            self.progress.done.notified().await;
            if self.is_acked {
                self.client.send(DESTINATION, "").confirmed().await.expect(SENT);
            }
        })
    }
}
