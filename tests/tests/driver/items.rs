//! Messages over a limit and the end of what a browser shows, in the hands of the subscription's owner.

use std::time::Duration;

use stomp_checks::sim::{Ending, Random, Sim, Weather, World};
use stomp_proto::{AckMode, Command, Excess};
use stomp_session::{
    CommandError, Config, Ended, Oversized,
    client::{Client, Failure, Forward, OnFailure, StopReason, Subscription, SubscriptionItem, Tally},
};
use stomp_testkit::broker::{BrokerConfig, Feature};

use crate::kit::{config, seconds, seeds, settings};

const QUEUE: &str = "/queue/a";
const LIMIT: usize = 100;

/// A session that reads bodies of at most [`LIMIT`] octets.
fn bounded() -> Config {
    let mut config = config();
    config.limits.body = LIMIT as u64;
    config
}

/// A queue with a small message, a large one and another small one.
fn with_a_large_one(seed: u64, weather: Weather, broker: BrokerConfig) -> (Sim, Client, World) {
    let sim = Sim::in_weather(seed, weather);
    sim.add_broker("broker", broker.recording());
    for body in ["first".to_owned(), "x".repeat(LIMIT + 1), "last".to_owned()] {
        sim.broker("broker", |broker| broker.publish(QUEUE, body, &[("kind", "order")]));
    }
    let (client, world) = (sim.client(bounded(), settings()), sim.world());
    (sim, client, world)
}

async fn subscribe(client: &Client, prefetch: u32) -> Subscription {
    client.subscribe(QUEUE).prefetch(prefetch).oversized(Oversized::Deliver).await.unwrap()
}

fn left(world: &World) -> usize {
    world.broker("broker", |broker| broker.messages(QUEUE).len())
}

/// With a prefetch of 1 nothing would come behind it if nobody could settle it.
#[test]
fn a_large_message_has_its_place_and_is_settled_by_its_owner() {
    for seed in seeds(20) {
        let weather = Weather::drawn(&mut Random::new(seed));
        let (mut sim, client, world) = with_a_large_one(seed, weather, BrokerConfig::default());
        sim.block_on(async {
            let mut subscription = subscribe(&client, 1).await;
            let mut items = subscription.items();
            let mut seen = Vec::new();
            while seen.len() < 3 {
                match items.next().await.unwrap() {
                    SubscriptionItem::Message(message) => {
                        seen.push(message.text().unwrap().to_owned());
                        message.ack().unwrap();
                    }
                    SubscriptionItem::TooLarge(large) => {
                        assert_eq!(large.excess(), Excess::Body { length: LIMIT as u64 + 1 });
                        assert_eq!(large.header_str("kind").as_deref(), Some("order"));
                        assert!(large.needs_ack() && !large.is_lost());
                        seen.push("large".into());
                        large.ack().unwrap();
                    }
                    other => panic!("seed {seed}: {other:?}"),
                }
            }
            assert_eq!(seen, ["first", "large", "last"], "seed {seed}");
            assert_eq!((client.unroutable(), client.statistics().too_large), (0, 1));
            world.sleep(seconds(60)).await;
            assert_eq!((left(&world), client.undelivered()), (0, 0), "seed {seed}");
        });
    }
}

/// Headers over a limit are told as what they are, and what is NACKed goes where the broker puts it.
#[test]
fn what_it_was_is_said_and_it_can_be_refused() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    sim.add_broker("broker", BrokerConfig::rabbitmq().recording());
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let subscribe = client.subscribe(QUEUE).id("mine").oversized(Oversized::Deliver);
        let mut subscription = subscribe.await.unwrap();
        let long = "x".repeat(70_000);
        let message =
            format!("MESSAGE\nx:{long}\nsubscription:mine\nmessage-id:1\ndestination:a\nack:1\n\nbody\0");
        world.broker("broker", |broker| broker.send_octets(broker.connections()[0], message.as_bytes()));
        let Some(SubscriptionItem::TooLarge(large)) = subscription.items().next().await else { panic!() };
        assert!(matches!(large.excess(), Excess::Headers { length: 70_000.. }), "{:?}", large.excess());
        assert!(large.header("x").is_none() && large.header("destination").unwrap() == "a");
        large.nack().unwrap();
        world.sleep(seconds(1)).await;
        let nacked = world.broker("broker", |broker| {
            broker.received().flat_map(|(_, frames)| frames).any(|frame| frame.command() == Command::Nack)
        });
        assert!(nacked);
    });
}

/// Who takes whole messages alone leaves it with the broker; and it counts in the budget until somebody takes it.
#[test]
fn it_is_passed_over_where_nobody_asks_for_items() {
    let (mut sim, client, world) = with_a_large_one(1, Weather::calm(), BrokerConfig::default());
    sim.block_on(async {
        let mut subscription = subscribe(&client, 10).await;
        world.sleep(seconds(1)).await;
        let counted = client.undelivered();
        for expected in ["first", "last"] {
            let message = subscription.next().await.unwrap();
            assert_eq!(message.text(), Ok(expected));
            message.ack().unwrap();
        }
        assert!(counted > 0 && client.undelivered() == 0);
        subscription.unsubscribe().await.unwrap();
        world.sleep(seconds(1)).await;
        assert_eq!(left(&world), 1, "it is the broker's");
    });
}

/// As any other message that nobody has taken when its connection ends: the broker delivers it again.
#[test]
fn it_is_lost_with_its_connection() {
    let (mut sim, client, world) = with_a_large_one(1, Weather::calm(), BrokerConfig::default());
    sim.block_on(async {
        let mut subscription = subscribe(&client, 10).await;
        let mut items = subscription.items();
        let Some(SubscriptionItem::Message(first)) = items.next().await else { panic!() };
        first.ack().unwrap();
        world.sleep(seconds(1)).await;
        world.cut("broker", Ending::Eof);
        world.sleep(seconds(5)).await;
        let Some(SubscriptionItem::TooLarge(large)) = items.next().await else { panic!() };
        assert!(!large.is_lost(), "the copy of the new connection");
        world.cut("broker", Ending::Eof);
        world.sleep(seconds(5)).await;
        assert!(large.is_lost());
        assert!(matches!(large.ack(), Err(CommandError::Stale { .. })));
        let Some(SubscriptionItem::TooLarge(large)) = items.next().await else { panic!() };
        large.ack().unwrap();
        let Some(SubscriptionItem::Message(last)) = items.next().await else { panic!() };
        assert_eq!(last.text(), Ok("last"));
    });
}

#[test]
fn the_end_of_what_a_browser_shows_is_an_item() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    // It would show everything at once, before the SUBSCRIBE is known to have been accepted.
    sim.add_broker("broker", BrokerConfig::activemq().ignoring(Feature::Browsing).recording());
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let browse = client.subscribe(QUEUE).id("mine").ack(AckMode::Auto).header("browser", "true");
        let mut subscription = browse.await.unwrap();
        for (header, body) in [("kind:order", "shown"), ("browser:end", "")] {
            let message =
                format!("MESSAGE\n{header}\nsubscription:mine\nmessage-id:1\ndestination:a\n\n{body}\0");
            world.broker("broker", |broker| broker.send_octets(broker.connections()[0], message.as_bytes()));
        }
        let mut items = subscription.items();
        let Some(SubscriptionItem::Message(shown)) = items.next().await else { panic!() };
        assert_eq!(shown.text(), Ok("shown"));
        assert!(matches!(items.next().await, Some(SubscriptionItem::BrowseEnd)));
        assert!(items.next().await.is_none());
        assert_eq!(subscription.ended(), Some(&Ended::Browsed));
    });
}

/// The RECEIPT, all messages and the end come before the future is polled again.
#[test]
fn a_browser_that_has_shown_all_at_once_is_a_subscription_still() {
    for messages in [0, 1, 3] {
        let mut sim = Sim::in_weather(1, Weather::calm());
        sim.add_broker("broker", BrokerConfig::activemq());
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            world.broker("broker", |broker| {
                (0..messages).for_each(|number| broker.publish(QUEUE, number.to_string(), &[]));
            });
            let browse = client.subscribe(QUEUE).ack(AckMode::Auto).header("browser", "true");
            let mut subscription = browse.await.unwrap();
            let mut items = subscription.items();
            for number in 0..messages {
                let Some(SubscriptionItem::Message(shown)) = items.next().await else { panic!("{number}") };
                assert_eq!(shown.text().unwrap(), number.to_string());
            }
            assert!(matches!(items.next().await, Some(SubscriptionItem::BrowseEnd)));
            assert!(items.next().await.is_none());
        });
    }
}

/// What a runner with that policy comes to over the three messages, what its handler saw, and what its broker has then.
fn run(broker: BrokerConfig, policy: OnFailure) -> (Result<Tally, StopReason<String>>, Vec<String>, World) {
    let (mut sim, client, world) = with_a_large_one(1, Weather::calm(), broker);
    let seen = std::sync::Mutex::new(Vec::new());
    let result = sim.block_on(async {
        let done = world.sleep(Duration::from_secs(60));
        let handler = async |order: stomp_session::client::Delivery| {
            seen.lock().unwrap().push(order.text().unwrap().to_owned());
            Ok::<(), String>(())
        };
        let runner = subscribe(&client, 1).await.handle(handler).on_failure(policy).until(done);
        let result = runner.run().await.map_err(|stopped| stopped.reason);
        world.sleep(seconds(60)).await;
        result
    });
    (result, seen.into_inner().unwrap(), world)
}

#[test]
fn to_a_runner_it_is_a_failed_message() {
    let excess = Excess::Body { length: LIMIT as u64 + 1 };
    let retry = |then| OnFailure::Retry { attempts: 3, backoff: seconds(1), then: Box::new(then) };
    for policy in [OnFailure::Stop, retry(OnFailure::Stop)] {
        let (result, seen, world) = run(BrokerConfig::default(), policy);
        assert_eq!(result, Err(StopReason::Failed(Failure::TooLarge(excess))));
        assert_eq!((seen, left(&world)), (vec!["first".to_owned()], 2), "it stays with the broker");
    }
    for policy in [OnFailure::DeadLetter, retry(OnFailure::DeadLetter), OnFailure::Acknowledge] {
        let (result, seen, world) = run(BrokerConfig::rabbitmq(), policy.clone());
        let tally = result.unwrap();
        assert_eq!((tally.handled, tally.failed, tally.retried), (2, 1, 0), "{policy:?}");
        assert_eq!((seen, left(&world)), (vec!["first".to_owned(), "last".to_owned()], 0), "{policy:?}");
    }
    let (result, ..) = run(BrokerConfig::artemis(), OnFailure::DeadLetter);
    assert!(matches!(result, Err(StopReason::Command(CommandError::NackCannot { .. }))), "{result:?}");
}

#[test]
fn its_copy_says_that_the_body_is_missing() {
    let (result, seen, world) =
        run(BrokerConfig::default(), OnFailure::Forward(Forward::to("/queue/errors")));
    assert_eq!(result.unwrap().failed, 1);
    assert_eq!((seen, left(&world)), (vec!["first".to_owned(), "last".to_owned()], 0));
    assert_eq!(world.broker("broker", |broker| broker.messages("/queue/errors")), [""]);
    world.broker("broker", |broker| {
        let mut frames = broker.received().flat_map(|(_, frames)| frames);
        let copy = frames.find(|frame| frame.command() == Command::Send).unwrap();
        assert_eq!(copy.header("message-too-large").unwrap(), "a body of 101 octets");
        assert_eq!(copy.header("kind").unwrap(), "order");
        assert!(copy.header_str("message-failed").unwrap().contains("over the limit"));
    });
}
