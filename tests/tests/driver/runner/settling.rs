//! Handlers that settle their message before they end.

use stomp_checks::sim::Ending;
use stomp_proto::{AckMode, Command};
use stomp_session::{
    CommandError,
    client::{Delivery, Forward, OnFailure, Runtime as _},
};
use stomp_testkit::broker::BrokerConfig;

use super::{QUEUE, left, policies::frames, subscribe, with_messages};
use crate::kit::seconds;

/// The broker has the ACK while the handler runs, and gets no other, whatever comes of it.
#[test]
fn acknowledged_early() {
    for (result, policy) in [
        (Ok(()), OnFailure::Stop),
        (Err("late"), OnFailure::Acknowledge),
        (Err("late"), OnFailure::DeadLetter),
        (Err("late"), OnFailure::Requeue),
        (Err("late"), OnFailure::Forward(Forward::to("/queue/errors"))),
    ] {
        let (mut sim, client, world) = with_messages(BrokerConfig::rabbitmq(), 1);
        sim.block_on(async {
            let handler = async |message: Delivery| {
                message.ack().unwrap();
                world.sleep(seconds(1)).await;
                assert_eq!(left(&world), (0, 0));
                assert_eq!(message.clone().ack(), Err(CommandError::AlreadySettled));
                assert_eq!(message.nack(), Err(CommandError::AlreadySettled));
                result
            };
            let runner = subscribe(&client).await.handle(handler).on_failure(policy.clone());
            let tally = runner.until(world.sleep(seconds(5))).run().await.unwrap();
            assert_eq!((tally.handled + tally.failed, tally.ack_lost), (1, 0));
            client.disconnect().await.unwrap();
        });
        let settled = [Command::Ack, Command::Nack].map(|command| frames(&world, command).len());
        assert_eq!(settled, [1, 0], "{policy:?}");
        let copies = usize::from(matches!(policy, OnFailure::Forward(_)));
        assert_eq!(world.broker("broker", |broker| broker.depth("/queue/errors")), copies);
    }
}

/// It comes again at once, while its handler still runs, which then acknowledges nothing.
#[test]
fn refused_early() {
    let (mut sim, client, world) = with_messages(BrokerConfig::rabbitmq(), 1);
    sim.block_on(async {
        let handler = async |message: Delivery| {
            let again = message.header("redelivered").is_some_and(|redelivered| redelivered == "true");
            if !again {
                message.nack().unwrap();
                world.sleep(seconds(1)).await;
            }
            Ok::<_, String>(())
        };
        let runner = subscribe(&client).await.handle(handler).concurrency(2);
        let tally = runner.until(world.sleep(seconds(5))).run().await.unwrap();
        assert_eq!((tally.handled, tally.ack_lost), (2, 0));
    });
    let settled = [Command::Ack, Command::Nack].map(|command| frames(&world, command).len());
    assert_eq!((settled, left(&world)), ([1, 1], (0, 0)));
}

/// What cannot be is an error, and leaves it to the runner.
#[test]
fn what_cannot_be_settled_early() {
    let (mut sim, client, world) = with_messages(BrokerConfig::artemis(), 1);
    sim.block_on(async {
        let handler = async |message: Delivery| {
            // That would destroy it.
            assert!(matches!(message.nack(), Err(CommandError::NackDiscards { .. })), "{:?}", message.nack());
            Ok::<_, String>(())
        };
        let runner = subscribe(&client).await.handle(handler);
        assert_eq!(runner.until(world.sleep(seconds(5))).run().await.unwrap().handled, 1);
    });
    assert_eq!(left(&world), (0, 0));
    assert_eq!(frames(&world, Command::Ack).len(), 1);

    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 1);
    sim.block_on(async {
        let handler = async |message: Delivery| {
            assert_eq!(message.ack(), Err(CommandError::NotAcknowledged));
            Ok::<_, String>(())
        };
        let messages = client.subscribe(QUEUE).ack(AckMode::Auto).await.unwrap();
        let runner = messages.handle(handler).until(world.sleep(seconds(5)));
        assert_eq!(runner.run().await.unwrap().handled, 1);
    });
}

/// A message that was acknowledged in time is not lost with its connection; one that was not is.
#[test]
fn the_connection_ends_after_an_early_ack() {
    for early in [true, false] {
        let (mut sim, client, world) = with_messages(BrokerConfig::default(), 1);
        sim.block_on(async {
            let handler = async |message: Delivery| {
                if message.header("redelivered").is_some_and(|redelivered| redelivered == "true") {
                    return Ok(());
                }
                if early {
                    message.ack().unwrap();
                    world.sleep(seconds(1)).await;
                }
                world.cut("broker", Ending::Reset);
                message.lost().await;
                if !early {
                    assert!(matches!(message.ack(), Err(CommandError::Stale { .. })));
                }
                Ok::<_, String>(())
            };
            let runner = subscribe(&client).await.handle(handler);
            let tally = runner.until(world.sleep(seconds(10))).run().await.unwrap();
            assert_eq!((tally.handled, tally.ack_lost), if early { (1, 0) } else { (2, 1) });
        });
        assert_eq!(left(&world), (0, 0));
    }
}

/// A message that is to be requeued waits no longer when the runner stops, nor begins to wait then.
#[test]
fn a_requeue_does_not_hold_up_the_end() {
    let (mut sim, client, world) = with_messages(BrokerConfig::rabbitmq(), 1);
    sim.block_on(async {
        let handler = async |_| {
            world.sleep(seconds(2)).await;
            Err::<(), _>("no")
        };
        let runner = subscribe(&client).await.handle(handler).on_failure(OnFailure::Requeue);
        let before = world.now();
        let tally = runner.until(world.sleep(seconds(1))).run().await.unwrap();
        assert_eq!((tally.failed, tally.abandoned), (1, 0));
        assert_eq!(world.now().since(before), seconds(2));
        world.sleep(seconds(1)).await;
    });
    assert_eq!(left(&world), (1, 0));
}
