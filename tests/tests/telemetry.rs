//! What a log shows of a session.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use stomp_checks::sim::{Door, Ending, Sim, Weather, World};
use stomp_proto::Command;
use stomp_session::{
    Config, Login,
    client::{Client, Delivery, OnFailure},
};
use stomp_testkit::broker::{BrokerConfig, Denial};
use tracing::{Level, subscriber::with_default};

fn config() -> Config {
    let mut config = Config::new("failover:(tcp://broker)?startupMaxReconnectAttempts=-1".parse().unwrap());
    (config.send_beat, config.receive_beat) = (Duration::ZERO, Duration::ZERO);
    config.login = Some(Login::new("user", PASSCODE));
    config
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What was written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

const PASSCODE: &str = "canary-7f3a";

/// Runs it with everything of that level and above in a log.
fn logged(level: Level, run: impl FnOnce(&Log)) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(level).without_time().with_ansi(false);
    with_default(subscriber.with_writer(move || writer.clone()).finish(), || run(&log));
}

fn broker() -> BrokerConfig {
    BrokerConfig::default().user("user", PASSCODE)
}

/// A client of that broker in calm weather, which has not begun to dial.
fn calm(broker: BrokerConfig) -> (Sim, Client, World) {
    let sim = Sim::in_weather(1, Weather::calm());
    sim.add_broker("broker", broker);
    let client = sim.client(config(), Client::builder("tcp://broker").inbound_budget(1024));
    let world = sim.world();
    (sim, client, world)
}

/// Fails unless the log has each of these.
#[track_caller]
fn assert_shown<'a>(lines: &str, parts: impl IntoIterator<Item = &'a str>) {
    parts.into_iter().for_each(|part| assert!(lines.contains(part), "{part}: {lines}"));
}

/// One after the other: what is enabled is the same for all threads.
#[test]
fn the_log() {
    with_the_broker_gone_there_is_a_line_for_each_attempt();
    what_is_shown_is_nobodys_secret();
    what_nobody_handles_is_warned_of();
    what_is_handled_and_not_acknowledged_is_warned_of();
    what_fails_behind_the_program_is_warned_of();
    each_connection_has_its_span();
    what_a_handler_says_is_said_in_its_span();
    a_handler_that_is_dropped_is_dropped_in_its_span();
    an_error_that_ends_nothing_is_shown();
    of_errors_alone_the_end_is_one();
}

/// A line for each attempt: what happened, how often, and when the next one is.
fn with_the_broker_gone_there_is_a_line_for_each_attempt() {
    logged(Level::INFO, |log| {
        let (mut sim, client, world) = calm(broker());
        world.set_door("broker", Door::Refusing);
        sim.block_on(async {
            world.sleep(seconds(60)).await;
            let (lines, dials) = (log.take(), world.dials("broker"));
            let attempts: Vec<_> = lines.lines().filter(|line| line.contains("no connection")).collect();
            assert!(attempts.len() == lines.lines().count(), "{lines}");
            assert!((dials - 1..=dials).contains(&(attempts.len() as u64)), "{dials} dials: {lines}");
            for (number, line) in attempts.iter().enumerate() {
                assert!(line.contains(&format!("failures={}", number + 1)), "{line}");
                for part in ["WARN", "stomp", "broker=tcp://broker:61613", "error=", "delay="] {
                    assert!(line.contains(part), "{part}: {line}");
                }
            }
            world.set_door("broker", Door::Open);
            client.connected().await.unwrap();
            world.sleep(seconds(1)).await;
            let lines = log.take();
            assert!(
                lines.contains("INFO") && lines.contains("connected broker=tcp://broker:61613"),
                "{lines}"
            );
            world.set_door("broker", Door::Refusing);
            world.cut("broker", Ending::Reset);
            world.sleep(seconds(10)).await;
            world.set_door("broker", Door::Open);
            let _ = client.send("/queue/a", "x").confirmed().await;
            client.connected().await.unwrap();
            client.disconnect().await.unwrap();
            let lines = log.take();
            assert!(lines.contains("the connection is lost"), "{lines}");
            let first = lines.lines().find(|line| line.contains("no connection")).unwrap();
            assert!(first.contains("failures=1 "), "counted anew: {first}");
            let end = lines.lines().last().unwrap();
            assert!(end.contains("INFO") && end.ends_with("stomp: disconnected"), "{lines}");
        });
    });
}

/// Everything there is, and no passcode, no body and no header but a destination.
fn what_is_shown_is_nobodys_secret() {
    logged(Level::TRACE, |log| {
        let (mut sim, client, world) = calm(broker());
        sim.block_on(async {
            let mut messages = client.subscribe("/queue/a").await.unwrap();
            let send = client.send("/queue/a", "the-body").header("secret", "the-header");
            send.confirmed().await.unwrap();
            drop(messages.next().await);
            let denial = Denial::of(Command::Send).saying("no", "not here");
            world.broker("broker", |broker| broker.deny(denial));
            let _ = client.send("/queue/a", "the-body").confirmed().await;
            client.disconnect().await.unwrap();
        });
        let lines = log.take();
        let parts = [
            "dialling",
            "connected",
            "subscribed",
            "stomp: confirmed",
            "stomp: not confirmed",
            "stomp: disconnected",
        ];
        assert_shown(&lines, parts);
        for part in [PASSCODE, "the-body", "the-header"] {
            assert!(!lines.contains(part), "{part}: {lines}");
        }
    });
}

/// Frames that nothing can be done with, and messages that are not taken; a program that is well is silent.
fn what_nobody_handles_is_warned_of() {
    logged(Level::WARN, |log| {
        let (mut sim, client, world) = calm(broker());
        sim.block_on(async {
            let mut messages = client.subscribe("/queue/a").id("mine").await.unwrap();
            let id = messages.id();
            client.send("/queue/a", "x").confirmed().await.unwrap();
            messages.next().await.unwrap().ack().unwrap();
            assert_eq!(log.take(), "");

            let octets = |octets: &str| {
                world.broker("broker", |broker| {
                    let connection = broker.connections()[0];
                    broker.send_octets(connection, octets.as_bytes());
                });
            };
            let long = "x".repeat(70_000);
            octets("MESSAGE\nsubscription:?\nmessage-id:1\ndestination:/queue/strange\n\n\0");
            octets(&format!(
                "MESSAGE\nx:{long}\nsubscription:mine\nmessage-id:1\ndestination:a\nack:1\n\n\0"
            ));
            world.sleep(seconds(1)).await;
            let too_large = format!("a message over the limits was read past subscription={id} excess=");
            let strange = "a frame that nothing waits for command=MESSAGE destination=/queue/strange";
            assert_shown(&log.take(), [strange, &too_large]);

            client.send("/queue/a", vec![b'x'; 2048]).confirmed().await.unwrap();
            world.sleep(seconds(60)).await;
            let stalled =
                format!("the connection is not read: messages wait that are not taken subscription={id}");
            assert_shown(&log.take(), [&*stalled]);
            client.disconnect().await.unwrap();
        });
    });
}

/// A message whose connection ended while its handler ran.
fn what_is_handled_and_not_acknowledged_is_warned_of() {
    logged(Level::WARN, |log| {
        let (mut sim, client, world) = calm(broker());
        sim.block_on(async {
            let messages = client.subscribe("/queue/a").await.unwrap();
            let id = messages.id();
            client.send("/queue/a", "x").confirmed().await.unwrap();
            let cut = async move {
                world.sleep(seconds(1)).await;
                world.cut("broker", Ending::Reset);
                world.sleep(seconds(1)).await;
            };
            let handler = async |message: Delivery| {
                if message.header("redelivered").is_none_or(|redelivered| redelivered != "true") {
                    message.lost().await;
                }
                Ok::<_, String>(())
            };
            messages.handle(handler).until(cut).run().await.unwrap();
            let unacknowledged = format!("subscription={id}");
            let parts =
                ["the connection is lost error=", "a handled message was not acknowledged", &unacknowledged];
            assert_shown(&log.take(), parts);
            client.disconnect().await.unwrap();
        });
    });
}

/// A send that nobody awaits, and a subscription that comes to nothing.
fn what_fails_behind_the_program_is_warned_of() {
    logged(Level::WARN, |log| {
        let (mut sim, client, world) = calm(broker());
        sim.block_on(async {
            client.send("/queue/a", "x").confirmed().await.unwrap();
            world.set_door("broker", Door::Refusing);
            world.cut("broker", Ending::Reset);
            world.sleep(seconds(1)).await;
            client.send("/queue/a", "late").buffered().timeout(seconds(5)).await.unwrap();
            world.sleep(seconds(10)).await;
            let lines = log.take();
            assert!(lines.contains("a buffered message was not sent error="), "{lines}");

            world.set_door("broker", Door::Open);
            let orders = client.subscribe("/queue/orders").await.unwrap();
            let denial = Denial::of(Command::Subscribe).saying("no", "not here");
            world.broker("broker", |broker| broker.deny(denial));
            world.cut("broker", Ending::Reset);
            world.sleep(seconds(3)).await;
            client.subscribe("/queue/parcels").await.unwrap_err();
            let lines = log.take();
            let again =
                format!("the subscription is not active; trying again subscription={} error=", orders.id());
            assert_shown(&lines, [&*again, "the subscription has ended subscription=", "no: not here"]);
            client.disconnect().await.unwrap();
        });
    });
}

/// Each names its broker once, however many there were before.
fn each_connection_has_its_span() {
    logged(Level::INFO, |log| {
        let (mut sim, client, world) = calm(broker());
        sim.block_on(async {
            for _ in 0..3 {
                client.send("/queue/a", "x").at_least_once().await.unwrap();
                world.cut("broker", Ending::Reset);
            }
            client.send("/queue/a", "x").at_least_once().await.unwrap();
            client.disconnect().await.unwrap();
        });
        let lines = log.take();
        let span = "stomp.connection{broker=tcp://broker:61613}: stomp: ";
        assert!(lines.lines().count() >= 8, "{lines}");
        assert!(lines.lines().all(|line| line.matches("stomp.connection").count() == 1), "{lines}");
        for said in ["connected broker", "the connection is lost", "disconnected"] {
            assert!(lines.contains(&format!("{span}{said}")), "{said}: {lines}");
        }
    });
}

/// Of each attempt, and of no other message: two handlers run at once, and are polled in turn.
fn what_a_handler_says_is_said_in_its_span() {
    logged(Level::INFO, |log| {
        let (mut sim, client, world) = calm(broker());
        sim.block_on(async {
            for body in ["one", "two"] {
                client.send("/queue/a", body).header("secret", "the-header").await.unwrap();
            }
            let messages = client.subscribe("/queue/a").await.unwrap();
            let policy =
                OnFailure::Retry { attempts: 1, backoff: seconds(1), then: Box::new(OnFailure::Acknowledge) };
            let handler = async |order: Delivery| {
                tracing::info!(body = order.text().unwrap(), attempt = order.attempt(), "begun");
                world.sleep(seconds(1)).await;
                tracing::info!(body = order.text().unwrap(), attempt = order.attempt(), "ended");
                Err::<(), _>("not today")
            };
            let stop = world.sleep(seconds(10));
            messages.handle(handler).concurrency(2).on_failure(policy).until(stop).run().await.unwrap();
            client.disconnect().await.unwrap();
        });
        let lines = log.take();
        for body in ["one", "two"] {
            for attempt in [1, 2] {
                for said in ["begun", "ended"] {
                    let line = format!(
                        "stomp.handle{{destination=/queue/a attempt={attempt}}}: telemetry: {said} \
                         body=\"{body}\" attempt={attempt}"
                    );
                    assert_eq!(lines.matches(&line).count(), 1, "{line}: {lines}");
                }
            }
        }
        assert_eq!(lines.matches("stomp.handle").count(), 8, "{lines}");
        assert!(!lines.contains("the-header"), "{lines}");
    });
}

/// What a handler's future leaves behind when its runner is dropped belongs to the message, too.
fn a_handler_that_is_dropped_is_dropped_in_its_span() {
    struct Farewell;
    impl Drop for Farewell {
        fn drop(&mut self) {
            tracing::info!("dropped");
        }
    }
    logged(Level::INFO, |log| {
        let (mut sim, client, world) = calm(broker());
        sim.block_on(async {
            client.send("/queue/a", "x").await.unwrap();
            let messages = client.subscribe("/queue/a").await.unwrap();
            let handler = async |_: Delivery| {
                let _farewell = Farewell;
                std::future::pending::<Result<(), String>>().await
            };
            let mut runner = Box::pin(messages.handle(handler).run());
            for _ in 0..5 {
                assert!(futures_lite::future::poll_once(&mut runner).await.is_none());
                world.sleep(seconds(1)).await;
            }
            drop(runner);
            client.disconnect().await.unwrap();
        });
        let lines = log.take();
        assert!(
            lines.contains("stomp.handle{destination=/queue/a attempt=1}: telemetry: dropped"),
            "{lines}"
        );
    });
}

/// ActiveMQ's ERROR without a `receipt-id`, which leaves everything as it is.
fn an_error_that_ends_nothing_is_shown() {
    logged(Level::WARN, |log| {
        let (mut sim, client, world) = calm(BrokerConfig::activemq().user("user", PASSCODE));
        sim.block_on(async {
            client.send("/queue/a", "x").confirmed().await.unwrap();
            world.broker("broker", |broker| {
                let connection = broker.connections()[0];
                broker.send_octets(connection, b"ERROR\nmessage:no such queue\n\n\0");
            });
            client.send("/queue/a", "x").confirmed().await.unwrap();
        });
        let lines = log.take();
        assert!(
            lines.contains("the broker sent an ERROR error=") && lines.contains("no such queue"),
            "{lines}"
        );
    });
}

/// At level ERROR there is one line, and none before it.
fn of_errors_alone_the_end_is_one() {
    logged(Level::ERROR, |log| {
        let (mut sim, client, _) = calm(BrokerConfig::default().user("user", "another"));
        sim.block_on(client.connected()).unwrap_err();
        let lines = log.take();
        assert!(lines.contains("the session has ended error=") && lines.lines().count() == 1, "{lines}");
    });
}
