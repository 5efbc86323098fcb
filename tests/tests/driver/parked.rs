//! Sends that have to wait: nobody's depends on somebody else's future being polled.

use std::{future::IntoFuture as _, sync::Arc, task::Poll};

use bytes::Bytes;
use stomp_checks::sim::{Door, Ending, Random, Sim, Weather, World};
use stomp_session::{
    CommandError,
    client::{Builder, Client, Notice, SendError, futures::Sending},
    proto::{Command, Frame},
};

use crate::kit::{config, poll_once, seconds, seeds, settings};

/// A client whose broker is away, and whatever waits in `park` when the broker comes; each of those was polled once.
fn parked<T>(seed: u64, settings: Builder, park: impl AsyncFn(Client, World) -> T) -> (Sim, T) {
    let mut sim = Sim::new(seed);
    sim.set_door("broker", Door::Refusing);
    let client = sim.client(config(), settings);
    let world = sim.world();
    let result = sim.block_on(park(client, world));
    (sim, result)
}

/// Begins a send that has to wait.
async fn begin(client: &Client, body: &str) -> Sending {
    let mut send = client.send("/queue/a", body.to_owned()).into_future();
    assert!(poll_once(&mut send).await.is_pending(), "{body} has to wait");
    send
}

async fn confirm(client: &Client, body: &str) -> Result<(), SendError> {
    client.send("/queue/a", body.to_owned()).confirmed().await
}

fn bodies(sim: &mut Sim) -> Vec<Vec<u8>> {
    sim.broker("broker", |broker| broker.messages("/queue/a").iter().map(|body| body.to_vec()).collect())
}

/// A branch of a select that sends while another send waits in it: neither waits for the other.
#[test]
fn one_that_is_not_polled_again_leaves_and_holds_up_nobody() {
    for seed in seeds(20) {
        let (mut sim, ()) = parked(seed, settings(), async |client, world| {
            let first = begin(&client, "first").await;
            let begun = client.begin();
            let mut begun = Box::pin(begun);
            assert!(poll_once(&mut begun).await.is_pending());
            world.set_door("broker", Door::Open);
            confirm(&client, "second").await.unwrap();
            client.send("/queue/a", "third").at_least_once().await.unwrap();
            assert_eq!(first.await, Ok(()));
            begun.await.unwrap().abort();
            client.disconnect().await.unwrap();
        });
        assert_eq!(bodies(&mut sim), [&b"first"[..], b"second", b"third"], "seed {seed}");
    }
}

/// Its time runs out, whoever looks or does not.
#[test]
fn one_whose_time_is_over_holds_up_nobody() {
    for seed in seeds(20) {
        let settings = settings().send_timeout(seconds(5));
        let (mut sim, ()) = parked(seed, settings, async |client, world| {
            let expired = begin(&client, "expired").await;
            world.sleep(seconds(20)).await;
            world.set_door("broker", Door::Open);
            client.connected().await.unwrap();
            confirm(&client, "next").await.unwrap();
            assert_eq!(expired.await, Err(SendError::NoConnection(seconds(5))));
        });
        assert_eq!(bodies(&mut sim), [b"next"], "seed {seed}");
    }
}

#[test]
fn one_that_is_dropped_is_not_sent() {
    for seed in seeds(20) {
        let (mut sim, ()) = parked(seed, settings(), async |client, world| {
            let first = begin(&client, "first").await;
            let second = begin(&client, "second").await;
            let third = begin(&client, "third").await;
            drop(second);
            world.set_door("broker", Door::Open);
            confirm(&client, "last").await.unwrap();
            drop((first, third));
        });
        assert_eq!(bodies(&mut sim), [&b"first"[..], b"third", b"last"], "seed {seed}");
    }
}

/// Polled again and again, each message leaves once, in the order of the first polls, whatever its terms.
#[test]
fn order_is_that_of_the_first_polls() {
    for seed in seeds(30) {
        let settings = settings().outbound_budget(600);
        let (mut sim, ()) = parked(seed, settings, async |client, world| {
            let mut random = Random::new(seed);
            let mut sends = Vec::new();
            for number in 0..12 {
                let send = client.send("/queue/a", number.to_string());
                let mut send = match number % 3 {
                    0 => send.confirmed(),
                    1 => send.buffered(),
                    _ => send,
                }
                .into_future();
                match poll_once(&mut send).await {
                    Poll::Ready(sent) => assert_eq!((sent, number % 3), (Ok(()), 1)),
                    Poll::Pending => sends.push(send),
                }
            }
            let mut left = sends.len();
            for round in 0..1000 {
                if round == 20 {
                    world.set_door("broker", Door::Open);
                }
                let poll = async |send: &mut Sending| poll_once(send).await.is_ready();
                // An ended one says no more.
                left -= usize::from(poll(&mut sends[random.below(8)]).await);
                world.sleep(std::time::Duration::from_millis(50)).await;
            }
            assert_eq!(left, 0, "seed {seed}");
            client.disconnect().await.unwrap();
        });
        let expected: Vec<_> = (0..12).map(|number| number.to_string().into_bytes()).collect();
        assert_eq!(bodies(&mut sim), expected, "seed {seed}");
    }
}

/// What waits when the disconnect begins is sent before it, whoever waits for it.
#[test]
fn a_disconnect_sends_what_is_parked() {
    for seed in seeds(20) {
        let mut sim = Sim::in_weather(seed, Weather::calm().with_buffers(1024));
        let settings = settings().outbound_budget(8 * 1024);
        let client = sim.client(config(), settings);
        let world = sim.world();
        sim.block_on(async {
            client.connected().await.unwrap();
            world.set_reading("broker", false);
            for _ in 0..20 {
                client.send("/queue/a", vec![b'x'; 700]).buffered().await.unwrap();
            }
            let mut watched = client.send("/queue/a", "watched").confirmed().into_future();
            assert!(poll_once(&mut watched).await.is_pending());
            let mut end = client.disconnect();
            assert!(poll_once(&mut end).await.is_pending());
            let late = client.send("/queue/a", "late").await;
            assert_eq!(late, Err(SendError::Command(CommandError::Closed)), "nothing is added");
            world.sleep(seconds(2)).await;
            world.set_reading("broker", true);
            let farewell = end.await.unwrap();
            assert_eq!((farewell.unconfirmed, farewell.unsent), (0, 0));
            assert_eq!(watched.await, Ok(()));
        });
        assert_eq!(bodies(&mut sim).len(), 21, "seed {seed}");
    }
}

/// The same when there is no connection yet, and one comes in time.
#[test]
fn a_disconnect_waits_for_a_connection_for_what_is_parked() {
    for seed in seeds(10) {
        let (mut sim, ()) = parked(seed, settings(), async |client, world| {
            client.send("/queue/a", "x").buffered().await.unwrap();
            let mut end = client.disconnect();
            assert!(poll_once(&mut end).await.is_pending());
            world.set_door("broker", Door::Open);
            end.await.unwrap();
        });
        assert_eq!(bodies(&mut sim), [b"x"], "seed {seed}");
    }
}

/// What has not left in time is counted, and listeners are told of each.
#[test]
fn what_a_disconnect_does_not_send_is_counted() {
    let mut sim = Sim::in_weather(1, Weather::calm().with_buffers(1024));
    let settings = settings().outbound_budget(4 * 1024);
    let mut config = config();
    config.disconnect_timeout = seconds(20);
    let client = sim.client(config, settings);
    let mut notices = client.listen();
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.set_reading("broker", false);
        let mut went = 0;
        while client.send("/queue/a", vec![b'x'; 700]).immediate().await.is_ok() {
            went += 1;
            world.sleep(seconds(1)).await;
        }
        for _ in 0..3 {
            client.send("/queue/a", vec![b'x'; 700]).buffered().await.unwrap();
        }
        let mut end = client.disconnect();
        assert!(poll_once(&mut end).await.is_pending());
        // The share of what waits is over.
        world.sleep(seconds(16)).await;
        world.set_reading("broker", true);
        assert_eq!(end.await.unwrap().unsent, 3);
        let mut failed = 0;
        while let Some(notice) = notices.next().await {
            failed += usize::from(matches!(notice, Notice::SendFailed(_)));
        }
        assert_eq!(failed, 3);
        assert_eq!(world.broker("broker", |broker| broker.depth("/queue/a")), went);
    });
}

/// As much may be buffered as the bound says, and not an octet more.
#[test]
fn what_is_buffered_may_fill_its_bound() {
    let size =
        Frame::new(Command::Send).with_header("destination", "/queue/a").with_body(vec![0; 500]).size();
    for (bound, last) in [(2 * size, Ok(())), (2 * size - 1, Err(SendError::Full))] {
        let settings = settings().outbound_budget(bound);
        let (_, ()) = parked(1, settings, async |client, _| {
            client.send("/queue/a", vec![0; 500]).buffered().await.unwrap();
            assert_eq!(client.send("/queue/a", vec![0; 500]).buffered().await, last);
            assert_eq!(client.send("/queue/a", vec![0; 500]).buffered().await, Err(SendError::Full));
        });
    }
}

/// The bound of what is buffered; sends that are awaited may wait beyond it.
#[test]
fn what_is_buffered_is_bounded() {
    let settings = settings().outbound_budget(1000);
    let (_, ()) = parked(1, settings, async |client, _| {
        client.send("/queue/a", vec![0; 500]).buffered().await.unwrap();
        assert_eq!(client.send("/queue/a", vec![0; 500]).buffered().await, Err(SendError::Full));
        let watched = begin(&client, "watched").await;
        let body = "too large to be sent, unless alone".repeat(100);
        let large = begin(&client, &body).await;
        drop((watched, large));
        client.send("/queue/a", "small").buffered().await.unwrap();
    });
}

/// Larger than the budget, the first one leaves into an empty buffer.
#[test]
fn one_that_is_larger_than_the_budget_leaves_alone() {
    for seed in seeds(10) {
        for budget in [0, 1, 1000] {
            let settings = settings().outbound_budget(budget);
            let (mut sim, ()) = parked(seed, settings, async |client, world| {
                let sends =
                    [0, 1, 2].map(|_| world.spawn(client.send("/queue/a", vec![0; 5000]).into_future()));
                world.set_door("broker", Door::Open);
                for send in sends {
                    send.await.unwrap();
                }
                client.disconnect().await.unwrap();
            });
            assert_eq!(bodies(&mut sim).len(), 3, "seed {seed}, budget {budget}");
        }
    }
}

/// Without room for what is kept, plain sends go on, and without room for those what is kept does.
#[test]
fn plain_sends_and_kept_ones_do_not_wait_for_each_other() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let mut config = config();
        config.at_least_once_messages = 1;
        let client = sim.client(config, settings());
        let world = sim.world();
        sim.block_on(async {
            client.connected().await.unwrap();
            world.broker("broker", |broker| broker.drop_receipts(true));
            let kept =
                [0, 1].map(|_| world.spawn(client.send("/queue/b", "kept").at_least_once().into_future()));
            world.sleep(seconds(1)).await;
            client.send("/queue/a", "plain").await.unwrap();
            world.broker("broker", |broker| broker.drop_receipts(false));
            world.cut("broker", Ending::Reset);
            for send in kept {
                send.await.unwrap();
            }
        });
    }
}

/// A small part of a received buffer, sent on while the broker is away, is not what keeps the buffer.
#[test]
fn what_waits_lets_go_of_the_buffer_that_it_was_a_part_of() {
    struct Buffer(Arc<[u8]>);
    impl AsRef<[u8]> for Buffer {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let (mut sim, ()) = parked(1, settings(), async |client, world| {
        let octets: Arc<[u8]> = [b'x'; 100_000].into();
        let part = || Bytes::from_owner(Buffer(Arc::clone(&octets))).slice(..10);
        let prepared = client.send("/queue/a", "").prepare().unwrap();
        let mut sends = [client.send("/queue/a", part()).into_future(), prepared.send(part())];
        assert_eq!(Arc::strong_count(&octets), 3);
        for send in &mut sends {
            assert!(poll_once(send).await.is_pending());
        }
        assert_eq!(Arc::strong_count(&octets), 1);
        world.set_door("broker", Door::Open);
        for send in sends {
            send.await.unwrap();
        }
        client.disconnect().await.unwrap();
    });
    assert_eq!(bodies(&mut sim), [[b'x'; 10], [b'x'; 10]]);
}
