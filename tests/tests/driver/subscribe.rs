//! Subscribing: before and after connecting, refused, unanswered, and ended.

use std::future::IntoFuture as _;

use stomp_checks::sim::{Door, Ending, Sim, Weather};
use stomp_proto::Command;
use stomp_session::{
    CommandError, Ended, Retry, Unknown,
    client::{Notice, SubscribeError},
};
use stomp_testkit::broker::BrokerConfig;

use crate::kit::{config, poll_once, seconds, seeds, settings};

#[test]
fn before_there_is_a_connection_it_waits_for_one() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        sim.set_door("broker", Door::Refusing);
        let client = sim.client(config(), settings());
        let world = sim.world();
        let opener = sim.spawn({
            let world = world.clone();
            async move {
                world.sleep(seconds(20)).await;
                world.set_door("broker", Door::Open);
            }
        });
        sim.block_on(async {
            let mut subscription = client.subscribe("/queue/a").await.unwrap();
            opener.await;
            client.send("/queue/a", "x").await.unwrap();
            assert_eq!(subscription.next().await.unwrap().body(), b"x");
        });
    }
}

/// It takes effect at the call; its future ends with the broker's answer, with the connection, or in time.
#[test]
fn an_unsubscribe_watches_for_the_answer() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            let subscribe = || client.subscribe("/queue/a").id("mine").into_future();
            let subscribers = || world.broker("broker", |broker| broker.subscribers("/queue/a"));
            for own in [true, false] {
                let subscription =
                    if own { subscribe().await } else { client.subscribe("/queue/a").await }.unwrap();
                subscription.unsubscribe().await.unwrap();
                assert_eq!(subscribers(), 0, "seed {seed}");
            }
            let mut watching = subscribe().await.unwrap().unsubscribe();
            assert!(poll_once(&mut watching).await.is_pending());
            world.cut("broker", Ending::Reset);
            watching.await.unwrap();
            drop(subscribe().await.unwrap().unsubscribe());
            world.sleep(seconds(5)).await;
            assert_eq!(subscribers(), 0, "seed {seed}: it is not polled");
            let subscription = subscribe().await.unwrap();
            world.broker("broker", |broker| broker.drop_receipts(true));
            let error = subscription.unsubscribe().await.unwrap_err();
            assert!(matches!(error, Unknown::Timeout(_)), "seed {seed}: {error}");
        });
    }
}

/// The end of a subscription is an error, once, after the messages that came before it.
#[test]
fn an_end_is_an_error_among_results() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        sim.block_on(async {
            let mut subscription = client.subscribe("/queue/a").await.unwrap();
            client.send("/queue/a", "x").await.unwrap();
            let mut results = subscription.results();
            results.next().await.unwrap().unwrap().ack().unwrap();
            client.disconnect().await.unwrap();
            let ended = results.next().await.unwrap().unwrap_err();
            assert!(matches!(ended, Ended::Closed(_)), "seed {seed}: {ended}");
            assert!(results.next().await.is_none());
            assert_eq!(subscription.ended(), Some(&ended));
        });
    }
}

/// The broker's answer to a SUBSCRIBE that it refuses.
const REFUSAL: &[u8] = b"ERROR\nmessage:not allowed\nreceipt-id:1\n\nyou may not\0";

#[test]
fn a_refusal_is_told_and_the_subscription_is_not_made_again() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.broker("broker", |broker| broker.drop_receipts(true));
        let subscribing = world.spawn(client.subscribe("/queue/a").into_future());
        world.sleep(seconds(1)).await;
        let connection = world.broker("broker", |broker| broker.connections()[0]);
        world.broker("broker", |broker| broker.send_octets(connection, REFUSAL));
        let error = subscribing.await.unwrap_err();
        assert!(matches!(error, SubscribeError::Ended(Ended::Rejected(_))), "{error:?}");
        assert_eq!(error.to_string(), "the broker ended the subscription: not allowed: you may not");
        world.cut("broker", Ending::Eof);
        world.sleep(seconds(1)).await;
        assert_eq!(world.broker("broker", |broker| broker.subscribers("/queue/a")), 0);
    });
}

#[test]
fn an_answer_that_does_not_come_is_awaited_only_so_long() {
    for connected in [true, false] {
        let mut sim = Sim::in_weather(1, Weather::calm());
        sim.broker("broker", |broker| broker.drop_receipts(true));
        sim.set_door("broker", if connected { Door::Open } else { Door::Stuck });
        let settings = settings().subscribe_timeout(seconds(7));
        let client = sim.client(config(), settings);
        let error = sim.block_on(async { client.subscribe("/queue/a").await.unwrap_err() });
        assert_eq!(error, SubscribeError::Timeout(seconds(7)));
        assert_eq!(error.to_string(), "the subscription was not confirmed within 7.0 s");
        assert_eq!(stomp_session::client::Runtime::now(&sim.world()).since_start().as_secs(), 7);
        sim.run_for(seconds(1));
        assert_eq!(sim.broker("broker", |broker| broker.subscribers("/queue/a")), 0, "and it is undone");
    }
}

#[test]
fn a_wrong_one_is_an_error_at_once() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let error = sim.block_on(async { client.subscribe("").await.unwrap_err() });
    assert_eq!(error, SubscribeError::Command(CommandError::NoDestination));
}

/// A broker that cancels a consumer says nothing of the next one: the stream goes on waiting, and gets it.
#[test]
fn the_broker_cancels_it_and_it_goes_on() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let mut subscription = client.subscribe("/queue/a").await.unwrap();
        let connection = world.broker("broker", |broker| broker.connections()[0]);
        world.broker("broker", |broker| broker.publish("/queue/a", "one", &[]));
        let message = subscription.next().await.unwrap();
        world.broker("broker", |broker| broker.cancel(connection, "0"));
        let mut notices = client.listen();
        while !matches!(notices.next().await, Some(Notice::Resubscribing { .. })) {}
        assert!(matches!(message.ack(), Err(CommandError::Unsubscribed)), "the broker has it back");
        let again = subscription.next().await.unwrap();
        assert_eq!((again.body(), subscription.ended()), (&b"one"[..], None));
        again.ack().unwrap();
        assert_eq!(
            world.broker("broker", |broker| broker.connections()[0]),
            connection,
            "on the same connection"
        );
    });
}

/// The stream of one that may not be tried again ends, and says why.
#[test]
fn the_broker_ends_it_and_the_stream_says_why() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let mut subscription = client.subscribe("/queue/a").retry(Retry::Never).await.unwrap();
        assert!(subscription.ended().is_none());
        let connection = world.broker("broker", |broker| broker.connections()[0]);
        let error = b"ERROR\nmessage:queue deleted\nsubscription:0\n\n\0";
        world.broker("broker", |broker| broker.publish("/queue/a", "last", &[]));
        world.broker("broker", |broker| broker.send_octets(connection, error));
        assert_eq!(subscription.next().await.unwrap().body(), b"last", "what came before it is delivered");
        assert!(subscription.next().await.is_none());
        let ended = subscription.ended().unwrap();
        assert_eq!(ended.to_string(), "the broker ended the subscription: queue deleted");
        assert!(subscription.next().await.is_none(), "and it stays ended");
    });
}

#[test]
fn the_end_of_the_session_ends_it() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    sim.block_on(async {
        let mut subscription = client.subscribe("/queue/a").await.unwrap();
        client.disconnect().await.unwrap();
        assert!(subscription.next().await.is_none());
        assert!(matches!(subscription.ended(), Some(Ended::Closed(_))));
    });
}

#[test]
fn dropping_it_unsubscribes_and_gives_back_what_was_not_acknowledged() {
    for seed in seeds(10) {
        for explicitly in [false, true] {
            let mut sim = Sim::new(seed);
            let client = sim.client(config(), settings());
            let world = sim.world();
            sim.block_on(async {
                let mut subscription = client.subscribe("/queue/a").await.unwrap();
                for number in 0..10 {
                    world.broker("broker", |broker| broker.publish("/queue/a", number.to_string(), &[]));
                }
                let first = subscription.next().await.unwrap();
                let second = subscription.next().await.unwrap();
                first.ack().unwrap();
                if explicitly {
                    drop(subscription.unsubscribe())
                } else {
                    drop(subscription)
                }
                second.ack().expect("what was taken may still be settled");
                client.disconnect().await.unwrap();
            });
            let left = sim.broker("broker", |broker| broker.messages("/queue/a"));
            let expected: Vec<_> = (2..10).map(|number| number.to_string()).collect();
            assert_eq!(left, expected, "seed {seed}");
        }
    }
}

#[test]
fn many_come_back_in_order_after_a_reconnect() {
    let mut sim = Sim::new(1);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let mut subscriptions = Vec::new();
        for number in 0..50 {
            subscriptions.push(client.subscribe(&format!("/queue/{number}")).await.unwrap());
        }
        subscriptions.remove(7);
        world.cut("broker", Ending::Reset);
        world.sleep(seconds(1)).await;
        client.send("/queue/49", "x").confirmed().await.unwrap();
        assert_eq!(subscriptions[48].next().await.unwrap().body(), b"x");
    });
    let destinations: Vec<_> = sim.broker("broker", |broker| {
        let (_, frames) = broker.received().last().unwrap();
        let replayed = frames.iter().skip(1).take(49);
        replayed.map(|frame| frame.header("destination").unwrap().to_string()).collect()
    });
    let expected: Vec<_> =
        (0..50).filter(|number| *number != 7).map(|number| format!("/queue/{number}")).collect();
    assert_eq!(destinations, expected);
}

/// What the typed helpers write. Each broker reads its own headers.
#[test]
fn a_durable_subscription_is_left_or_deleted() {
    for (broker, name) in [
        (BrokerConfig::rabbitmq(), "durable"),
        (BrokerConfig::activemq(), "activemq.subscriptionName"),
        (BrokerConfig::artemis(), "durable-subscription-name"),
    ] {
        let mut sim = Sim::in_weather(1, Weather::calm());
        sim.add_broker("broker", broker.recording());
        // ActiveMQ keeps one for a client-id alone, which needs heart-beats.
        let mut config = config();
        config.send_beat = seconds(10);
        config.add_connect_header("client-id", "me");
        let client = sim.client(config, settings());
        let world = sim.world();
        sim.block_on(async {
            let prices =
                || client.subscribe("/topic/prices").durable("mine").selector("a = 'b'").from_queue();
            drop(prices().await.unwrap().unsubscribe());
            world.sleep(seconds(1)).await;
            world.cut("broker", Ending::Reset);
            world.sleep(seconds(1)).await;
            prices().await.unwrap().delete().unwrap();
            let plain = client.subscribe("/topic/prices").await.unwrap();
            assert_eq!(plain.delete(), Err(CommandError::NotDurable));
            client.send("/queue/a", "x").to_queue().confirmed().await.unwrap();
            client.disconnect().await.unwrap();
        });
        let frames: Vec<_> = world
            .broker("broker", |broker| broker.received().flat_map(|(_, frames)| frames.to_vec()).collect());
        let of = |command| frames.iter().filter(move |frame| frame.command() == command);
        let subscribe = of(Command::Subscribe).next().unwrap();
        for (name, value) in [("id", "mine"), ("selector", "a = 'b'"), ("subscription-type", "ANYCAST")] {
            assert_eq!(subscribe.header(name).unwrap(), value);
        }
        assert!(subscribe.header(name).is_some());
        let deleted: Vec<_> = of(Command::Unsubscribe).map(|frame| frame.header(name).is_some()).collect();
        // ActiveMQ deletes in two steps.
        let before = (name == "activemq.subscriptionName").then_some(false);
        let expected: Vec<_> = [false].into_iter().chain(before).chain([true, false]).collect();
        assert_eq!(deleted, expected, "{name}");
        assert_eq!(of(Command::Send).next().unwrap().header("destination-type").unwrap(), "ANYCAST");
    }
}
