//! Listeners and watches: what they are told, in which order, and that they harm nobody.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
};

use stomp_checks::sim::{Ending, Sim, Weather, World};
use stomp_session::{
    Closed, Login,
    client::{Client, Listener, Notice, SessionState},
    proto::Frame,
};
use stomp_testkit::broker::BrokerConfig;

use crate::kit::{config, poll_times, seconds, seeds, settings};

/// A notice in a word or two.
fn brief(notice: &Notice) -> String {
    let command = |frame: &Frame| frame.command().to_string();
    match notice {
        Notice::Received(frame) => format!("<{}", command(frame)),
        Notice::Sent(frame) => format!(">{}", command(frame)),
        Notice::HeartBeatReceived => "<beat".into(),
        Notice::HeartBeatSent => ">beat".into(),
        Notice::Missed(count) => format!("missed {count}"),
        other => {
            let shown = format!("{other:?}");
            shown.split([' ', '(', '{']).next().unwrap_or_default().into()
        }
    }
}

async fn all(mut listener: Listener) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(notice) = listener.next().await {
        seen.push(brief(&notice));
    }
    seen
}

async fn a_life(client: Client, world: World) {
    let mut subscription = client.subscribe("/queue/a").await.unwrap();
    client.send("/queue/a", "x").confirmed().await.unwrap();
    subscription.next().await.unwrap().ack().unwrap();
    drop(subscription);
    client.send("/queue/a", "y").confirmed().await.unwrap();
    world.cut("broker", Ending::Reset);
    world.sleep(seconds(1)).await;
    client.disconnect().await.unwrap();
}

/// The life of a session in 2 connections: each of stompest's events has its place here.
#[test]
fn a_trace_shows_a_life_in_order() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let client = sim.client(config(), settings());
    let trace = sim.spawn(all(client.trace()));
    let listener = sim.spawn(all(client.listen()));
    let world = sim.world();
    let (traced, heard) = sim.block_on(async {
        a_life(client, world).await;
        (trace.await, listener.await)
    });
    let expected = "Connecting >CONNECT <CONNECTED Connected >SUBSCRIBE <RECEIPT Subscribed >SEND <RECEIPT Receipt \
        <MESSAGE Unsubscribed >ACK >UNSUBSCRIBE >SEND <RECEIPT Receipt Disconnected Reconnecting Connecting >CONNECT \
        <CONNECTED Connected Disconnecting >DISCONNECT <RECEIPT Disconnected Closed";
    let expected: Vec<_> = expected.split_whitespace().collect();
    // The EOL that this broker puts behind each frame is heard as a heart-beat.
    let frames: Vec<_> = traced.into_iter().filter(|notice| notice != "<beat").collect();
    assert_eq!(frames, expected);
    let untraced: Vec<_> = expected.into_iter().filter(|notice| !notice.starts_with(['<', '>'])).collect();
    assert_eq!(heard, untraced);
}

#[test]
fn heart_beats_both_ways_and_the_reason_of_a_loss() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let mut config = config();
    (config.send_beat, config.receive_beat) = (seconds(10), seconds(10));
    let client = sim.client(config, settings());
    let world = sim.world();
    let mut trace = client.trace();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.sleep(seconds(30)).await;
        world.set_frozen("broker", true);
        let mut beats = [0, 0];
        loop {
            match trace.next().await.unwrap() {
                Notice::HeartBeatSent => beats[0] += 1,
                Notice::HeartBeatReceived => beats[1] += 1,
                Notice::Disconnected { reason, .. } => {
                    assert!(reason.to_string().starts_with("nothing was heard"), "{reason}");
                    break;
                }
                _ => {}
            }
        }
        assert!(beats[0] >= 3 && beats[1] >= 3, "{beats:?}");
    });
}

/// What a broker sends that means nothing here, what is told of it, and whether it counts.
#[test]
fn what_nobody_can_use_is_told_and_counted() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let client = sim.client(config(), settings());
    let world = sim.world();
    let mut listener = client.listen();
    sim.block_on(async {
        let _subscription = client.subscribe("/queue/a").id("mine").await.unwrap();
        let long = "x".repeat(70_000);
        let rows = [
            ("RECEIPT\n\n\0", "Unroutable", 1),
            ("RECEIPT\nreceipt-id:99\n\n\0", "Unroutable", 0),
            ("MESSAGE\nsubscription:?\nmessage-id:1\ndestination:a\n\n\0", "Unroutable", 1),
            (
                &format!("MESSAGE\nx:{long}\nsubscription:mine\nmessage-id:1\ndestination:a\nack:1\n\n\0"),
                "TooLarge",
                1,
            ),
        ];
        for (octets, told, counted) in rows {
            let before = client.unroutable();
            world.broker("broker", |broker| {
                let connection = broker.connections()[0];
                broker.send_octets(connection, octets.as_bytes());
            });
            let notice = loop {
                let notice = listener.next().await.unwrap();
                if ["Unroutable", "TooLarge", "Disconnected"].contains(&&*brief(&notice)) {
                    break notice;
                }
            };
            assert_eq!(
                (brief(&notice), client.unroutable() - before),
                (told.to_owned(), counted),
                "{octets:.40}"
            );
            if let Notice::TooLarge { excess, .. } = notice {
                assert!(excess.to_string().starts_with("headers of 70"), "{excess}");
            }
        }
    });
}

#[test]
fn the_passcode_is_not_traced() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    sim.add_broker("broker", BrokerConfig::default().user("me", "canary"));
    let mut config = config();
    config.login = Some(Login::new("me", "canary"));
    let client = sim.client(config, settings());
    let mut trace = client.trace();
    sim.block_on(async {
        loop {
            let notice = trace.next().await.unwrap();
            assert!(!format!("{notice:?}").contains("canary"));
            if let Notice::Sent(connect) = notice {
                assert_eq!(connect.header("login").unwrap(), "me");
                assert!(connect.header("passcode").is_none());
                break;
            }
        }
    });
}

/// One that reads nothing misses some and is told how many; the others get all, and so does the end.
#[test]
fn a_slow_listener_misses_some_and_harms_nobody() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let client = sim.client(config(), settings());
    let slow = client.trace();
    let quick = sim.spawn(all(client.trace()));
    sim.block_on(async {
        for number in 0..700 {
            client.send("/queue/a", vec![b'x'; number]).await.unwrap();
        }
        client.disconnect().await.unwrap();
        let (slow, quick) = (all(slow).await, quick.await);
        let missed: usize = slow.iter().filter_map(|notice| notice.strip_prefix("missed ")).map(number).sum();
        assert!(missed > 10, "{missed}");
        let confessions = slow.iter().filter(|notice| notice.starts_with("missed")).count();
        assert_eq!(slow.len() - confessions + missed, quick.len());
        let [.., before, end] = &*slow else { panic!("{slow:?}") };
        assert!(before.starts_with("missed") && end == "Closed", "{before}, {end}");
    });
}

fn number(text: &str) -> usize {
    text.parse().unwrap()
}

#[test]
fn listeners_come_and_go_at_any_time() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            client.connected().await.unwrap();
            let early = world.spawn(all(client.listen()));
            drop(client.trace());
            client.send("/queue/a", "x").confirmed().await.unwrap();
            let late = client.listen();
            client.disconnect().await.unwrap();
            let after = client.listen();
            assert_eq!(early.await, ["Receipt", "Disconnecting", "Disconnected", "Closed"], "seed {seed}");
            assert_eq!(all(late).await, ["Disconnecting", "Disconnected", "Closed"], "seed {seed}");
            assert_eq!(all(after).await, ["Closed"], "seed {seed}");
        });
    }
}

#[test]
fn a_dropped_driver_is_told_to_listeners_and_watches() {
    let mut sim = Sim::new(1);
    let (client, driver) = sim.client_and_driver(config(), settings());
    let (listener, mut watch) = (client.listen(), client.watch());
    drop(driver);
    sim.block_on(async {
        assert_eq!(all(listener).await, ["Closed"]);
        assert_eq!(watch.next().await, Some(SessionState::Closed(Closed::DriverDropped)));
        assert_eq!(watch.next().await, None);
    });
}

#[test]
fn neither_keeps_the_session_alive() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let client = sim.client(config(), settings());
    let (listener, mut watch) = (client.listen(), client.watch());
    sim.block_on(async {
        client.connected().await.unwrap();
        drop(client);
        assert_eq!(
            all(listener).await,
            ["Connecting", "Connected", "Disconnecting", "Disconnected", "Closed"]
        );
        while watch.next().await.is_some() {}
    });
}

#[test]
fn next_of_a_listener_is_cancel_safe() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let (mut cancelled, whole) = (client.trace(), sim.spawn(all(client.trace())));
        let world = sim.world();
        let life = sim.spawn(a_life(client, world.clone()));
        sim.block_on(async {
            let mut seen = Vec::new();
            for polls in 1.. {
                match poll_times(polls % 3, cancelled.next()).await {
                    Some(Some(notice)) => seen.push(brief(&notice)),
                    Some(None) => break,
                    None => world.sleep(std::time::Duration::from_millis(1)).await,
                }
            }
            life.await;
            assert_eq!(seen, whole.await, "seed {seed}");
        });
    }
}

#[test]
fn a_watch_shows_the_newest_state() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            let mut states = client.watch();
            assert_eq!(states.next().await, Some(SessionState::Connecting));
            let Some(SessionState::Connected(first)) = states.next().await else { panic!("seed {seed}") };
            for _ in 0..3 {
                world.cut("broker", Ending::Reset);
                world.sleep(seconds(5)).await;
            }
            // Only the last of the six changes.
            let Some(SessionState::Connected(last)) = states.next().await else { panic!("seed {seed}") };
            assert!(last.id > first.id);
            let disconnect = world.spawn(async move { client.disconnect().await });
            assert_eq!(states.next().await, Some(SessionState::Disconnecting));
            let closed =
                Closed::Disconnected { confirmed: true, closed: false, receipted: 0, unreceipted: 0 };
            assert_eq!(states.next().await, Some(SessionState::Closed(closed)), "seed {seed}");
            assert_eq!(states.next().await, None);
            disconnect.await.unwrap();
        });
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Who waits for the end is woken once, however many connections come and go.
#[test]
fn whoever_waits_for_the_end_is_woken_by_nothing_else() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let client = sim.client(config(), settings());
    let world = sim.world();
    let wakes = Arc::new(Counter::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut closed = pin!(client.closed());
    assert!(closed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    sim.block_on(async {
        for _ in 0..5 {
            client.connected().await.unwrap();
            world.cut("broker", Ending::Reset);
            world.sleep(seconds(5)).await;
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
        client.disconnect().await.unwrap();
    });
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
}
