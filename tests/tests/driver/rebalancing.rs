//! A client that moves to a broker which is drawn, once in a while: when nobody has a message, and handlers have ended.

use std::{
    future::Future as _,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use stomp_checks::sim::{Sim, Weather, World};
use stomp_session::{
    Config,
    client::{Client, Delivery, Listener, Notice, Runtime as _},
};
use stomp_testkit::broker::BrokerConfig;

use crate::kit::{config, seconds, seeds, settings};

const HOSTS: [&str; 3] = ["a", "b", "c"];

/// Due every ten seconds, at one of three brokers.
fn often() -> Config {
    let uri =
        "failover:(tcp://a,tcp://b,tcp://c)?startupMaxReconnectAttempts=-1&randomize=false&rebalance=10000";
    let mut config = config();
    config.brokers = uri.parse().unwrap();
    config
}

fn sim(seed: u64, weather: Weather) -> (Sim, Client, World) {
    let sim = Sim::in_weather(seed, weather);
    for host in HOSTS {
        sim.add_broker(host, BrokerConfig::rabbitmq());
    }
    let mut config = often();
    config.seed = seed;
    let (client, world) = (sim.client(config, settings()), sim.world());
    (sim, client, world)
}

/// The reasons of the moves that a listener was told of.
fn reasons(listener: &mut Listener) -> Vec<String> {
    let notices =
        std::iter::from_fn(|| match pin!(listener.next()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(notice) => notice,
            Poll::Pending => None,
        });
    let reason = |notice| if let Notice::Moving { reason, .. } = notice { Some(reason) } else { None };
    notices.filter_map(reason).collect()
}

fn left(world: &World) -> usize {
    let depth = |host| world.broker(host, |broker| broker.depth("/queue/a") + broker.unacked("/queue/a"));
    HOSTS.into_iter().map(depth).sum()
}

#[test]
fn an_idle_client_moves_and_its_subscription_with_it() {
    let (mut sim, client, world) = sim(1, Weather::calm());
    let mut listener = client.listen();
    sim.block_on(async {
        let mut subscription = client.subscribe("/queue/a").await.unwrap();
        world.sleep(seconds(200)).await;
        let reasons = reasons(&mut listener);
        assert!((5..=20).contains(&reasons.len()), "{} moves", reasons.len());
        assert!(reasons.iter().all(|reason| reason == "rebalance"));
        assert!(HOSTS.into_iter().all(|host| world.dials(host) > 0), "each was drawn");
        let connection = client.connected().await.unwrap();
        let host = connection.endpoint.host().to_owned();
        world.broker(&host, |broker| broker.publish("/queue/a", "x", &[]));
        subscription.next().await.unwrap().ack_confirmed().await.unwrap();
    });
}

/// Messages all the time, each of which takes a while: each is handled once, on whichever connection, and none by a handler that
/// was left behind.
#[test]
fn handlers_end_first_and_no_message_is_handled_twice() {
    for seed in seeds(10) {
        let (mut sim, client, world) = sim(seed, Weather::calm());
        let mut listener = client.listen();
        let handled = Arc::new(Mutex::new(Vec::new()));
        sim.block_on(async {
            let subscription = client.subscribe("/queue/a").await.unwrap();
            let (clock, record) = (world.clone(), Arc::clone(&handled));
            let runner = subscription.handle_with(move |message: Delivery| {
                let pause = clock.sleep(seconds(2));
                let record = Arc::clone(&record);
                async move {
                    record.lock().unwrap().push(message.text().unwrap().to_owned());
                    pause.await;
                    Ok::<(), String>(())
                }
            });
            let running = world.spawn(runner.concurrency(3).run());
            for number in 0..100 {
                let host = HOSTS[number % 3];
                world.broker(host, |broker| broker.publish("/queue/a", number.to_string(), &[]));
                world.sleep(seconds(2)).await;
            }
            while left(&world) > 0 {
                world.sleep(seconds(5)).await;
                assert!(world.now().since_start() < seconds(2000), "{} are left", left(&world));
            }
            client.disconnect().await.unwrap();
            running.await.unwrap();
        });
        let moves = reasons(&mut listener).len();
        assert!(moves > 5, "seed {seed}: {moves} moves");
        let mut handled = handled.lock().unwrap().clone();
        handled.sort_by_key(|text| text.parse::<u32>().unwrap());
        assert_eq!(handled, (0..100).map(|number| number.to_string()).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn a_message_that_was_taken_holds_it_back_and_those_that_were_not_do_not() {
    let (mut sim, client, world) = sim(1, Weather::calm());
    let mut listener = client.listen();
    sim.block_on(async {
        let mut subscription = client.subscribe("/queue/a").await.unwrap();
        for text in ["x", "y", "z"] {
            world.broker("a", |broker| broker.publish("/queue/a", text, &[]));
        }
        let message = subscription.next().await.unwrap();
        world.sleep(seconds(300)).await;
        assert_eq!(reasons(&mut listener), [""; 0]);
        message.ack().unwrap();
        world.sleep(seconds(100)).await;
        assert!(!reasons(&mut listener).is_empty());
        assert_eq!(left(&world), 2);
    });
}

#[test]
fn a_request_without_its_reply_holds_it_back() {
    let (mut sim, client, world) = sim(1, Weather::calm());
    let mut listener = client.listen();
    sim.block_on(async {
        let request = client.request("/queue/service", "x").timeout(seconds(100));
        assert!(request.await.is_err());
        assert_eq!(reasons(&mut listener), [""; 0]);
        world.sleep(seconds(100)).await;
        assert!(!reasons(&mut listener).is_empty());
    });
}

/// The others wait for it for three quarters of the time for leaving, once a period, and the client stays.
#[test]
fn a_handler_that_does_not_end_keeps_the_client_where_it_is() {
    let (mut sim, client, world) = sim(1, Weather::calm());
    let mut listener = client.listen();
    let handled = Arc::new(AtomicUsize::new(0));
    sim.block_on(async {
        let subscription = client.subscribe("/queue/a").await.unwrap();
        let counted = Arc::clone(&handled);
        let runner = subscription.handle_with(move |message: Delivery| {
            let (counted, hangs) = (Arc::clone(&counted), message.text().is_ok_and(|text| text == "hang"));
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                Ok::<(), String>(())
            }
        });
        drop(world.spawn(runner.concurrency(2).run()));
        world.broker("a", |broker| broker.publish("/queue/a", "hang", &[]));
        let mut longest = 0;
        for number in 1..=300 {
            world.broker("a", |broker| broker.publish("/queue/a", "x", &[]));
            world.sleep(seconds(1)).await;
            longest = longest.max(number - handled.load(Ordering::Relaxed));
        }
        assert_eq!(reasons(&mut listener), [""; 0]);
        assert!((2..=9).contains(&longest), "{longest} have waited");
    });
}
