//! Sending: plain, confirmed, and while there is no connection.

use std::future::IntoFuture as _;

use stomp_checks::sim::{Door, Ending, Random, Sim, Weather};
use stomp_session::{
    CommandError, NotSent, Unknown,
    client::{Listener, Notice, SendError},
};
use stomp_testkit::broker::{BrokerConfig, ErrorPolicy};

use crate::kit::{config, poll_once, seconds, seeds, settings};

#[test]
fn plain_and_confirmed_arrive_in_order() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        sim.block_on(async {
            for number in 0..50 {
                let send = client.send("/queue/a", number.to_string()).header("n", number.to_string());
                if number % 3 == 0 { send.confirmed().await.unwrap() } else { send.await.unwrap() }
            }
            client.disconnect().await.unwrap();
        });
        let expected: Vec<_> = (0..50).map(|number| number.to_string()).collect();
        assert_eq!(sim.broker("broker", |broker| broker.messages("/queue/a")), expected, "seed {seed}");
    }
}

/// Whatever the terms: what is prepared says the same as what is not.
#[test]
fn what_is_prepared_arrives_on_all_terms() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        sim.block_on(async {
            let order = client.send("/queue/a", "").header("n", "1").persistent();
            let early = order.clone().prepare().unwrap();
            client.connected().await.unwrap();
            early.send("early").await.unwrap();
            order.clone().confirmed().prepare().unwrap().send("confirmed").await.unwrap();
            order.clone().at_least_once().prepare().unwrap().send("kept").await.unwrap();
            order.clone().buffered().prepare().unwrap().send("buffered").await.unwrap();
            let transaction = client.begin().await.unwrap();
            let part = transaction.send("/queue/a", "").header("n", "1").prepare().unwrap();
            part.send("one").await.unwrap();
            part.send("two").await.unwrap();
            transaction.commit().await.unwrap();
            let refused = client.send("/queue/a", "").header("content-length", "2").prepare().unwrap();
            assert!(matches!(refused.send("abc").await, Err(SendError::Command(CommandError::Encode(_)))));
            client.disconnect().await.unwrap();
        });
        let expected = ["early", "confirmed", "kept", "buffered", "one", "two"];
        assert_eq!(sim.broker("broker", |broker| broker.messages("/queue/a")), expected, "seed {seed}");
    }
}

#[test]
fn many_confirmed_at_once_are_each_confirmed() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let sends: Vec<_> = (0..100)
            .map(|number| sim.spawn(client.send("/queue/a", number.to_string()).confirmed().into_future()))
            .collect();
        sim.block_on(async {
            for send in sends {
                send.await.unwrap();
            }
        });
        assert_eq!(sim.broker("broker", |broker| broker.depth("/queue/a")), 100);
    }
}

#[test]
fn without_a_connection_it_waits_and_then_goes_out() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        sim.set_door("broker", Door::Refusing);
        let client = sim.client(config(), settings());
        let world = sim.world();
        let sends: Vec<_> =
            (0..5).map(|n| sim.spawn(client.send("/queue/a", n.to_string()).into_future())).collect();
        sim.block_on(async {
            world.sleep(seconds(20)).await;
            assert!(sends.iter().all(|send| !send.is_finished()));
            world.set_door("broker", Door::Open);
            for send in sends {
                send.await.unwrap();
            }
            client.send("/queue/a", "last").confirmed().await.unwrap();
        });
        assert_eq!(sim.broker("broker", |broker| broker.depth("/queue/a")), 6);
    }
}

#[test]
fn without_a_connection_it_gives_up_in_time() {
    let mut sim = Sim::new(1);
    sim.set_door("broker", Door::Stuck);
    let settings = settings().send_timeout(seconds(7));
    let client = sim.client(config(), settings);
    let world = sim.world();
    sim.block_on(async {
        for confirmed in [false, true] {
            let before = now(&world);
            let send = client.send("/queue/a", "x");
            let send = if confirmed { send.confirmed() } else { send };
            let error = send.await.unwrap_err();
            assert_eq!(error, SendError::NoConnection(seconds(7)));
            assert_eq!(error.to_string(), "nothing was sent: no connection within 7.0 s");
            assert_eq!(now(&world) - before, seconds(7));
        }
    });
}

fn now(world: &stomp_checks::sim::World) -> std::time::Duration {
    stomp_session::client::Runtime::now(world).since_start()
}

#[test]
fn a_wrong_send_is_an_error_at_once() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let error = sim.block_on(async { client.send("", "x").await.unwrap_err() });
    assert_eq!(error, SendError::Command(CommandError::NoDestination));
    let error = sim.block_on(async { client.send("/queue/a", "\0").text().confirmed().await.unwrap_err() });
    assert!(matches!(error, SendError::Command(CommandError::Encode(_))), "{error}");
}

#[test]
fn a_refusal_names_its_send_and_no_other() {
    let mut sim = Sim::new(1);
    sim.add_broker("broker", BrokerConfig::default().errors(ErrorPolicy::stay_open()));
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.broker("broker", |broker| broker.drop_receipts(true));
        let other = world.spawn(client.send("/queue/a", "x").confirmed().into_future());
        // The session numbers its receipts from 1.
        world.sleep(seconds(1)).await;
        let connection = world.broker("broker", |broker| broker.connections()[0]);
        let error = b"ERROR\nmessage:no\nreceipt-id:1\n\nbecause\0";
        world.broker("broker", |broker| broker.send_octets(connection, error));
        let refused = other.await.unwrap_err();
        assert_eq!(refused.to_string(), "the broker refused the message: no: because");
        world.broker("broker", |broker| broker.drop_receipts(false));
        client.send("/queue/a", "y").confirmed().await.unwrap();
    });
}

#[test]
fn a_loss_ends_the_wait_of_the_confirmed_ones() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.set_reading("broker", false);
        let sends: Vec<_> =
            (0..3).map(|_| world.spawn(client.send("/queue/a", "x").confirmed().into_future())).collect();
        world.sleep(seconds(1)).await;
        world.cut("broker", Ending::Reset);
        for send in sends {
            let error = send.await.unwrap_err();
            let told =
                matches!(error, SendError::Unknown(Unknown::Lost(_)) | SendError::NotSent(NotSent::Lost(_)));
            assert!(told, "{error:?}");
        }
        world.set_reading("broker", true);
        client.send("/queue/a", "y").confirmed().await.unwrap();
    });
    assert_eq!(sim.broker("broker", |broker| broker.messages("/queue/a")), ["y"]);
}

/// The broker says why it closes while the client is still writing. Writing fails, and the reason is told nevertheless.
#[test]
fn an_error_is_read_although_writing_fails() {
    for seed in seeds(50) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            client.connected().await.unwrap();
            world.set_reading("broker", false);
            let confirmed = world.spawn(client.send("/queue/a", vec![0; 150_000]).confirmed().into_future());
            let connection = world.broker("broker", |broker| broker.connections()[0]);
            world.sleep(std::time::Duration::from_micros(seed * 100)).await;
            world.broker("broker", |broker| broker.send_error(connection, "too much", "go away"));
            let error = confirmed.await.unwrap_err();
            assert!(error.to_string().contains("too much: go away"), "seed {seed}: {error}");
        });
    }
}

/// Writing fails, and reading neither brings anything nor ends.
#[test]
fn a_connection_that_is_broken_one_way_is_given_up() {
    for seed in seeds(20) {
        let mut sim = Sim::in_weather(seed, Weather::drawn(&mut Random::new(seed)).with_buffers(2048));
        sim.cut_upward("broker", 500, Ending::Eof);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            client.connected().await.unwrap();
            world.set_frozen("broker", true);
            for _ in 0..2 {
                let _ = client.send("/queue/a", vec![0; 1000]).await;
                world.sleep(seconds(5)).await;
            }
            assert!(client.connection().is_none(), "seed {seed}");
        });
    }
}

/// A broker that reads nothing, and a client without heart-beats: nothing but the clock can end the wait.
#[test]
fn a_receipt_that_cannot_come_is_awaited_only_so_long() {
    let rows = [
        (1, SendError::NotSent(NotSent::Timeout(seconds(9)))),
        (64 * 1024, SendError::Unknown(Unknown::Timeout(seconds(9)))),
    ];
    for (room, told) in rows {
        let mut sim = Sim::in_weather(1, Weather::calm().with_buffers(room));
        let mut config = config();
        (config.receipt_timeout, config.timeout) = (seconds(9), seconds(9));
        let client = sim.client(config, settings());
        let world = sim.world();
        sim.block_on(async {
            client.connected().await.unwrap();
            world.set_reading("broker", false);
            client.send("/queue/a", vec![0; 1000]).await.unwrap();
            world.sleep(seconds(1)).await;
            let before = now(&world);
            let error = client.send("/queue/a", "x").confirmed().await.unwrap_err();
            assert_eq!(error, told, "room {room}");
            assert_eq!(now(&world) - before, seconds(9));
        });
    }
}

/// The driver sleeps until the next heart-beat when a deadline comes up that is earlier.
#[test]
fn an_earlier_deadline_wakes_the_driver() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let mut config = config();
    (config.send_beat, config.receipt_timeout) = (seconds(100), seconds(2));
    let client = sim.client(config, settings());
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.broker("broker", |broker| broker.drop_receipts(true));
        world.sleep(seconds(1)).await;
        let before = now(&world);
        let error = client.send("/queue/a", "x").confirmed().await.unwrap_err();
        assert_eq!(error, SendError::Unknown(Unknown::Timeout(seconds(2))));
        assert_eq!(now(&world) - before, seconds(2));
    });
}

#[test]
fn after_the_end_every_send_says_so() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    sim.block_on(async {
        client.connected().await.unwrap();
        client.disconnect().await.unwrap();
        let error = client.send("/queue/a", "x").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "nothing was sent: the session was disconnected (confirmed by the broker)"
        );
        let error = client.subscribe("/queue/a").await.unwrap_err();
        assert_eq!(error.to_string(), "the session was disconnected (confirmed by the broker)");
    });
}

/// What was not to wait fails at once, without a connection and without room.
#[test]
fn an_immediate_send_never_waits() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let settings = settings().outbound_budget(1);
    let client = sim.client(config(), settings);
    let world = sim.world();
    sim.block_on(async {
        let error = client.send("/queue/a", "x").immediate().await.unwrap_err();
        assert_eq!(error, SendError::Command(CommandError::NotConnected));
        client.connected().await.unwrap();
        client.send("/queue/a", "x").immediate().confirmed().await.unwrap();
        world.set_reading("broker", false);
        let mut results = Vec::new();
        for _ in 0..20 {
            results.push(client.send("/queue/a", vec![0; 10_000]).immediate().await);
            world.sleep(seconds(1)).await;
        }
        assert_eq!((&results[0], &results[19]), (&Ok(()), &Err(SendError::Full)));
    });
}

/// One time for the whole of a send, whatever it waits for.
#[test]
fn a_time_of_its_own_covers_all_its_waits() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    sim.set_door("broker", Door::Refusing);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        world.broker("broker", |broker| broker.drop_receipts(true));
        let before = now(&world);
        let open = {
            let world = world.clone();
            async move {
                world.sleep(seconds(5)).await;
                world.set_door("broker", Door::Open);
            }
        };
        drop(world.spawn(open));
        let error = client.send("/queue/a", "x").confirmed().timeout(seconds(20)).await.unwrap_err();
        assert!(matches!(error, SendError::Unknown(Unknown::Timeout(_))), "{error}");
        let took = now(&world) - before;
        assert!((seconds(19)..=seconds(21)).contains(&took), "{took:?}");
        let error = client.send("/queue/b", "").text().body("\0").await.unwrap_err();
        assert!(matches!(error, SendError::Command(CommandError::Encode(_))), "{error}");
    });
}

/// Dropped before anything of it has left, it is taken back.
#[test]
fn a_dropped_send_that_has_not_left_is_taken_back() {
    let mut sim = Sim::in_weather(1, Weather::calm().with_buffers(1024));
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.set_reading("broker", false);
        let first = world.spawn(client.send("/queue/a", vec![b'x'; 70_000]).confirmed().into_future());
        world.sleep(seconds(1)).await;
        let mut second = client.send("/queue/a", "taken back").confirmed().into_future();
        assert!(poll_once(&mut second).await.is_pending());
        world.sleep(seconds(1)).await;
        drop(second);
        world.set_reading("broker", true);
        first.await.unwrap();
        client.send("/queue/a", "last").confirmed().await.unwrap();
    });
    let bodies = sim.broker("broker", |broker| broker.messages("/queue/a"));
    assert_eq!((bodies.len(), &*bodies[1]), (2, &b"last"[..]));
}

/// Buffered it does not hold up its sender, goes out in order with the first connection, and is bounded.
#[test]
fn buffered_messages_wait_by_themselves() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        sim.set_door("broker", Door::Refusing);
        let settings = settings().outbound_budget(1000);
        let client = sim.client(config(), settings);
        let world = sim.world();
        sim.block_on(async {
            let mut went = 0;
            let send = |number: u32| client.send("/queue/a", number.to_string()).buffered();
            while send(went).await.is_ok() {
                went += 1;
            }
            assert!((2..100).contains(&went), "the budget bounds them: {went}");
            assert_eq!(send(went).await, Err(SendError::Full));
            let waiting = world.spawn(client.send("/queue/a", went.to_string()).into_future());
            world.sleep(seconds(5)).await;
            world.set_door("broker", Door::Open);
            waiting.await.unwrap();
            client.send("/queue/a", "end").confirmed().await.unwrap();
            let expected: Vec<_> =
                (0..=went).map(|number| number.to_string()).chain(["end".into()]).collect();
            assert_eq!(world.broker("broker", |broker| broker.messages("/queue/a")), expected, "seed {seed}");
            client.disconnect().await.unwrap();
        });
    }
}

/// Listeners are told of each that was not sent: its time was over, or the session ended.
#[test]
fn a_buffered_message_that_is_not_sent_is_told() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    sim.set_door("broker", Door::Refusing);
    let client = sim.client(config(), settings());
    let mut notices = client.listen();
    sim.block_on(async {
        client.send("/queue/a", "late").buffered().timeout(seconds(5)).await.unwrap();
        let failed = async |notices: &mut Listener| loop {
            match notices.next().await {
                Some(Notice::SendFailed(error)) => return Some(error),
                Some(_) => {}
                None => return None,
            }
        };
        assert_eq!(failed(&mut notices).await, Some(SendError::NoConnection(seconds(5))));
        client.send("/queue/a", "left").buffered().await.unwrap();
        let _ = client.disconnect().await;
        assert!(matches!(failed(&mut notices).await, Some(SendError::Closed(_))));
        assert_eq!(failed(&mut notices).await, None, "and no more");
    });
}
