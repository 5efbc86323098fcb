//! Publishing in bulk: numbers, outcomes, the window, and what becomes of it when somebody goes away.

use std::collections::BTreeSet;

use stomp_checks::sim::{Door, Ending, Sim, Weather, World};
use stomp_session::{
    Config, Lost, NotSent, Unknown,
    client::{Builder, Client, PublishError, Publisher, SendError},
    proto::{Command, Version},
};
use stomp_testkit::broker::{BrokerConfig, Denial};

use crate::kit::{config, poll_once, poll_times, seconds, seeds, settings};

pub(crate) fn bodies(sim: &mut Sim) -> Vec<String> {
    let messages = sim.broker("broker", |broker| broker.messages("/queue/a"));
    messages.iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect()
}

pub(crate) fn numbers(count: u64) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

/// A client in calm weather, and whatever is done with it.
fn calm<T>(config: Config, settings: Builder, run: impl AsyncFn(Client, World) -> T) -> (Sim, T) {
    let mut sim = Sim::in_weather(7, Weather::calm());
    let (client, world) = (sim.client(config, settings), sim.world());
    let result = sim.block_on(run(client, world));
    (sim, result)
}

async fn feed(publisher: &mut Publisher, count: u64) {
    for _ in 0..count {
        let number = publisher.next_number();
        assert_eq!(publisher.feed(number.to_string()).await, Ok(number));
    }
}

#[test]
fn what_is_fed_arrives_in_order_on_all_terms_and_in_all_versions() {
    for seed in seeds(24) {
        let mut sim = Sim::new(seed);
        let mut config = config();
        config.versions = vec![Version::ALL[seed as usize % 3]];
        let client = sim.client(config, settings());
        sim.block_on(async {
            let builder = client.publisher("/queue/a").header("x", "a").persistent().window(7);
            let mut publisher = match seed % 4 {
                0 => builder.build(),
                1 => builder.confirmed().build(),
                2 => builder.at_least_once().build(),
                _ => builder.ordered().build(),
            }
            .unwrap();
            feed(&mut publisher, 60).await;
            assert_eq!(publisher.flush().await, Ok(()));
            assert_eq!(publisher.send("60").await, Ok(60));
            assert_eq!((publisher.next_number(), publisher.first_unsettled()), (61, 61));
            assert_eq!(publisher.take_unconfirmed(), []);
            client.disconnect().await.unwrap();
        });
        assert_eq!(bodies(&mut sim), numbers(61), "seed {seed}");
        let has_header = sim.broker("broker", |broker| {
            let frames = broker.received().flat_map(|(_, frames)| frames);
            let mut sends = frames.filter(|frame| frame.command() == Command::Send);
            sends.all(|frame| frame.header("x").is_some_and(|value| value == "a"))
        });
        assert!(has_header, "seed {seed}");
    }
}

#[test]
fn a_large_body_arrives_whole() {
    let (mut sim, ()) = calm(config(), settings(), async |client, _| {
        let mut publisher = client.publisher("/queue/a").confirmed().build().unwrap();
        publisher.feed(vec![b'x'; 100_000]).await.unwrap();
        publisher.feed("").await.unwrap();
        publisher.flush().await.unwrap();
    });
    assert_eq!(bodies(&mut sim).iter().map(String::len).collect::<Vec<_>>(), [100_000, 0]);
}

#[test]
fn headers_are_checked_when_it_is_built() {
    calm(config(), settings(), async |client, _| {
        let publisher = |name| client.publisher("/queue/a").header(name, "1").build();
        for name in ["receipt", "transaction", "destination"] {
            assert!(matches!(publisher(name), Err(SendError::Command(_))), "{name}");
        }
        assert!(matches!(client.publisher("").build(), Err(SendError::Command(_))));
        // A body that does not fit is an error of its own message.
        let mut text = client.publisher("/queue/a").text().build().unwrap();
        client.connected().await.unwrap();
        assert!(matches!(text.feed("a\0b").await, Err(SendError::Command(_))));
        assert_eq!(text.feed("ab").await, Ok(0));
    });
}

/// Nothing is confirmed before the broker has said so, and no more is out than the window lets.
#[test]
fn the_window_bounds_what_waits() {
    calm(config(), settings(), async |client, world| {
        client.connected().await.unwrap();
        world.broker("broker", |broker| broker.drop_receipts(true));
        let mut publisher = client.publisher("/queue/a").confirmed().window(3).build().unwrap();
        feed(&mut publisher, 3).await;
        assert!(poll_once(&mut publisher.feed("3")).await.is_pending());
        assert_eq!((publisher.next_number(), publisher.first_unsettled()), (3, 0));
        assert!(poll_once(&mut publisher.flush()).await.is_pending());
        world.sleep(seconds(1)).await;
        assert_eq!(world.broker("broker", |broker| broker.depth("/queue/a")), 3);
    });
}

/// A RECEIPT that does not come ends the wait of whoever wants into the window.
#[test]
fn outcomes_that_nobody_takes_fill_the_window() {
    let mut config = config();
    config.receipt_timeout = seconds(3);
    calm(config, settings(), async |client, world| {
        client.connected().await.unwrap();
        world.broker("broker", |broker| broker.drop_receipts(true));
        let mut publisher = client.publisher("/queue/a").confirmed().window(3).build().unwrap();
        feed(&mut publisher, 3).await;
        assert_eq!(publisher.feed("3").await, Err(SendError::OutcomesUntaken(3)));
        let unknown = SendError::Unknown(Unknown::Timeout(seconds(3)));
        world.broker("broker", |broker| broker.drop_receipts(false));
        let taken = publisher.take_unconfirmed();
        assert_eq!(taken, [0, 1, 2].map(|number| (number, unknown.clone())));
        assert_eq!(publisher.feed("3").await, Ok(3));
        assert_eq!(publisher.flush().await, Err(PublishError::Unconfirmed { count: 3 }), "of the three");
        assert_eq!((publisher.flush().await, publisher.take_unconfirmed()), (Ok(()), vec![]));
    });
}

#[test]
fn a_refusal_names_its_message() {
    let mut sim = Sim::in_weather(7, Weather::calm());
    sim.add_broker("broker", BrokerConfig::activemq());
    let (client, world) = (sim.client(config(), settings()), sim.world());
    sim.block_on(async {
        let mut publisher = client.publisher("/queue/a").confirmed().build().unwrap();
        feed(&mut publisher, 2).await;
        publisher.flush().await.unwrap();
        let denial =
            world.broker("broker", |broker| broker.deny(Denial::of(Command::Send).saying("no", "not now")));
        feed(&mut publisher, 1).await;
        assert_eq!(publisher.flush().await, Err(PublishError::Unconfirmed { count: 1 }));
        world.broker("broker", |broker| broker.lift(denial));
        feed(&mut publisher, 2).await;
        assert_eq!(publisher.flush().await, Ok(()));
        let taken = publisher.take_unconfirmed();
        assert!(matches!(&taken[..], [(2, SendError::Rejected(_))]), "{taken:?}");
    });
}

/// The broker answers when it likes: each RECEIPT is for the message that it names, and the oldest without one is known.
#[test]
fn receipts_out_of_order_settle_their_own() {
    let mut config = config();
    config.receipt_timeout = seconds(30);
    calm(config, settings(), async |client, world| {
        client.connected().await.unwrap();
        world.broker("broker", |broker| broker.drop_receipts(true));
        let mut publisher = client.publisher("/queue/a").confirmed().window(4).build().unwrap();
        feed(&mut publisher, 4).await;
        world.sleep(seconds(1)).await;
        // The first frame of the connection that asks for a RECEIPT has the number 1.
        let answer = |receipt: u64| {
            let octets = format!("RECEIPT\nreceipt-id:{receipt}\n\n\0");
            world.broker("broker", |broker| {
                let connection = broker.connections()[0];
                broker.send_octets(connection, octets.as_bytes());
            });
        };
        for receipt in [3, 2, 3] {
            answer(receipt);
        }
        world.sleep(seconds(1)).await;
        assert_eq!(publisher.first_unsettled(), 0);
        feed(&mut publisher, 2).await;
        assert!(poll_once(&mut publisher.feed("full")).await.is_pending(), "two were settled, and no third");
        answer(1);
        world.sleep(seconds(1)).await;
        assert_eq!((publisher.first_unsettled(), publisher.next_number()), (3, 6));
        assert_eq!(publisher.flush().await, Err(PublishError::Unconfirmed { count: 3 }));
        let taken: Vec<_> = publisher.take_unconfirmed().into_iter().map(|(number, _)| number).collect();
        assert_eq!(taken, [3, 4, 5]);
    });
}

/// What has left is unknown, what has not was not sent, and it goes on with the next connection.
#[test]
fn a_lost_connection_tells_what_had_left() {
    let (mut sim, taken) = calm(config(), settings(), async |client, world| {
        client.connected().await.unwrap();
        world.set_reading("broker", false);
        let mut publisher = client.publisher("/queue/a").confirmed().window(100).build().unwrap();
        let body = vec![b'x'; 10_000];
        while poll_once(&mut publisher.feed(body.clone())).await.is_ready() && publisher.next_number() < 20 {}
        // Some of it leaves.
        world.sleep(seconds(1)).await;
        world.cut("broker", Ending::Reset);
        let count = publisher.next_number();
        assert_eq!(publisher.flush().await, Err(PublishError::Unconfirmed { count }));
        world.set_reading("broker", true);
        let taken = publisher.take_unconfirmed();
        assert_eq!(publisher.send("after").await, Ok(count));
        taken
    });
    let numbers: Vec<_> = taken.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..taken.len() as u64).collect::<Vec<_>>(), "each once");
    let has_left = |error: &SendError| match error {
        SendError::Unknown(Unknown::Lost(Lost::Io(_))) => true,
        SendError::NotSent(NotSent::Lost(Lost::Io(_))) => false,
        other => panic!("{other:?}"),
    };
    let left: Vec<_> = taken.iter().map(|(_, error)| has_left(error)).collect();
    assert!(left.iter().any(|left| *left) && left.iter().any(|left| !left), "{left:?}");
    assert!(left.is_sorted_by(|one, other| one >= other), "in order: {left:?}");
    assert_eq!(bodies(&mut sim), ["after"]);
}

/// Plain messages have no outcome, but a flush that says all is on the wire means it.
#[test]
fn a_plain_flush_waits_for_the_wire() {
    let (mut sim, ()) = calm(config(), settings(), async |client, world| {
        client.connected().await.unwrap();
        world.set_reading("broker", false);
        let mut publisher = client.publisher("/queue/a").build().unwrap();
        for _ in 0..5 {
            publisher.feed(vec![b'x'; 30_000]).await.unwrap();
        }
        let mut flush = Box::pin(publisher.flush());
        assert!(poll_once(&mut flush).await.is_pending());
        world.sleep(seconds(5)).await;
        assert!(poll_once(&mut flush).await.is_pending(), "the broker reads nothing");
        world.set_reading("broker", true);
        assert_eq!(flush.await, Ok(()));
        assert_eq!(publisher.flush().await, Ok(()));
        world.sleep(seconds(1)).await;
    });
    assert_eq!(bodies(&mut sim).len(), 5);
}

#[test]
fn a_plain_flush_tells_what_a_lost_connection_may_have_cost() {
    calm(config(), settings(), async |client, world| {
        client.connected().await.unwrap();
        let mut publisher = client.publisher("/queue/a").build().unwrap();
        feed(&mut publisher, 4).await;
        publisher.flush().await.unwrap();
        world.set_reading("broker", false);
        for _ in 0..5 {
            publisher.feed(vec![b'x'; 30_000]).await.unwrap();
        }
        // What the line takes is on its way.
        world.sleep(seconds(1)).await;
        assert!(poll_times(1, publisher.flush()).await.is_none());
        world.cut("broker", Ending::Reset);
        let lost = publisher.flush().await;
        assert!(matches!(lost, Err(PublishError::Unsent { count: 1..=5 })), "{lost:?}");
        world.set_reading("broker", true);
        assert_eq!(publisher.send("again").await, Ok(9), "and it goes on");
    });
}

#[test]
fn what_is_sent_at_least_once_is_sent_again() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        let (client, world) = (sim.client(config(), settings()), sim.world());
        sim.block_on(async {
            let mut publisher = client.publisher("/queue/a").at_least_once().window(20).build().unwrap();
            for round in 0..5 {
                feed(&mut publisher, 10).await;
                if round % 2 == 0 {
                    world.cut("broker", Ending::Reset);
                }
            }
            assert_eq!(publisher.flush().await, Ok(()));
            client.disconnect().await.unwrap();
        });
        let arrived: BTreeSet<_> = bodies(&mut sim).into_iter().collect();
        assert_eq!(arrived, numbers(50).into_iter().collect(), "seed {seed}");
    }
}

#[test]
fn without_a_connection_a_message_waits_and_its_error_is_its_own() {
    let mut sim = Sim::in_weather(7, Weather::calm());
    sim.set_door("broker", Door::Refusing);
    let settings = settings().send_timeout(seconds(5));
    let (client, world) = (sim.client(config(), settings), sim.world());
    sim.block_on(async {
        let mut publisher = client.publisher("/queue/a").confirmed().build().unwrap();
        assert_eq!(publisher.feed("a").await, Err(SendError::NoConnection(seconds(5))));
        assert_eq!(publisher.send("a").await, Err(SendError::NoConnection(seconds(5)).into()));
        assert_eq!((publisher.next_number(), publisher.flush().await), (0, Ok(())));
        world.set_door("broker", Door::Open);
        assert_eq!(publisher.send("b").await, Ok(0));
    });
    assert_eq!(bodies(&mut sim), ["b"]);
}

/// It waits by itself: neither does it hold up others when nobody looks, nor is it sent when it was given up.
#[test]
fn one_that_is_not_polled_again_holds_up_nobody() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        sim.set_door("broker", Door::Refusing);
        let (client, world) = (sim.client(config(), settings()), sim.world());
        sim.block_on(async {
            let build = || client.publisher("/queue/a").confirmed().build().unwrap();
            let (mut slow, mut gone, mut given_up) = (build(), build(), build());
            let mut feeding = slow.feed("slow");
            assert!(poll_once(&mut feeding).await.is_pending());
            assert_eq!(poll_times(1, given_up.feed("given up")).await, None);
            assert!(poll_once(&mut gone.feed("gone")).await.is_pending());
            drop(gone);
            world.set_door("broker", Door::Open);
            client.send("/queue/a", "single").confirmed().await.unwrap();
            assert_eq!(given_up.next_number(), 0, "seed {seed}");
            assert_eq!(feeding.await, Ok(0));
            assert_eq!(slow.flush().await, Ok(()));
        });
        assert_eq!(bodies(&mut sim), ["slow", "single"], "seed {seed}");
    }
}

/// It was admitted, and nobody has looked since: the number tells.
#[test]
fn one_that_was_handed_over_unseen_counts() {
    let mut sim = Sim::in_weather(7, Weather::calm());
    sim.set_door("broker", Door::Refusing);
    let (client, world) = (sim.client(config(), settings()), sim.world());
    sim.block_on(async {
        let mut publisher = client.publisher("/queue/a").confirmed().build().unwrap();
        let mut feeding = publisher.feed("unseen");
        assert!(poll_once(&mut feeding).await.is_pending());
        world.set_door("broker", Door::Open);
        client.connected().await.unwrap();
        world.sleep(seconds(1)).await;
        drop(feeding);
        assert_eq!(publisher.next_number(), 1);
        assert_eq!((publisher.flush().await, publisher.first_unsettled()), (Ok(()), 1));
    });
    assert_eq!(bodies(&mut sim), ["unseen"]);
}

/// A publisher that always has something and senders of single messages: each gets on.
#[test]
fn it_neither_starves_others_nor_is_starved() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        let settings = settings().outbound_budget(200);
        let client = sim.client(config(), settings);
        let tasks: Vec<_> = (0..3)
            .map(|task| {
                let client = client.clone();
                sim.spawn(async move {
                    if task == 0 {
                        let mut publisher = client.publisher("/queue/a").build().unwrap();
                        for number in 0..100 {
                            publisher.feed(format!("0 {number:050}")).await.unwrap();
                        }
                    } else {
                        for number in 0..100 {
                            client.send("/queue/a", format!("{task} {number:050}")).await.unwrap();
                        }
                    }
                })
            })
            .collect();
        sim.block_on(async {
            for task in tasks {
                task.await;
            }
            client.disconnect().await.unwrap();
        });
        let bodies = bodies(&mut sim);
        assert_eq!(bodies.len(), 300);
        for task in ["0", "1", "2"] {
            let half = bodies[..150].iter().filter(|body| body.starts_with(task)).count();
            assert!(half >= 25, "seed {seed}: {task} had {half} of the first 150");
        }
    }
}

/// Dropped in the middle: what was handed over leaves, and the end waits for its RECEIPTs.
#[test]
fn dropped_it_leaves_nothing_behind() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let farewell = sim.block_on(async {
            client.connected().await.unwrap();
            let mut publisher = client.publisher("/queue/a").confirmed().build().unwrap();
            feed(&mut publisher, 9).await;
            drop(publisher);
            client.disconnect().await.unwrap()
        });
        assert_eq!(bodies(&mut sim), numbers(9), "seed {seed}");
        assert_eq!(farewell.unconfirmed, 0, "seed {seed}: {farewell:?}");
    }
}

#[test]
fn a_graceful_end_waits_for_its_receipts_and_counts_them() {
    let (mut sim, farewell) = calm(config(), settings(), async |client, _| {
        let mut publisher = client.publisher("/queue/a").confirmed().build().unwrap();
        feed(&mut publisher, 20).await;
        let farewell = client.disconnect().await.unwrap();
        assert_eq!((publisher.flush().await, publisher.take_unconfirmed()), (Ok(()), vec![]));
        assert!(matches!(publisher.feed("late").await, Err(SendError::Closed(_))));
        farewell
    });
    assert_eq!((farewell.confirmed, farewell.unconfirmed), (20, 0));
    assert_eq!(bodies(&mut sim), numbers(20));
}

#[test]
fn a_driver_that_is_dropped_ends_every_wait() {
    let mut sim = Sim::in_weather(7, Weather::calm());
    let (client, driver) = sim.client_and_driver(config(), settings());
    let driver = sim.spawn(driver.run());
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.broker("broker", |broker| broker.drop_receipts(true));
        let mut confirmed = client.publisher("/queue/a").confirmed().build().unwrap();
        let mut full = client.publisher("/queue/a").confirmed().window(1).build().unwrap();
        let mut plain = client.publisher("/queue/a").build().unwrap();
        feed(&mut confirmed, 2).await;
        feed(&mut full, 1).await;
        feed(&mut plain, 1).await;
        let flush = world.spawn(async move { (confirmed.flush().await, confirmed.take_unconfirmed()) });
        let feeding = world.spawn(async move { full.feed("1").await });
        world.sleep(seconds(1)).await;
        world.set_reading("broker", false);
        plain.feed(vec![b'x'; 200_000]).await.unwrap();
        let written = world.spawn(async move { plain.flush().await });
        world.sleep(seconds(1)).await;
        driver.cancel();
        let (flushed, taken) = flush.await;
        assert_eq!((flushed, taken.len()), (Err(PublishError::Unconfirmed { count: 2 }), 2));
        assert!(matches!(feeding.await, Err(SendError::Closed(_))));
        assert_eq!(written.await, Err(PublishError::Unsent { count: 1 }));
    });
}

/// Another task goes on with it, and is the one that is woken.
#[test]
fn it_can_be_handed_on() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        let (client, world) = (sim.client(config(), settings()), sim.world());
        sim.block_on(async {
            let mut publisher = client.publisher("/queue/a").confirmed().window(4).build().unwrap();
            for _ in 0..10 {
                let task = world.spawn(async move {
                    feed(&mut publisher, 3).await;
                    poll_times(1, publisher.flush()).await;
                    poll_times(1, publisher.feed(publisher_number())).await;
                    publisher
                });
                publisher = task.await;
            }
            assert_eq!(publisher.flush().await, Ok(()));
        });
        assert!(bodies(&mut sim).len() >= 30, "seed {seed}");
    }
}

const fn publisher_number() -> &'static str {
    "handed on"
}
