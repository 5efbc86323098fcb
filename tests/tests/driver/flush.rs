//! Waiting until everything that was handed over has been written, whoever is polled or not.

use std::{
    future::{Future, IntoFuture as _},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_io::{AsyncRead, AsyncWrite};
use stomp_checks::sim::{Door, Ending, Sim, SimStream, Weather, World};
use stomp_proto::Command;
use stomp_session::{
    Closed, Endpoint,
    client::{Client, Connector, FlushError, Notice},
};

use crate::kit::{config, poll_once, seconds, seeds, settings};

/// Frames of that kind that the broker has read, on all connections.
fn read(world: &World, command: Command) -> usize {
    world.broker("broker", |broker| {
        let frames = broker.received().flat_map(|(_, frames)| frames);
        frames.filter(|frame| frame.command() == command).count()
    })
}

fn narrow() -> Sim {
    Sim::in_weather(1, Weather::calm().with_buffers(1024))
}

const LARGE: usize = 10_000;

#[test]
fn all_that_was_handed_over_has_left_when_it_resolves() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            let mut subscription = client.subscribe("/queue/a").await.unwrap();
            world.broker("broker", |broker| broker.publish("/queue/a", "x", &[]));
            let message = subscription.next().await.unwrap();
            for _ in 0..10 {
                client.send("/queue/b", vec![b'x'; 500]).await.unwrap();
            }
            let mut kept = client.send("/queue/b", "kept").at_least_once().into_future();
            assert!(poll_once(&mut kept).await.is_pending());
            message.ack().unwrap();
            drop(subscription);
            client.flush().await.unwrap();
            world.sleep(seconds(5)).await;
            let kinds = [Command::Send, Command::Ack, Command::Unsubscribe];
            assert_eq!(kinds.map(|command| read(&world, command)), [11, 1, 1], "seed {seed}");
            client.flush().await.unwrap();
        });
    }
}

/// Messages of a publisher are frames like others, and what waits for a connection is parked like others.
#[test]
fn what_publishers_have_handed_over_counts() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        let world = sim.world();
        world.set_door("broker", Door::Refusing);
        let client = sim.client(config(), settings());
        sim.block_on(async {
            let plain = client.publisher("/queue/a");
            let publishers = [plain.clone(), plain.clone().confirmed(), plain.at_least_once()];
            let mut publishers = publishers.map(|builder| builder.build().unwrap());
            let mut feeding = Vec::new();
            for publisher in &mut publishers {
                let mut feed = publisher.feed("parked");
                let _ = poll_once(&mut feed).await;
                feeding.push(feed);
            }
            let mut flushing = client.flush();
            assert!(poll_once(&mut flushing).await.is_pending());
            world.set_door("broker", Door::Open);
            flushing.await.unwrap();
            world.sleep(seconds(5)).await;
            assert_eq!(read(&world, Command::Send), 3, "seed {seed}");
            drop(feeding);
            for publisher in &mut publishers {
                for _ in 0..100 {
                    publisher.feed("x").await.unwrap();
                }
            }
            client.flush().await.unwrap();
            world.sleep(seconds(5)).await;
            assert_eq!(read(&world, Command::Send), 303, "seed {seed}");
        });
    }
}

/// What waits for a connection is handed over; neither its futures nor those of others are polled again.
#[test]
fn what_is_parked_counts_whoever_polls_it() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        let world = sim.world();
        world.set_door("broker", Door::Refusing);
        let client = sim.client(config(), settings());
        sim.block_on(async {
            let mut sends: Vec<_> = (0..5).map(|_| client.send("/queue/a", "x").into_future()).collect();
            for send in &mut sends {
                assert!(poll_once(send).await.is_pending());
            }
            client.send("/queue/a", "x").buffered().await.unwrap();
            let mut kept = client.send("/queue/a", "x").at_least_once().into_future();
            assert!(poll_once(&mut kept).await.is_pending());
            let mut flushing = client.flush();
            world.sleep(seconds(5)).await;
            assert!(poll_once(&mut flushing).await.is_pending());
            world.set_door("broker", Door::Open);
            flushing.await.unwrap();
            world.sleep(seconds(5)).await;
            assert_eq!(read(&world, Command::Send), 7, "seed {seed}");
            drop((sends, kept));
        });
    }
}

#[test]
fn without_anything_to_be_written_it_resolves_at_once() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let world = sim.world();
    world.set_door("broker", Door::Refusing);
    let client = sim.client(config(), settings());
    sim.block_on(async {
        let begun = world.clone();
        client.flush().await.unwrap();
        let before = stomp_session::client::Runtime::now(&begun);
        assert_eq!(before.since_start(), Duration::ZERO);
        world.set_door("broker", Door::Open);
        client.connected().await.unwrap();
        client.flush().await.unwrap();
    });
}

/// A plain send that had not left is gone, and that is no success; one that is kept goes on.
#[test]
fn a_connection_that_ends_meanwhile_is_an_error_unless_all_is_sent_again() {
    for kept in [false, true] {
        let mut sim = narrow();
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            client.connected().await.unwrap();
            world.set_reading("broker", false);
            let send = client.send("/queue/a", vec![b'x'; LARGE]);
            let mut send = if kept { send.at_least_once() } else { send }.into_future();
            _ = poll_once(&mut send).await;
            let flushing = client.flush();
            world.sleep(seconds(1)).await;
            world.set_reading("broker", true);
            world.cut("broker", Ending::Reset);
            match kept {
                false => assert!(matches!(flushing.await, Err(FlushError::Lost(_)))),
                true => {
                    flushing.await.unwrap();
                    world.sleep(seconds(1)).await;
                    assert_eq!(read(&world, Command::Send), 1);
                }
            }
            client.flush().await.unwrap();
        });
    }
}

/// The ACK is a plain frame as well, and its loss is told although SENDs are kept.
#[test]
fn an_ack_that_is_lost_is_an_error() {
    let mut sim = narrow();
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let mut subscription = client.subscribe("/queue/a").await.unwrap();
        world.broker("broker", |broker| broker.publish("/queue/a", "x", &[]));
        let message = subscription.next().await.unwrap();
        world.set_reading("broker", false);
        let mut kept = client.send("/queue/b", vec![b'x'; LARGE]).at_least_once().into_future();
        _ = poll_once(&mut kept).await;
        world.sleep(seconds(1)).await;
        message.ack().unwrap();
        let flushing = client.flush();
        world.sleep(seconds(1)).await;
        world.set_reading("broker", true);
        world.cut("broker", Ending::Reset);
        let flushed = flushing.await;
        assert!(matches!(flushed, Err(FlushError::Lost(_))), "{flushed:?}");
    });
}

/// Of those that wait for others to be confirmed, too.
#[test]
fn what_is_kept_and_waits_for_others_has_left() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let mut config = config();
    config.at_least_once_messages = 3;
    let client = sim.client(config, settings());
    let world = sim.world();
    sim.block_on(async {
        let send = client.send("/queue/a", "x").ordered();
        let mut sends: Vec<_> = (0..10).map(|_| send.clone().into_future()).collect();
        for send in &mut sends {
            assert!(poll_once(send).await.is_pending());
        }
        client.flush().await.unwrap();
        world.sleep(seconds(1)).await;
        assert_eq!(read(&world, Command::Send), 10);
        drop(sends);
    });
}

#[test]
fn what_was_given_up_is_counted_and_what_was_taken_back_is_not() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let world = sim.world();
    world.set_door("broker", Door::Refusing);
    let client = sim.client(config(), settings());
    let mut listener = client.listen();
    sim.block_on(async {
        client.send("/queue/a", "x").buffered().timeout(seconds(3)).await.unwrap();
        let mut withdrawn = client.send("/queue/a", "x").into_future();
        assert!(poll_once(&mut withdrawn).await.is_pending());
        let mut later = client.flush();
        drop(withdrawn);
        assert!(poll_once(&mut later).await.is_pending());
        assert_eq!(later.await, Err(FlushError::Unsent(1)));
        loop {
            if let Notice::SendFailed(_) = listener.next().await.unwrap() {
                break;
            }
        }
        client.flush().await.unwrap();
    });
}

#[test]
fn its_time_and_the_end_of_the_session_end_it() {
    let mut sim = narrow();
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.set_reading("broker", false);
        client.send("/queue/a", vec![b'x'; LARGE]).await.unwrap();
        let begun = stomp_session::client::Runtime::now(&world);
        assert_eq!(client.flush().timeout(seconds(2)).await, Err(FlushError::Timeout(seconds(2))));
        assert_eq!(client.flush().await, Err(FlushError::Timeout(seconds(60))));
        let now = stomp_session::client::Runtime::now(&world);
        assert_eq!(now.since(begun), seconds(62));
        let (flushing, unpolled) = (client.flush(), client.flush());
        drop(client.flush());
        _ = client.disconnect().await;
        assert!(matches!(flushing.await, Err(FlushError::Closed(Closed::Disconnected { .. }))));
        assert!(matches!(unpolled.await, Err(FlushError::Closed(_))));
        assert!(matches!(client.flush().await, Err(FlushError::Closed(_))));
    });
}

/// What is sent later is not waited for, once it leaves in another write.
#[test]
fn what_is_handed_over_later_is_not_waited_for() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let world = sim.world();
    world.set_door("broker", Door::Refusing);
    let client = sim.client(config(), settings());
    sim.block_on(async {
        let flushing = client.flush();
        let mut later = client.send("/queue/a", "x").into_future();
        assert!(poll_once(&mut later).await.is_pending());
        flushing.await.unwrap();
        assert!(poll_once(&mut later).await.is_pending());
    });
}

/// A stream that keeps what it takes until it is flushed, which takes a while, as TLS over a slow socket does.
struct Holding {
    stream: SimStream,
    held: Vec<u8>,
    world: World,
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

struct Holds(World);

impl Connector for Holds {
    type Stream = Holding;

    async fn connect(&self, endpoint: &Endpoint, attempt: u32) -> io::Result<Holding> {
        let stream = self.0.connect(endpoint, attempt).await?;
        Ok(Holding { stream, held: Vec::new(), world: self.0.clone(), pause: None })
    }
}

impl AsyncRead for Holding {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, room)
    }
}

impl AsyncWrite for Holding {
    fn poll_write(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.held.extend_from_slice(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, held, world, pause } = &mut *self;
        let paused = pause.get_or_insert_with(|| Box::pin(world.sleep(seconds(2))));
        ready!(paused.as_mut().poll(cx));
        while !held.is_empty() {
            let count = ready!(Pin::new(&mut *stream).poll_write(cx, held))?;
            held.drain(..count);
        }
        *pause = None;
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

fn holding(sim: &Sim) -> Client {
    let world = sim.world();
    let connector = Arc::new(Holds(world.clone()));
    let (client, driver) = settings().config(config()).build_on(Arc::new(world), connector).unwrap();
    drop(sim.spawn(driver.run()));
    client
}

#[test]
fn octets_inside_the_stream_have_not_left() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let client = holding(&sim);
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.sleep(seconds(5)).await;
        client.send("/queue/a", "x").await.unwrap();
        let mut flushing = client.flush();
        world.sleep(seconds(1)).await;
        assert!(poll_once(&mut flushing).await.is_pending(), "the stream has it");
        flushing.await.unwrap();
        world.sleep(seconds(1)).await;
        assert_eq!(read(&world, Command::Send), 1);
        client.send("/queue/a", "x").await.unwrap();
        let flushing = client.flush();
        world.sleep(seconds(1)).await;
        world.cut("broker", Ending::Eof);
        assert!(matches!(flushing.await, Err(FlushError::Lost(_))), "it was not flushed");
    });
}
