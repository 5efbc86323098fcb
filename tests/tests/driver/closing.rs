//! Streams that are closed before they are dropped: TLS says goodbye then.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use futures_io::{AsyncRead, AsyncWrite};
use stomp_checks::sim::{Ending, Sim, SimStream, Weather, World};
use stomp_session::{
    Closed, Config, Endpoint, Lost, Timestamp,
    client::{Client, Connector, Notice, Runtime as _, SessionState},
};
use stomp_testkit::broker::BrokerConfig;

use crate::kit::{config, seconds, settings};

/// A connector whose streams take that long to close, or for ever, and note when.
struct Courteous {
    world: World,
    takes: Option<Duration>,
    said: Said,
}

/// When the closing of each stream began, and when it was through.
type Said = Arc<Mutex<Vec<(Timestamp, Option<Timestamp>)>>>;

struct CourteousStream {
    stream: SimStream,
    world: World,
    takes: Option<Duration>,
    said: Said,
    closing: Option<(usize, Pause)>,
}

type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Connector for Courteous {
    type Stream = CourteousStream;

    async fn connect(&self, endpoint: &Endpoint, attempt: u32) -> io::Result<CourteousStream> {
        let stream = self.world.connect(endpoint, attempt).await?;
        let (world, said) = (self.world.clone(), Arc::clone(&self.said));
        Ok(CourteousStream { stream, world, takes: self.takes, said, closing: None })
    }
}

impl AsyncRead for CourteousStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, room)
    }
}

impl AsyncWrite for CourteousStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, world, takes, said, closing } = &mut *self;
        let (turn, patience) = closing.get_or_insert_with(|| {
            let mut said = said.lock().unwrap();
            said.push((world.now(), None));
            let patience = world.sleep(takes.unwrap_or(Duration::MAX));
            (said.len() - 1, Box::pin(patience) as Pause)
        });
        if *takes != Some(Duration::ZERO) && patience.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        said.lock().unwrap()[*turn].1 = Some(world.now());
        Pin::new(stream).poll_close(cx)
    }
}

fn sim() -> Sim {
    Sim::in_weather(1, Weather::calm())
}

fn courteous(sim: &Sim, config: Config, takes: Option<Duration>) -> (Client, Said) {
    let (world, said) = (sim.world(), Said::default());
    let connector = Courteous { world: world.clone(), takes, said: Arc::clone(&said) };
    let (client, driver) = settings().config(config).build_on(Arc::new(world), Arc::new(connector)).unwrap();
    drop(sim.spawn(driver.run()));
    (client, said)
}

/// A program may return from `main` as soon as it knows of the end: it knows when the stream is closed.
#[test]
fn a_graceful_end_is_told_when_the_stream_is_closed() {
    for takes in [Duration::ZERO, seconds(1), seconds(9)] {
        let mut sim = sim();
        let (client, said) = courteous(&sim, config(), Some(takes));
        sim.block_on(async {
            client.connected().await.unwrap();
            client.send("/queue/a", "x").confirmed().await.unwrap();
            client.disconnect().await.unwrap();
        });
        let said = said.lock().unwrap().clone();
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].1, Some(said[0].0.after(takes)), "it is through");
        assert_eq!(sim.now(), said[0].0.after(takes), "and nobody waited for more");
        assert_eq!(sim.connections("broker"), 0);
    }
}

/// It is part of the deadline of the whole, and all that went well before stays well.
#[test]
fn what_cannot_be_closed_is_dropped_when_the_time_for_it_is_over() {
    let mut sim = sim();
    let (client, said) = courteous(&sim, config(), None);
    sim.block_on(client.connected()).unwrap();
    let begun = sim.now();
    sim.block_on(client.disconnect()).unwrap();
    let limit = config().disconnect_timeout;
    assert_eq!(sim.now(), begun.after(limit));
    assert_eq!(said.lock().unwrap().len(), 1);
    assert!(matches!(client.state(), SessionState::Closed(Closed::Disconnected { confirmed: true, .. })));
    assert_eq!(sim.connections("broker"), 0, "it was dropped");
}

/// While the stream is being closed the client is disconnecting: it takes no send, and a second disconnect joins the first.
#[test]
fn a_session_whose_stream_is_being_closed_disconnects() {
    let mut sim = sim();
    let (client, said) = courteous(&sim, config(), Some(seconds(5)));
    let world = sim.world();
    let mut listener = client.listen();
    sim.block_on(async {
        client.connected().await.unwrap();
        let ending = client.disconnect();
        world.sleep(seconds(2)).await;
        assert_eq!(said.lock().unwrap().len(), 1, "it is being closed");
        assert_eq!(client.state(), SessionState::Disconnecting);
        client.send("/queue/a", "too late").await.unwrap_err();
        let (second, first) = (client.disconnect().await, ending.await);
        assert_eq!(first, second);
        first.unwrap();
        let mut begun = 0;
        while let Some(notice) = listener.next().await {
            begun += u32::from(matches!(notice, Notice::Disconnecting));
        }
        assert_eq!(begun, 1, "it ends once");
    });
}

/// A driver that is dropped while it closes has ended gracefully before.
#[test]
fn a_driver_that_is_dropped_meanwhile_tells_how_the_session_has_ended() {
    let mut sim = sim();
    let (world, said) = (sim.world(), Said::default());
    let connector = Courteous { world: world.clone(), takes: None, said };
    let (client, driver) =
        settings().config(config()).build_on(Arc::new(world.clone()), Arc::new(connector)).unwrap();
    let task = sim.spawn(driver.run());
    sim.block_on(async {
        client.connected().await.unwrap();
        let ending = client.disconnect();
        world.sleep(seconds(1)).await;
        task.cancel();
        ending.await.unwrap();
    });
}

/// Nobody waits for the end of a connection that is lost, or that we give up; but the goodbye is said if there is room for it.
#[test]
fn a_lost_connection_is_closed_without_a_wait() {
    for takes in [Some(Duration::ZERO), None] {
        let mut sim = sim();
        let mut config = config();
        config.receive_beat = seconds(1);
        let (client, said) = courteous(&sim, config, takes);
        let mut listener = client.listen();
        let world = sim.world();
        let lost = |reason: &Lost| match reason {
            Lost::Eof => 0,
            Lost::HeartBeat(_) => 1,
            other => panic!("{other:?}"),
        };
        for (nth, cause) in [0, 1].into_iter().enumerate() {
            sim.block_on(async {
                client.connected().await.unwrap();
                match cause {
                    0 => world.cut("broker", Ending::Eof),
                    _ => world.set_frozen("broker", true),
                }
                let (mut ended, mut dialled) = (None, None);
                while dialled.is_none() {
                    match listener.next().await.unwrap() {
                        Notice::Disconnected { reason, .. } => {
                            assert_eq!(lost(&reason), cause);
                            ended = Some(world.now());
                        }
                        Notice::Connecting(_) if ended.is_some() => dialled = Some(world.now()),
                        _ => {}
                    }
                }
                world.set_frozen("broker", false);
                assert!(dialled.unwrap().since(ended.unwrap()) < Duration::from_millis(20));
                let said = said.lock().unwrap().clone();
                assert_eq!(said.len(), nth + 1, "{cause} {said:?}");
                assert_eq!(said[nth].1.is_some(), takes.is_some());
            });
        }
    }
}

/// A broker that answers DISCONNECT closes at once, often before we do: the goodbye is said all the same.
#[test]
fn a_broker_that_is_faster_is_told_goodbye() {
    for seed in 0..20 {
        let mut sim = Sim::new(seed);
        sim.add_broker("broker", BrokerConfig::rabbitmq());
        let (client, said) = courteous(&sim, config(), Some(Duration::ZERO));
        sim.block_on(async {
            client.connected().await.unwrap();
            client.disconnect().await.unwrap();
        });
        assert_eq!(said.lock().unwrap().len(), 1, "seed {seed}");
    }
}
