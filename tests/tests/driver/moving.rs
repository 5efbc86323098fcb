//! Moves from one broker to another, with all that a client has on its way.

use std::{
    future::IntoFuture as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use stomp_checks::sim::{Door, Sim, Weather, World};
use stomp_proto::{AckMode, Command};
use stomp_session::{
    Closed, CommandError, Config, Endpoint, Lost,
    client::{
        Client, CommitError, Delivery, Notice, ReconnectError, RequestError, Runtime as _, SendError,
        SessionState,
    },
};
use stomp_testkit::broker::BrokerConfig;

use crate::kit::{config, poll_once, seconds, seeds, settings};

const HOSTS: [&str; 2] = ["a", "b"];

fn two() -> Config {
    let uri = "failover:(tcp://a,tcp://b)?startupMaxReconnectAttempts=-1&randomize=false";
    let mut config = config();
    config.brokers = uri.parse().unwrap();
    config
}

fn sim(seed: u64) -> (Sim, Client, World) {
    let sim = Sim::new(seed);
    for host in HOSTS {
        sim.add_broker(host, BrokerConfig::rabbitmq().recording());
    }
    let (client, world) = (sim.client(two(), settings()), sim.world());
    (sim, client, world)
}

fn calm() -> (Sim, Client, World) {
    let sim = Sim::in_weather(1, Weather::calm());
    for host in HOSTS {
        sim.add_broker(host, BrokerConfig::rabbitmq().recording());
    }
    let (client, world) = (sim.client(two(), settings()), sim.world());
    (sim, client, world)
}

fn endpoint(host: &str) -> Endpoint {
    format!("tcp://{host}").parse().unwrap()
}

/// All that a broker has read, on all connections.
fn read(world: &World, host: &str) -> Vec<Command> {
    world.broker(host, |broker| {
        let frames = broker.received().flat_map(|(_, frames)| frames);
        frames.map(|frame| frame.command()).collect()
    })
}

fn bodies(world: &World, host: &str, queue: &str) -> Vec<String> {
    let texts = |bodies: Vec<_>| bodies.into_iter().map(|body: bytes::Bytes| text(&body)).collect();
    world.broker(host, |broker| texts(broker.messages(queue)))
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

#[test]
fn an_idle_client_says_goodbye_and_its_subscriptions_stand_at_the_next_broker() {
    for seed in seeds(20) {
        let (mut sim, client, world) = sim(seed);
        let mut listener = client.listen();
        sim.block_on(async {
            let mut subscription = client.subscribe("/queue/a").await.unwrap();
            let moved = client.reconnect("a is drained").await.unwrap();
            assert_eq!((moved.reason.as_str(), moved.graceful), ("a is drained", true), "seed {seed}");
            assert_eq!(moved.connection.endpoint, endpoint("b"));
            assert_eq!((moved.unconfirmed, moved.unhandled, moved.returned, moved.at_risk), (0, 0, 0, 0));
            assert_eq!(client.state(), SessionState::Connected(moved.connection.clone()));
            let said = read(&world, "a");
            assert_eq!(said, [Command::Connect, Command::Subscribe, Command::Disconnect]);
            world.broker("b", |broker| broker.publish("/queue/a", "x", &[]));
            subscription.next().await.unwrap().ack_confirmed().await.unwrap();
            let mut told = Vec::new();
            while !matches!(told.last(), Some(Notice::Moved(_))) {
                told.push(listener.next().await.unwrap());
            }
            let at = |wanted: fn(&Notice) -> bool| told.iter().position(wanted).expect("it is told");
            let begun = at(|it| matches!(it, Notice::Moving { reason, .. } if reason == "a is drained"));
            let left = at(|it| matches!(it, Notice::Disconnected { reason: Lost::Left, .. }));
            let stood = at(|it| matches!(it, Notice::Connected(it) if it.endpoint == endpoint("b")));
            assert!(begun < left && left < stood);
        });
    }
}

/// What was fed before leaves before the DISCONNECT; what is fed meanwhile waits for the next connection.
#[test]
fn publishers_wait_as_senders_do() {
    for seed in seeds(20) {
        let (mut sim, client, world) = sim(seed);
        sim.block_on(async {
            let plain = client.publisher("/queue/out");
            let publishers = [plain.clone(), plain.confirmed()];
            for mut publisher in publishers.map(|builder| builder.build().unwrap()) {
                publisher.feed("before").await.unwrap();
                publisher.flush().await.unwrap();
                world.set_frozen("a", true);
                let mut moving = client.reconnect("away").to(endpoint("b")).into_future();
                assert!(poll_once(&mut moving).await.is_pending());
                let mut feeding = publisher.feed("after");
                assert!(poll_once(&mut feeding).await.is_pending());
                world.sleep(seconds(1)).await;
                assert!(poll_once(&mut feeding).await.is_pending(), "seed {seed}");
                world.set_frozen("a", false);
                let moved = moving.await.unwrap();
                assert_eq!((moved.graceful, moved.unconfirmed), (true, 0), "seed {seed}");
                assert_eq!(feeding.await, Ok(1));
                publisher.flush().await.unwrap();
                client.reconnect("back").to(endpoint("a")).await.unwrap();
            }
            client.disconnect().await.unwrap();
            assert_eq!(bodies(&world, "a", "/queue/out"), ["before", "before"], "seed {seed}");
            assert_eq!(bodies(&world, "b", "/queue/out"), ["after", "after"], "seed {seed}");
        });
    }
}

/// Producers, a consumer, and moves from one broker to the other and back: what was confirmed is handled, and once.
#[test]
fn nothing_is_lost_and_nothing_doubled() {
    for seed in seeds(20) {
        let (mut sim, client, world) = sim(seed);
        let handled = Arc::new(Mutex::new(Vec::new()));
        sim.block_on(async {
            let subscription = client.subscribe("/queue/a").await.unwrap();
            let noted = Arc::clone(&handled);
            let runner = subscription.handle_with(move |message: Delivery| {
                let (noted, text) = (Arc::clone(&noted), text(message.body()));
                async move {
                    noted.lock().unwrap().push(text);
                    Ok::<(), String>(())
                }
            });
            let running = world.spawn(runner.concurrency(3).run());
            for number in 0..30 {
                client.send("/queue/a", number.to_string()).confirmed().await.unwrap();
                if number % 10 == 9 {
                    client.reconnect("turn").await.unwrap();
                }
            }
            // What a broker still holds is fetched there.
            for host in ["a", "b"] {
                client.reconnect("look").to(endpoint(host)).await.unwrap();
                world.sleep(seconds(5)).await;
                assert_eq!(bodies(&world, host, "/queue/a"), [""; 0], "seed {seed}");
            }
            client.disconnect().await.unwrap();
            running.await.unwrap();
        });
        let mut handled = handled.lock().unwrap().clone();
        handled.sort_by_key(|text| text.parse::<u32>().unwrap());
        assert_eq!(handled, (0..30).map(|number| number.to_string()).collect::<Vec<_>>(), "seed {seed}");
    }
}

/// Handlers end with all commands, and their acknowledgements count.
#[test]
fn running_handlers_end_and_the_runner_goes_on() {
    let (mut sim, client, world) = calm();
    sim.block_on(async {
        let subscription = client.subscribe("/queue/a").await.unwrap();
        let (sender, clock) = (client.clone(), world.clone());
        let runner = subscription.handle_with(move |message: Delivery| {
            let copy = sender.send("/queue/out", message.body_bytes()).confirmed();
            let pause = clock.sleep(seconds(3));
            async move {
                pause.await;
                copy.await
            }
        });
        let running = world.spawn(runner.run());
        for number in 0..3 {
            world.broker("a", |broker| broker.publish("/queue/a", number.to_string(), &[]));
        }
        world.sleep(seconds(1)).await;
        let mut moving = client.reconnect("away").into_future();
        world.sleep(seconds(1)).await;
        assert!(matches!(client.state(), SessionState::Moving(_)), "{:?}", client.state());
        assert!(poll_once(&mut moving).await.is_pending());
        let moved = moving.await.unwrap();
        assert_eq!((moved.graceful, moved.unhandled), (true, 0));
        assert_eq!(bodies(&world, "a", "/queue/out"), ["0"]);
        assert_eq!(bodies(&world, "a", "/queue/a"), ["1", "2"], "the others stay");
        assert_eq!(moved.returned, 2);
        world.broker("b", |broker| broker.publish("/queue/a", "next", &[]));
        world.sleep(seconds(5)).await;
        assert_eq!(bodies(&world, "b", "/queue/out"), ["next"]);
        client.disconnect().await.unwrap();
        assert_eq!(running.await.unwrap().handled, 2);
    });
}

/// One that hangs, and a runner that nobody polls, hold up the move for three quarters of its time and no longer.
#[test]
fn a_handler_that_does_not_end_is_left_behind() {
    for polled in [true, false] {
        let (mut sim, client, world) = calm();
        sim.block_on(async {
            let subscription = client.subscribe("/queue/a").await.unwrap();
            let forever = |_: Delivery| std::future::pending::<Result<(), String>>();
            let mut runner = Box::pin(subscription.handle_with(forever).run());
            world.broker("a", |broker| broker.publish("/queue/a", "x", &[]));
            world.sleep(seconds(1)).await;
            assert!(poll_once(&mut runner).await.is_pending());
            let (spawned, _held) = match polled {
                true => (Some(world.spawn(async move { runner.await.is_ok() })), None),
                false => (None, Some(runner)),
            };
            let begun = world.now();
            let moved = client.reconnect("away").within(seconds(4)).await.unwrap();
            assert_eq!((moved.graceful, moved.unhandled), (true, 1));
            assert!(world.now().since(begun) >= seconds(3) && world.now().since(begun) < seconds(4));
            assert_eq!(bodies(&world, "a", "/queue/a"), ["x"], "it is the broker's again");
            drop(spawned);
        });
    }
}

/// A handler may move the client itself, and wait for that.
#[test]
fn a_handler_that_awaits_the_move_is_not_waited_for() {
    let (mut sim, client, world) = calm();
    let moves = Arc::new(AtomicUsize::new(0));
    sim.block_on(async {
        let subscription = client.subscribe("/queue/a").await.unwrap();
        let (mover, counted) = (client.clone(), Arc::clone(&moves));
        let runner = subscription.handle_with(move |_: Delivery| {
            let (moving, counted) = (mover.reconnect("by a handler"), Arc::clone(&counted));
            async move {
                moving.await?;
                counted.fetch_add(1, Ordering::Relaxed);
                Ok::<(), ReconnectError>(())
            }
        });
        drop(world.spawn(runner.run()));
        world.broker("a", |broker| broker.publish("/queue/a", "x", &[]));
        world.sleep(seconds(2)).await;
        assert_eq!(moves.load(Ordering::Relaxed), 1);
        assert_eq!(client.connection().unwrap().endpoint, endpoint("b"));
    });
}

/// New sends wait, whatever their futures do; one that must not wait is told so.
#[test]
fn what_is_sent_meanwhile_goes_to_the_next_broker() {
    let (mut sim, client, world) = calm();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.broker("a", |broker| broker.drop_receipts(true));
        let mut unanswered = client.send("/queue/a", "unknown").confirmed().into_future();
        assert!(poll_once(&mut unanswered).await.is_pending());
        let moving = client.reconnect("away").within(seconds(4)).into_future();
        world.sleep(seconds(1)).await;
        assert!(matches!(client.state(), SessionState::Moving(_)));
        let immediate = client.send("/queue/a", "now").immediate().await;
        assert_eq!(immediate, Err(SendError::Command(CommandError::NotConnected)));
        let mut parked = client.send("/queue/a", "parked").into_future();
        assert!(poll_once(&mut parked).await.is_pending());
        client.send("/queue/a", "buffered").buffered().await.unwrap();
        let mut kept = client.send("/queue/a", "kept").at_least_once().into_future();
        assert!(poll_once(&mut kept).await.is_pending());
        let moved = moving.await.unwrap();
        assert_eq!((moved.graceful, moved.unconfirmed), (false, 1));
        assert!(matches!(unanswered.await, Err(SendError::Unknown(_))));
        client.flush().await.unwrap();
        kept.await.unwrap();
        let mut sent = bodies(&world, "b", "/queue/a");
        sent.sort();
        assert_eq!(sent, ["buffered", "kept", "parked"]);
        assert_eq!(bodies(&world, "a", "/queue/a"), ["unknown"]);
        parked.await.unwrap();
    });
}

/// What was waiting in an inbox goes back, unless the broker has forgotten it.
#[test]
fn messages_that_nobody_has_taken() {
    let (mut sim, client, world) = calm();
    sim.block_on(async {
        let mut acked = client.subscribe("/queue/a").await.unwrap();
        let mut auto = client.subscribe("/queue/b").ack(AckMode::Auto).await.unwrap();
        for queue in ["/queue/a", "/queue/b"] {
            for number in 0..3 {
                world.broker("a", |broker| broker.publish(queue, number.to_string(), &[]));
            }
        }
        world.sleep(seconds(1)).await;
        let stale = acked.next().await.unwrap();
        let moved = client.reconnect("away").await.unwrap();
        assert_eq!(moved.at_risk, 1);
        assert_eq!(bodies(&world, "a", "/queue/a").len(), 3);
        let came = stale.connection();
        assert_eq!(stale.ack(), Err(CommandError::Stale { came }));
        for number in 0..3 {
            assert_eq!(auto.next().await.unwrap().text().unwrap(), number.to_string());
        }
        client.reconnect("back").to(endpoint("a")).await.unwrap();
        for _ in 0..3 {
            acked.next().await.unwrap().ack_confirmed().await.unwrap();
        }
        assert_eq!(bodies(&world, "a", "/queue/a"), [""; 0]);
    });
}

#[test]
fn transactions_are_lost_and_requests_are_unknown() {
    let (mut sim, client, _world) = calm();
    sim.block_on(async {
        let transaction = client.begin().await.unwrap();
        let began = client.connection().unwrap().id;
        let mut request = Box::pin(client.request("/queue/service", "x").into_future());
        assert!(poll_once(&mut request).await.is_pending());
        let moved = client.reconnect("away").await.unwrap();
        assert_eq!(moved.transactions, 1);
        let lost = CommandError::TransactionLost { began };
        assert_eq!(transaction.commit().await, Err(CommitError::Command(lost)));
        assert_eq!(request.await.err(), Some(RequestError::Lost(Lost::Left)));
    });
}

/// Two at once are one move; each future may be dropped, and one that is never polled holds up nobody.
#[test]
fn moves_at_once_are_one() {
    let (mut sim, client, world) = calm();
    let mut listener = client.listen();
    sim.block_on(async {
        client.connected().await.unwrap();
        let unpolled = client.reconnect("first").into_future();
        drop(client.reconnect("dropped").into_future());
        let second = client.reconnect("second").await.unwrap();
        assert_eq!(second.reason, "first");
        assert_eq!(unpolled.await.unwrap(), second);
        world.sleep(seconds(1)).await;
        client.disconnect().await.unwrap();
        let mut begun = 0;
        while let Some(notice) = listener.next().await {
            begun += u32::from(matches!(notice, Notice::Moving { .. }));
        }
        assert_eq!((begun, world.dials("b")), (1, 1));
    });
}

/// The session goes on trying: a broker that comes later is found.
#[test]
fn without_another_broker_it_is_an_error_in_time_and_the_session_goes_on() {
    let (mut sim, client, world) = calm();
    sim.block_on(async {
        client.connected().await.unwrap();
        HOSTS.iter().for_each(|host| world.set_door(host, Door::Refusing));
        let begun = world.now();
        let failed = client.reconnect("away").within(seconds(5)).await;
        assert_eq!(failed, Err(ReconnectError::Timeout(seconds(65))));
        assert_eq!(world.now().since(begun), seconds(65));
        let joined = client.reconnect("again").into_future();
        world.set_door("b", Door::Open);
        assert_eq!(joined.await.unwrap().connection.endpoint, endpoint("b"));
    });
}

#[test]
fn a_disconnect_wins() {
    for waits_for_handlers in [false, true] {
        let (mut sim, client, world) = calm();
        sim.block_on(async {
            let subscription = client.subscribe("/queue/a").await.unwrap();
            if waits_for_handlers {
                let clock = world.clone();
                let slow = move |_: Delivery| {
                    let pause = clock.sleep(seconds(2));
                    async move {
                        pause.await;
                        Ok::<(), String>(())
                    }
                };
                drop(world.spawn(subscription.handle_with(slow).run()));
                world.broker("a", |broker| broker.publish("/queue/a", "x", &[]));
                world.sleep(seconds(1)).await;
            }
            let moving = client.reconnect("away").into_future();
            client.disconnect().await.unwrap();
            assert!(matches!(moving.await, Err(ReconnectError::Closed(Closed::Disconnected { .. }))));
            assert_eq!(world.dials("b"), 0);
            assert_eq!(bodies(&world, "a", "/queue/a"), [""; 0]);
            assert!(matches!(client.reconnect("late").await, Err(ReconnectError::Closed(_))));
        });
    }
}

#[test]
fn without_a_connection_the_next_attempt_comes_at_once() {
    let (mut sim, client, world) = calm();
    sim.block_on(async {
        HOSTS.iter().for_each(|host| world.set_door(host, Door::Refusing));
        world.sleep(seconds(300)).await;
        world.add_broker("c", BrokerConfig::default());
        let begun = world.now();
        let moved = client.reconnect("now").to(endpoint("c")).await.unwrap();
        assert!(!moved.graceful);
        assert!(world.now().since(begun) < seconds(1));
        assert_eq!(client.connected().await.unwrap().endpoint, endpoint("c"));
    });
}
