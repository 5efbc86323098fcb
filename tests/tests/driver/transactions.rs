//! Transactions: committed as one, aborted when dropped, and lost with their connection.

use stomp_checks::sim::{Ending, Sim, Weather};
use stomp_proto::Command;
use stomp_session::{
    CommandError, Unknown,
    client::{CommitError, Runtime as _, SendError},
};
use stomp_testkit::broker::{BrokerConfig, dead_letter_queue};

use crate::kit::{config, poll_times, seconds, seeds, settings};

fn brokers() -> [BrokerConfig; 3] {
    [BrokerConfig::rabbitmq(), BrokerConfig::activemq(), BrokerConfig::default()]
}

fn depth(sim: &Sim, queue: &str) -> usize {
    sim.broker("broker", |broker| broker.depth(queue))
}

#[test]
fn what_is_sent_and_acknowledged_in_it_counts_when_it_is_committed() {
    for seed in seeds(5) {
        for broker in brokers() {
            let mut sim = Sim::new(seed);
            sim.add_broker("broker", broker);
            let client = sim.client(config(), settings());
            let world = sim.world();
            sim.block_on(async {
                let mut orders = client.subscribe("/queue/in").await.unwrap();
                client.send("/queue/in", "order").confirmed().await.unwrap();
                let order = orders.next().await.unwrap();
                let transaction = client.begin().await.unwrap();
                transaction.send("/queue/out", "a").await.unwrap();
                transaction.ack(order).unwrap();
                transaction.send("/queue/out", "b").persistent().await.unwrap();
                client.send("/queue/out", "outside").confirmed().await.unwrap();
                assert_eq!(world.broker("broker", |broker| broker.messages("/queue/out")), ["outside"]);
                transaction.commit().await.unwrap();
                client.disconnect().await.unwrap();
            });
            let all = sim.broker("broker", |broker| broker.messages("/queue/out"));
            assert_eq!(all, ["outside", "a", "b"], "seed {seed}");
            assert_eq!(depth(&sim, "/queue/in"), 0);
        }
    }
}

#[test]
fn dropped_or_aborted_nothing_of_it_counts() {
    for seed in seeds(5) {
        for broker in brokers() {
            for drops in [false, true] {
                let mut sim = Sim::new(seed);
                sim.add_broker("broker", broker.clone().recording());
                let client = sim.client(config(), settings());
                sim.block_on(async {
                    let transaction = client.begin().await.unwrap();
                    transaction.send("/queue/out", "a").await.unwrap();
                    if drops {
                        drop(transaction)
                    } else {
                        transaction.abort()
                    }
                    client.send("/queue/later", "x").confirmed().await.unwrap();
                    client.disconnect().await.unwrap();
                });
                assert_eq!((depth(&sim, "/queue/out"), depth(&sim, "/queue/later")), (0, 1), "seed {seed}");
                let aborts = sim.broker("broker", |broker| {
                    let (_, frames) = broker.received().last().unwrap();
                    frames.iter().filter(|frame| frame.command() == Command::Abort).count()
                });
                assert_eq!(aborts, 1);
            }
        }
    }
}

#[test]
fn lost_before_its_commit_every_use_says_so() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            let transaction = client.begin().await.unwrap();
            transaction.send("/queue/a", "x").await.unwrap();
            let began = client.connection().unwrap().id;
            let lost = CommandError::TransactionLost { began };
            world.cut("broker", Ending::Reset);
            world.sleep(seconds(5)).await;
            assert_ne!(client.connected().await.unwrap().id, began);
            assert_eq!(transaction.send("/queue/a", "y").await, Err(SendError::Command(lost.clone())));
            assert_eq!(transaction.commit().await, Err(CommitError::Command(lost)));
            client.send("/queue/b", "z").confirmed().await.unwrap();
        });
        assert_eq!((depth(&sim, "/queue/a"), depth(&sim, "/queue/b")), (0, 1), "seed {seed}");
    }
}

/// What waits for room fails when the connection ends, and does not wait for another.
#[test]
fn a_send_in_it_that_waits_ends_with_the_connection() {
    let mut sim = Sim::in_weather(1, Weather::calm().with_buffers(1024));
    let settings = settings().outbound_budget(1);
    let client = sim.client(config(), settings);
    let world = sim.world();
    sim.block_on(async {
        let transaction = client.begin().await.unwrap();
        world.set_reading("broker", false);
        let mut sends = Vec::new();
        for _ in 0..20 {
            let send = transaction.send("/queue/a", vec![b'x'; 10_000]);
            sends.push(world.spawn(send.into_future()));
        }
        world.sleep(seconds(1)).await;
        // Whichever were polled first have found room.
        sends.retain(|send| !send.is_finished());
        assert!(sends.len() > 15, "{} wait", sends.len());
        world.set_door("broker", stomp_checks::sim::Door::Refusing);
        world.cut("broker", Ending::Reset);
        world.sleep(seconds(1)).await;
        let is_lost =
            |sent: &_| matches!(sent, Err(SendError::Command(CommandError::TransactionLost { .. })));
        for send in sends {
            assert!(send.is_finished());
            let sent = send.await;
            assert!(is_lost(&sent), "{sent:?}");
        }
        // Nor does what is sent while nobody is there to wait for.
        let before = world.now();
        let late = transaction.send("/queue/a", "late").await;
        assert!(is_lost(&late), "{late:?}");
        assert_eq!(world.now(), before);
    });
}

#[test]
fn a_commit_without_its_answers_is_unknown_and_never_sent_again() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            let transaction = client.begin().await.unwrap();
            transaction.send("/queue/a", "x").await.unwrap();
            world.broker("broker", |broker| broker.drop_receipts(true));
            let commit = world.spawn(transaction.commit());
            world.sleep(seconds(5)).await;
            world.cut("broker", Ending::Reset);
            let error = commit.await.unwrap_err();
            assert!(matches!(error, CommitError::Unknown(Unknown::Lost(_))), "seed {seed}: {error:?}");
            world.broker("broker", |broker| broker.drop_receipts(false));
            client.send("/queue/b", "y").confirmed().await.unwrap();
        });
        assert_eq!(depth(&sim, "/queue/a"), 1, "seed {seed}");
    }
}

/// Each future, dropped after each count of polls: all of it counts, or nothing, and the session goes on.
#[test]
fn its_futures_may_be_dropped_at_any_poll() {
    for polls in 0..8 {
        for seed in seeds(8) {
            let mut sim = Sim::new(seed);
            let client = sim.client(config(), settings());
            let mut committed = None;
            sim.block_on(async {
                drop(poll_times(polls, client.begin()).await);
                let transaction = client.begin().await.unwrap();
                transaction.send("/queue/a", "x").await.unwrap();
                transaction.send("/queue/a", "y").await.unwrap();
                committed = poll_times(polls, transaction.commit()).await;
                client.send("/queue/b", "z").confirmed().await.unwrap();
                client.disconnect().await.unwrap();
            });
            let expected = if polls == 0 { 0 } else { 2 };
            assert_eq!(depth(&sim, "/queue/a"), expected, "seed {seed}, {polls} polls: {committed:?}");
            assert_eq!(depth(&sim, "/queue/b"), 1);
        }
    }
}

/// RabbitMQ would answer only after the COMMIT.
#[test]
fn nothing_in_it_is_confirmed_by_itself() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    sim.block_on(async {
        let transaction = client.begin().await.unwrap();
        let send = transaction.send("/queue/a", "x");
        assert_eq!(send.clone().confirmed().await, Err(SendError::InTransaction));
        assert_eq!(send.clone().at_least_once().await, Err(SendError::InTransaction));
        transaction.commit().await.unwrap();
        assert_eq!(send.await, Err(SendError::Command(CommandError::TransactionOver)));
    });
    assert_eq!(depth(&sim, "/queue/a"), 0);
}

#[test]
fn a_message_of_another_client_is_not_acknowledged_in_it() {
    let mut sim = Sim::new(1);
    let (client, other) = (sim.client(config(), settings()), sim.client(config(), settings()));
    sim.block_on(async {
        let mut theirs = other.subscribe("/queue/a").await.unwrap();
        other.send("/queue/a", "x").confirmed().await.unwrap();
        let message = theirs.next().await.unwrap();
        let transaction = client.begin().await.unwrap();
        assert_eq!(transaction.ack(message), Err(CommandError::OtherSession));
        transaction.commit().await.unwrap();
    });
}

/// A NACK in a transaction counts when it is committed, and is undone when it is not.
#[test]
fn a_nack_counts_when_it_is_committed() {
    for commits in [true, false] {
        let mut sim = Sim::new(1);
        sim.add_broker("broker", BrokerConfig::activemq());
        let client = sim.client(config(), settings());
        let world = sim.world();
        let dead = || world.broker("broker", |broker| broker.depth(&dead_letter_queue("/queue/a")));
        sim.block_on(async {
            let mut messages = client.subscribe("/queue/a").await.unwrap();
            client.send("/queue/a", "poison").confirmed().await.unwrap();
            let transaction = client.begin().await.unwrap();
            transaction.nack(messages.next().await.unwrap()).unwrap();
            client.send("/queue/b", "").confirmed().await.unwrap();
            assert_eq!(dead(), 0, "it is not committed");
            match commits {
                true => transaction.commit().await.unwrap(),
                false => transaction.abort(),
            }
            client.disconnect().await.unwrap();
        });
        assert_eq!((dead(), depth(&sim, "/queue/a")), if commits { (1, 0) } else { (0, 1) });
    }
}

/// The broker refuses the COMMIT itself: that is told, and the session goes on.
#[test]
fn a_commit_that_is_refused_is_told() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let broker = BrokerConfig::default().recording();
    sim.add_broker("broker", broker);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let transaction = client.begin().await.unwrap();
        transaction.send("/queue/a", "x").await.unwrap();
        client.send("/queue/b", "").confirmed().await.unwrap();
        world.broker("broker", |broker| broker.drop_receipts(true));
        let committing = world.spawn(transaction.commit());
        world.sleep(seconds(1)).await;
        world.broker("broker", |broker| {
            let connection = broker.connections()[0];
            let commit = broker.frames(connection).last().unwrap();
            assert_eq!(commit.command(), Command::Commit);
            let refusal =
                format!("ERROR\nmessage:no\nreceipt-id:{}\n\n\0", commit.header("receipt").unwrap());
            broker.send_octets(connection, refusal.as_bytes());
            broker.drop_receipts(false);
        });
        let refused = committing.await;
        assert!(matches!(refused, Err(CommitError::Rejected(_))), "{refused:?}");
        client.send("/queue/b", "").confirmed().await.unwrap();
        client.disconnect().await.unwrap();
    });
}

#[test]
fn it_keeps_the_session_alive() {
    let mut sim = Sim::new(1);
    let (client, driver) = sim.client_and_driver(config(), settings());
    let driver = sim.spawn(driver.run());
    sim.block_on(async {
        let transaction = client.begin().await.unwrap();
        drop(client);
        transaction.send("/queue/a", "x").await.unwrap();
        transaction.commit().await.unwrap();
        driver.await;
    });
    assert_eq!(depth(&sim, "/queue/a"), 1);
}
