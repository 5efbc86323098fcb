//! What all of them do: a peer knows its interface, and a contestant the work.

use std::{future::Future, pin::Pin};

/// Messages that wait for their RECEIPT at most.
pub(crate) const WINDOW: usize = 1_000;

pub(crate) type Work<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A client that is connected. Each method is the cheapest way to do that with its interface.
pub(crate) trait Peer: Send + 'static {
    /// Subscribes, with the mode `client-individual` or `auto`.
    fn subscribe(&mut self, is_acked: bool) -> impl Future<Output = ()> + Send {
        async move { unreachable!("nobody asks it, with {is_acked}") }
    }

    /// Asks the sink for messages with bodies of that size.
    fn order(&mut self, messages: usize, octets: usize) -> impl Future<Output = ()> + Send {
        async move { unreachable!("nobody asks it for {messages} of {octets}") }
    }

    /// Takes a message and, as it has subscribed, acknowledges it.
    fn take(&mut self) -> impl Future<Output = ()> + Send {
        async { unreachable!("it does not receive") }
    }

    /// Hands a message over.
    fn feed(&mut self) -> impl Future<Output = ()> + Send {
        async { unreachable!("it does not send") }
    }

    /// Returns when all that was handed over is on the wire.
    fn flush(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Returns when the oldest of the messages is confirmed.
    fn receipt(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Returns when the sink has read everything.
    fn drain(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// What is measured.
pub(crate) trait Contestant: Send {
    fn run(&mut self, messages: usize) -> Work<'_>;
}

/// Connects, and becomes a contestant.
pub(crate) type Start = Pin<Box<dyn Future<Output = Box<dyn Contestant>> + Send>>;

/// Receives messages of that size.
pub(crate) fn receive<P: Peer>(
    peer: impl Future<Output = P> + Send + 'static,
    is_acked: bool,
    octets: usize,
) -> Start {
    Box::pin(async move {
        let mut peer = peer.await;
        peer.subscribe(is_acked).await;
        let receiving: Box<dyn Contestant> = Box::new(Receiving { peer, is_acked, octets });
        receiving
    })
}

/// Sends without RECEIPTs.
pub(crate) fn send<P: Peer>(peer: impl Future<Output = P> + Send + 'static) -> Start {
    Box::pin(async move {
        let sending: Box<dyn Contestant> = Box::new(Sending(peer.await));
        sending
    })
}

/// Sends with RECEIPTs, [`WINDOW`] at a time.
pub(crate) fn confirm<P: Peer>(peer: impl Future<Output = P> + Send + 'static) -> Start {
    Box::pin(async move {
        let confirming: Box<dyn Contestant> = Box::new(Confirming(peer.await));
        confirming
    })
}

struct Receiving<P> {
    peer: P,
    is_acked: bool,
    octets: usize,
}

impl<P: Peer> Contestant for Receiving<P> {
    fn run(&mut self, messages: usize) -> Work<'_> {
        Box::pin(async move {
            self.peer.order(messages, self.octets).await;
            for _ in 0..messages {
                self.peer.take().await;
            }
            if self.is_acked {
                self.peer.drain().await;
            }
        })
    }
}

struct Sending<P>(P);

impl<P: Peer> Contestant for Sending<P> {
    fn run(&mut self, messages: usize) -> Work<'_> {
        Box::pin(async move {
            for _ in 0..messages {
                self.0.feed().await;
            }
            self.0.flush().await;
        })
    }
}

struct Confirming<P>(P);

impl<P: Peer> Contestant for Confirming<P> {
    fn run(&mut self, messages: usize) -> Work<'_> {
        Box::pin(async move {
            let mut left = messages;
            while left > 0 {
                let window = left.min(WINDOW);
                for _ in 0..window {
                    self.0.feed().await;
                }
                self.0.flush().await;
                for _ in 0..window {
                    self.0.receipt().await;
                }
                left -= window;
            }
        })
    }
}
