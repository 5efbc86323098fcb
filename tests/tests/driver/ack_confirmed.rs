//! ACKs whose sender waits until the broker has taken them.

use std::sync::{Arc, Mutex};

use stomp_checks::sim::{Ending, Sim, World};
use stomp_proto::AckMode;
use stomp_session::{
    CommandError, Lost, Unknown,
    client::{AckError, Client, Delivery, Message, Subscription},
};
use stomp_testkit::broker::BrokerConfig;

use crate::kit::{config, poll_once, seconds, seeds, settings};

fn publish(world: &World, count: usize) {
    for number in 0..count {
        world.broker("broker", |broker| broker.publish("/queue/a", number.to_string(), &[]));
    }
}

async fn take(client: &Client, world: &World, count: usize) -> (Subscription, Vec<Message>) {
    let mut subscription = client.subscribe("/queue/a").await.unwrap();
    publish(world, count);
    let mut messages = Vec::new();
    for _ in 0..count {
        messages.push(subscription.next().await.unwrap());
    }
    (subscription, messages)
}

fn held(world: &World) -> usize {
    world.broker("broker", |broker| broker.depth("/queue/a") + broker.unacked("/queue/a"))
}

#[test]
fn it_resolves_when_the_broker_has_taken_the_ack_and_many_may_be_out() {
    for seed in seeds(20) {
        for broker in [BrokerConfig::rabbitmq(), BrokerConfig::activemq(), BrokerConfig::artemis()] {
            let mut sim = Sim::new(seed);
            sim.add_broker("broker", broker);
            let client = sim.client(config(), settings());
            let world = sim.world();
            sim.block_on(async {
                let (_subscription, messages) = take(&client, &world, 5).await;
                let all: Vec<_> = messages.into_iter().map(Message::ack_confirmed).collect();
                for acknowledging in all {
                    acknowledging.await.unwrap();
                }
                assert_eq!(held(&world), 0, "seed {seed}");
                client.disconnect().await.unwrap();
            });
        }
    }
}

/// The future only watches: never polled, dropped at once or after a poll, its ACK leaves.
#[test]
fn whatever_becomes_of_the_future_the_ack_leaves() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let (_subscription, mut messages) = take(&client, &world, 3).await;
        drop(messages.remove(0).ack_confirmed());
        let mut polled = messages.remove(0).ack_confirmed();
        assert!(poll_once(&mut polled).await.is_pending());
        drop(polled);
        let kept = messages.remove(0).ack_confirmed();
        world.sleep(seconds(1)).await;
        assert_eq!(held(&world), 0);
        kept.await.unwrap();
        client.disconnect().await.unwrap();
    });
}

#[test]
fn a_connection_that_ends_meanwhile_leaves_it_unknown_and_afterwards_it_is_stale() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let (mut subscription, mut messages) = take(&client, &world, 2).await;
        world.broker("broker", |broker| broker.drop_receipts(true));
        let second = messages.pop().unwrap();
        let first = messages.pop().unwrap().ack_confirmed();
        world.sleep(seconds(1)).await;
        world.broker("broker", |broker| broker.drop_receipts(false));
        world.cut("broker", Ending::Eof);
        assert_eq!(first.await, Err(AckError::Unknown(Unknown::Lost(Lost::Eof))));
        let came = second.connection();
        assert_eq!(second.ack_confirmed().await, Err(AckError::Command(CommandError::Stale { came })));
        let again = subscription.next().await.unwrap();
        assert_eq!(again.text().unwrap(), "1", "the first was acknowledged all the same");
        again.ack_confirmed().await.unwrap();
    });
}

#[test]
fn the_driver_that_is_gone_ends_the_wait() {
    let mut sim = Sim::new(1);
    let world = sim.world();
    let (client, driver) =
        settings().config(config()).build_on(Arc::new(world.clone()), Arc::new(world.clone())).unwrap();
    let task = sim.spawn(driver.run());
    sim.block_on(async {
        let (_subscription, mut messages) = take(&client, &world, 1).await;
        world.set_frozen("broker", true);
        let acknowledging = messages.remove(0).ack_confirmed();
        task.cancel();
        assert!(matches!(acknowledging.await, Err(AckError::NotSent(_) | AckError::Unknown(_))));
    });
}

/// A handler that has to know before it goes on.
#[test]
fn a_handler_waits_for_the_answer_and_its_runner_settles_nothing_more() {
    for ack_mode in [AckMode::ClientIndividual, AckMode::Auto] {
        let mut sim = Sim::new(1);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            let subscription = client.subscribe("/queue/a").ack(ack_mode).await.unwrap();
            publish(&world, 3);
            let answers = Arc::new(Mutex::new(Vec::new()));
            let noted = Arc::clone(&answers);
            let runner = subscription.handle_with(move |order: Delivery| {
                let noted = Arc::clone(&noted);
                async move {
                    let answer = order.ack_confirmed().await;
                    noted.lock().unwrap().push(answer.clone());
                    answer.or(Ok::<(), AckError>(()))
                }
            });
            let stop = world.sleep(seconds(5));
            let tally = runner.until(stop).run().await.unwrap();
            assert_eq!(tally.handled, 3);
            let expected = match ack_mode {
                AckMode::Auto => Err(AckError::Command(CommandError::NotAcknowledged)),
                _ => Ok(()),
            };
            assert_eq!(*answers.lock().unwrap(), vec![expected; 3]);
            assert_eq!(held(&world), 0);
        });
    }
}
