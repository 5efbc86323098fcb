//! Streams with habits: slow ones, interrupted ones, and some that keep what they are given until they are told to flush.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_io::{AsyncRead, AsyncWrite};
use stomp_checks::sim::{Random, Sim, SimStream, Weather, World};
use stomp_session::{
    Endpoint, Lost,
    client::{Connector, Listener, Notice, Runtime as _},
};

use crate::kit::{config, seconds, settings};

/// A connector that puts each stream into something.
struct Wraps<W>(World, W);

impl<S, W> Connector for Wraps<W>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    W: Fn(SimStream) -> S + Send + Sync + 'static,
{
    type Stream = S;

    async fn connect(&self, endpoint: &Endpoint, attempt: u32) -> io::Result<S> {
        self.0.connect(endpoint, attempt).await.map(&self.1)
    }
}

/// A whole conversation on the one connection: 5 messages of 1,000 octets there and back, then a graceful end.
fn converses<S>(mut sim: Sim, wrap: impl Fn(SimStream) -> S + Send + Sync + 'static)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let world = sim.world();
    let connector = Arc::new(Wraps(world.clone(), wrap));
    let (client, driver) = settings().config(config()).build_on(Arc::new(world.clone()), connector).unwrap();
    drop(sim.spawn(driver.run()));
    sim.block_on(async {
        let mut messages = client.subscribe("/queue/a").await.unwrap();
        for number in 0..5 {
            client.send("/queue/a", vec![number; 1_000]).confirmed().await.unwrap();
            let message = messages.next().await.unwrap();
            assert_eq!(message.body(), vec![number; 1_000]);
            message.ack().unwrap();
        }
        client.disconnect().await.unwrap();
    });
    assert_eq!(world.dials("broker"), 1);
    assert_eq!(
        world.broker("broker", |broker| (broker.depth("/queue/a"), broker.unacked("/queue/a"))),
        (0, 0)
    );
}

/// A signal interrupts a call (EINTR): that says nothing about the connection, and the call is made again. Each second one of
/// each kind here.
struct Interrupted {
    stream: SimStream,
    calls: [u32; 4],
    closed: Arc<AtomicBool>,
}

impl Interrupted {
    fn comes(&mut self, call: usize) -> io::Result<()> {
        self.calls[call] += 1;
        if self.calls[call] % 2 == 1 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Interrupted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.comes(0)?;
        Pin::new(&mut self.stream).poll_read(cx, room)
    }
}

impl AsyncWrite for Interrupted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.comes(1)?;
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.comes(2)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.comes(3)?;
        self.closed.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[test]
fn an_interrupted_call_is_made_again() {
    for seed in 0..8 {
        let closed = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&closed);
        converses(Sim::new(seed), move |stream| Interrupted {
            stream,
            calls: [0; 4],
            closed: Arc::clone(&seen),
        });
        assert!(closed.load(Ordering::Relaxed), "closed as well");
    }
}

/// TLS puts what it is given into a record, and that into its own buffer when the socket has no room: here it is all kept.
struct Keeping {
    stream: SimStream,
    kept: Vec<u8>,
}

impl Keeping {
    fn poll_give(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.kept) {
                Poll::Ready(Ok(count)) => drop(self.kept.drain(..count)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Keeping {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, room)
    }
}

impl AsyncWrite for Keeping {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.kept.extend_from_slice(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_give(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_give(cx) {
            Poll::Ready(_) => Pin::new(&mut self.stream).poll_close(cx),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[test]
fn what_was_written_is_flushed() {
    for seed in 0..8 {
        converses(Sim::new(seed), |stream| Keeping { stream, kept: Vec::new() });
    }
}

/// A message that takes many heart-beats to arrive is itself the proof that its sender lives.
#[test]
fn a_slow_line_is_no_dead_one() {
    let mut weather = Weather::drawn(&mut Random::new(1)).with_buffers(1024);
    weather.latency = Duration::from_millis(100)..=Duration::from_millis(100);
    let mut sim = Sim::in_weather(1, weather);
    let mut config = config();
    (config.receive_beat, config.silence_margin) = (seconds(1), Duration::from_millis(500));
    let client = sim.client(config, settings());
    let world = sim.world();
    sim.block_on(async {
        let mut messages = client.subscribe("/queue/a").await.unwrap();
        world.broker("broker", |broker| broker.publish("/queue/a", vec![b'x'; 128 * 1024], &[]));
        let begun = world.now();
        let message = messages.next().await.unwrap();
        assert!(world.now().since(begun) > seconds(10), "it was slow");
        assert_eq!(message.body().len(), 128 * 1024);
        message.ack().expect("it is the first connection still");
        client.disconnect().await.unwrap();
    });
    assert_eq!(sim.dials("broker"), 1);
}

/// Why the next connection is lost, or not made.
async fn loss(notices: &mut Listener) -> Lost {
    loop {
        match notices.next().await.expect("the session goes on") {
            Notice::Disconnected { reason, .. } | Notice::ConnectFailed { reason, .. } => return reason,
            _ => {}
        }
    }
}

/// A line that falls silent in the middle of a message: nothing else would tell it from one that has nothing to say.
#[test]
fn a_silent_line_is_a_dead_one() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed);
        let mut config = config();
        (config.receive_beat, config.silence_margin) = (seconds(1), Duration::from_millis(500));
        let client = sim.client(config, settings());
        let mut notices = client.listen();
        let world = sim.world();
        sim.block_on(async {
            let mut messages = client.subscribe("/queue/a").await.unwrap();
            world.broker("broker", |broker| broker.publish("/queue/a", vec![b'x'; 100_000], &[]));
            // Something of it has come, and not all.
            world.sleep(Duration::from_micros(2)).await;
            world.set_frozen("broker", true);
            let begun = world.now();
            assert!(matches!(loss(&mut notices).await, Lost::HeartBeat(_)));
            assert!((seconds(1)..seconds(4)).contains(&world.now().since(begun)));
            world.set_frozen("broker", false);
            let message = messages.next().await.unwrap();
            assert_eq!(message.body().len(), 100_000);
            message.ack().unwrap();
            client.disconnect().await.unwrap();
        });
        assert_eq!(sim.broker("broker", |broker| broker.unacked("/queue/a")), 0, "seed {seed}");
    }
}

#[test]
fn a_connected_that_never_comes_is_asked_for_again() {
    let mut sim = Sim::new(1);
    sim.broker("broker", |broker| broker.silence_new_connections(true));
    let client = sim.client(config(), settings());
    let mut notices = client.listen();
    sim.block_on(async {
        assert_eq!(loss(&mut notices).await, Lost::ConnectedTimeout(seconds(10)));
    });
    sim.broker("broker", |broker| broker.silence_new_connections(false));
    sim.block_on(async {
        client.connected().await.unwrap();
        client.send("/queue/a", "").confirmed().await.unwrap();
    });
}
