//! Messages of a connection that has ended: skipped where the broker sends them again, delivered where it does not.

use stomp_checks::sim::{Ending, Sim, Weather, World};
use stomp_proto::AckMode;
use stomp_session::{
    CommandError,
    client::{Message, Subscription},
};

use crate::kit::{config, seconds, seeds, settings};

fn publish(world: &World, count: usize) {
    for number in 0..count {
        world.broker("broker", |broker| broker.publish("/queue/a", number.to_string(), &[]));
    }
}

async fn take(subscription: &mut Subscription, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    for _ in 0..count {
        messages.push(subscription.next().await.expect("the subscription lives"));
    }
    messages
}

fn bodies(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(message.body()).into_owned()).collect()
}

/// A topic does not send a message again. With `keep_stale`, messages that had arrived are delivered after their connection
/// has ended, from the inbox and from the batch.
#[test]
fn what_is_kept_is_delivered_after_its_connection() {
    for taken in [0, 1] {
        let mut sim = Sim::in_weather(1, Weather::calm());
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            let mut subscription = client.subscribe("/topic/a").keep_stale().await.unwrap();
            for number in 0..4 {
                world.broker("broker", |broker| broker.publish("/topic/a", number.to_string(), &[]));
            }
            world.sleep(seconds(1)).await;
            let mut messages = take(&mut subscription, taken).await;
            world.cut("broker", Ending::Reset);
            world.sleep(seconds(1)).await;
            messages.extend(take(&mut subscription, 4 - taken).await);
            assert_eq!(bodies(&messages), ["0", "1", "2", "3"], "{taken} taken");
            for message in messages {
                let came = message.connection();
                assert_eq!(message.ack(), Err(CommandError::Stale { came }));
            }
        });
    }
}

/// Of ten messages some are taken before the connection ends; the others are in the inbox, or in a batch.
#[test]
fn what_was_not_acknowledged_comes_again_and_once() {
    let all: Vec<_> = (0..10).map(|number| number.to_string()).collect();
    for seed in seeds(10) {
        for ack_mode in [AckMode::Client, AckMode::ClientIndividual] {
            for taken in [0, 1, 5, 10] {
                let mut sim = Sim::new(seed);
                let client = sim.client(config(), settings());
                let world = sim.world();
                sim.block_on(async {
                    let mut subscription = client.subscribe("/queue/a").ack(ack_mode).await.unwrap();
                    publish(&world, 10);
                    world.sleep(seconds(1)).await;
                    let old = take(&mut subscription, taken).await;
                    world.cut("broker", Ending::Reset);
                    world.sleep(seconds(1)).await;
                    for message in old {
                        let came = message.connection();
                        assert_eq!(message.ack(), Err(CommandError::Stale { came }));
                    }
                    let again = take(&mut subscription, 10).await;
                    assert_eq!(bodies(&again), all, "seed {seed}, {taken} taken");
                    again.into_iter().for_each(|message| message.ack().unwrap());
                    client.disconnect().await.unwrap();
                });
                let broker = |broker: &mut stomp_testkit::broker::Broker| {
                    (broker.depth("/queue/a"), broker.messages("/queue/DLQ.a").len())
                };
                assert_eq!(sim.broker("broker", broker), (0, 0), "seed {seed}");
            }
        }
    }
}

#[test]
fn with_auto_all_that_came_is_delivered_and_once() {
    for seed in seeds(10) {
        for taken in [0, 1, 5, 10] {
            let mut sim = Sim::new(seed);
            let client = sim.client(config(), settings());
            let world = sim.world();
            sim.block_on(async {
                let mut subscription = client.subscribe("/queue/a").ack(AckMode::Auto).await.unwrap();
                publish(&world, 10);
                world.sleep(seconds(1)).await;
                let mut messages = take(&mut subscription, taken).await;
                world.cut("broker", Ending::Reset);
                world.sleep(seconds(1)).await;
                messages.extend(take(&mut subscription, 10 - taken).await);
                let expected: Vec<_> = (0..10).map(|number| number.to_string()).collect();
                assert_eq!(bodies(&messages), expected, "seed {seed}, {taken} taken");
                client.disconnect().await.unwrap();
                assert!(subscription.next().await.is_none());
            });
        }
    }
}

#[test]
fn a_stale_message_is_an_error_with_and_without_a_connection() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let mut subscription = client.subscribe("/queue/a").await.unwrap();
        publish(&world, 4);
        let mut messages = take(&mut subscription, 4).await;
        let came = messages[0].connection();
        world.set_door("broker", stomp_checks::sim::Door::Refusing);
        world.cut("broker", Ending::Reset);
        world.sleep(seconds(1)).await;
        assert_eq!(messages.pop().unwrap().ack(), Err(CommandError::Stale { came }));
        assert_eq!(messages.pop().unwrap().nack(), Err(CommandError::Stale { came }));
        world.set_door("broker", stomp_checks::sim::Door::Open);
        client.connected().await.unwrap();
        assert_eq!(messages.pop().unwrap().ack(), Err(CommandError::Stale { came }));
        let error = messages.pop().unwrap().nack().unwrap_err().to_string();
        assert_eq!(
            error,
            "the message came on connection 1, which has ended: it cannot be acknowledged any more"
        );
    });
}

/// No ACK of one connection is ever written on another, however they race.
#[test]
fn the_broker_never_sees_an_acknowledgement_of_another_connection() {
    for seed in seeds(50) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        publish(&world, 50);
        sim.block_on(async {
            let mut subscription = client.subscribe("/queue/a").await.unwrap();
            let (mut acknowledged, mut kept) = (0, Vec::new());
            while acknowledged < 50 {
                let message = subscription.next().await.unwrap();
                kept.push(message);
                if kept.len() > (seed % 7) as usize {
                    acknowledged += usize::from(kept.remove(0).ack().is_ok());
                }
                if acknowledged + kept.len() >= 50 {
                    acknowledged += kept.drain(..).filter_map(|message| message.ack().ok()).count();
                }
                if acknowledged % 11 == 5 {
                    world.cut("broker", Ending::Reset);
                    acknowledged += 1;
                }
            }
        });
        assert_acknowledged_at_home(&sim);
    }
}

/// The broker names a delivery by its connection.
fn assert_acknowledged_at_home(sim: &Sim) {
    sim.broker("broker", |broker| {
        for (connection, frames) in broker.received() {
            let acks = frames.iter().filter(|frame| frame.command() == stomp_proto::Command::Ack);
            for id in acks.filter_map(|frame| frame.header("id")) {
                assert!(id.to_string().starts_with(&format!("ack:{connection}:")), "{id} on {connection}");
            }
        }
    });
}
