//! Sending at least once: over any number of connections, and never again once nobody waits.

use std::{collections::BTreeSet, future::IntoFuture as _};

use stomp_checks::sim::{Door, Ending, Sim, Weather};
use stomp_session::{CommandError, NotSent, client::SendError};

use crate::kit::{config, poll_times, seconds, seeds, settings};

#[test]
fn all_arrive_over_many_connections() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            let sends: Vec<_> = (0..60)
                .map(|number| {
                    let send = client.send("/queue/a", number.to_string());
                    world.spawn(
                        if number % 3 == 0 { send.ordered() } else { send.at_least_once() }.into_future(),
                    )
                })
                .collect();
            for cut in 0..10 {
                world.sleep(std::time::Duration::from_millis(cut * 20)).await;
                world.cut("broker", if cut % 2 == 0 { Ending::Reset } else { Ending::Eof });
            }
            for send in sends {
                send.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            }
            // It may meet a cut that nobody has noticed yet.
            let _ = client.disconnect().await;
        });
        let bodies = sim.broker("broker", |broker| broker.messages("/queue/a"));
        let bodies: BTreeSet<_> = bodies.iter().collect();
        assert_eq!(bodies.len(), 60, "seed {seed}");
    }
}

/// It waits for no connection; it is given up in time, and what never left is known not to be there.
#[test]
fn without_a_connection_it_is_kept_and_given_up_in_time() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    sim.set_door("broker", Door::Refusing);
    let mut config = config();
    config.at_least_once_messages = 2;
    let client = sim.client(config, settings());
    let world = sim.world();
    sim.block_on(async {
        let kept = world.spawn(client.send("/queue/a", "kept").at_least_once().into_future());
        let short = client.send("/queue/a", "short").at_least_once().timeout(seconds(5));
        let short = world.spawn(short.into_future());
        world.sleep(seconds(1)).await;
        let error = client.send("/queue/a", "third").at_least_once().immediate().await.unwrap_err();
        assert!(
            matches!(error, SendError::Command(CommandError::AtLeastOnceFull { messages: 2, .. })),
            "{error}"
        );
        assert_eq!(short.await, Err(SendError::NotSent(NotSent::Timeout(seconds(5)))));
        world.set_door("broker", Door::Open);
        kept.await.unwrap();
        client.disconnect().await.unwrap();
    });
    assert_eq!(sim.broker("broker", |broker| broker.messages("/queue/a")), ["kept"]);
}

/// Where no more may be kept, it waits for others to be confirmed: in order, within its time, and not for ever.
#[test]
fn a_full_outbox_is_waited_for() {
    for seed in seeds(20) {
        let mut sim = Sim::new(seed);
        sim.set_door("broker", Door::Refusing);
        let mut config = config();
        config.at_least_once_messages = 2;
        let client = sim.client(config, settings());
        let world = sim.world();
        sim.block_on(async {
            let send = |body: &str| client.send("/queue/a", body.to_owned()).at_least_once();
            let mut kept: Vec<_> =
                (0..2).map(|number| world.spawn(send(&number.to_string()).into_future())).collect();
            world.sleep(seconds(1)).await;
            let late = send("late").timeout(seconds(5)).await;
            assert_eq!(late, Err(SendError::NoRoom(seconds(5))), "seed {seed}");
            kept.extend((2..20).map(|number| {
                let send = send(&number.to_string());
                world.spawn(async move {
                    if number % 3 == 0 {
                        poll_times(1, send.into_future()).await.unwrap_or(Ok(()))
                    } else {
                        send.await
                    }
                })
            }));
            world.sleep(seconds(1)).await;
            world.set_door("broker", Door::Open);
            for send in kept {
                send.await.unwrap();
            }
            let _ = client.disconnect().await;
        });
        let bodies = sim.broker("broker", |broker| broker.messages("/queue/a"));
        let bodies: BTreeSet<_> =
            bodies.iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect();
        let expected: BTreeSet<_> = (0..20)
            .filter(|number| *number < 2 || number % 3 != 0)
            .map(|number| number.to_string())
            .collect();
        let stayed = expected.difference(&bodies).count();
        assert_eq!(stayed, 0, "seed {seed}: those that went away strand nobody: {bodies:?}");
        assert!(!bodies.contains("late"));
    }
}

/// What will never fit is not waited for.
#[test]
fn what_is_too_large_to_be_kept_is_told_at_once() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let mut config = config();
    config.at_least_once_octets = 100;
    let client = sim.client(config, settings());
    let sent = sim.block_on(client.send("/queue/a", vec![b'x'; 100]).at_least_once().into_future());
    let full = SendError::Command(CommandError::AtLeastOnceFull { messages: 0, octets: 0 });
    assert_eq!(sent, Err(full));
}

/// Dropped after any number of polls it is not sent again, and the session works.
#[test]
fn dropped_it_is_taken_back() {
    for polls in 0..8 {
        for seed in seeds(6) {
            let mut sim = Sim::new(seed);
            let client = sim.client(config(), settings());
            let world = sim.world();
            sim.block_on(async {
                poll_times(polls, client.send("/queue/a", "dropped").at_least_once().into_future()).await;
                for _ in 0..3 {
                    world.cut("broker", Ending::Reset);
                    world.sleep(seconds(5)).await;
                }
                client.send("/queue/b", "x").at_least_once().await.unwrap();
                client.disconnect().await.unwrap();
            });
            let copies = sim.broker("broker", |broker| broker.depth("/queue/a"));
            assert!(copies <= 1, "seed {seed}, {polls} polls: {copies}");
        }
    }
}

/// One at a time to each destination, and other destinations do not wait.
#[test]
fn ordered_sends_to_one_destination_go_one_at_a_time() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            client.connected().await.unwrap();
            world.broker("broker", |broker| broker.drop_receipts(true));
            let send = |destination: &str| {
                let send = client.send(destination, "x").at_least_once().ordered();
                world.spawn(send.into_future())
            };
            let sends = ["/queue/a", "/queue/a", "/queue/b", "/queue/a"].map(send);
            world.sleep(seconds(1)).await;
            let depth = |queue: &str| world.broker("broker", |broker| broker.depth(queue));
            assert_eq!((depth("/queue/a"), depth("/queue/b")), (1, 1), "seed {seed}");
            world.broker("broker", |broker| broker.drop_receipts(false));
            world.cut("broker", Ending::Reset);
            for send in sends {
                send.await.unwrap();
            }
        });
    }
}
