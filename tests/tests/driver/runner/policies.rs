//! Handlers that fail.

use stomp_checks::sim::World;
use stomp_proto::{AckMode, Command, Frame};
use stomp_session::{
    CommandError, Nack,
    client::{Delivery, Failure, Forward, Message, OnFailure, SendError, StopReason, Stopped, Tally},
};
use stomp_testkit::broker::{BrokerConfig, dead_letter_queue};

use super::{Notes, QUEUE, left, milliseconds, subscribe, text, with_messages};
use crate::kit::seconds;

/// Runs a handler that fails each time, over one message, for a minute.
fn poisoned(broker: BrokerConfig, policy: OnFailure) -> (Result<Tally, Stopped<String>>, Vec<String>, World) {
    let (mut sim, client, world) = with_messages(broker, 1);
    let notes = Notes::default();
    let result = sim.block_on(async {
        let handler = async |message: Delivery| {
            notes.add(text(&message));
            Err(format!("{} is poison", text(&message)))
        };
        let runner = subscribe(&client).await.handle(handler).on_failure(policy);
        let result = runner.until(world.sleep(seconds(60))).run().await;
        client.disconnect().await.unwrap();
        result
    });
    (result, notes.all(), world)
}

#[test]
fn by_default_it_stops_and_the_message_stays() {
    let (result, handled, world) = poisoned(BrokerConfig::default(), OnFailure::default());
    let stopped = result.unwrap_err();
    assert_eq!(stopped.reason, StopReason::Failed(Failure::Error("0 is poison".into())));
    assert_eq!(stopped.to_string(), "a handler failed: 0 is poison");
    assert_eq!((handled.len(), stopped.tally.failed), (1, 1));
    assert_eq!(left(&world), (1, 0));
}

/// A poison message that is requeued at once would go round thousands of times in this minute.
#[test]
fn requeued_it_comes_again_ever_more_slowly() {
    let (result, handled, world) = poisoned(BrokerConfig::rabbitmq(), OnFailure::Requeue);
    // 0.1 s, 0.2 s, … 25.6 s make 51 s; the next pause is 30 s.
    assert_eq!((handled.len(), result.unwrap().failed), (10, 10));
    assert_eq!(left(&world), (1, 0));
}

#[test]
fn a_success_makes_the_pauses_short_again() {
    let (mut sim, client, world) = with_messages(BrokerConfig::rabbitmq(), 1);
    let notes = Notes::default();
    sim.block_on(async {
        let handler = async |_| {
            notes.add("");
            if notes.all().len() % 3 == 0 { Ok(()) } else { Err("not yet") }
        };
        let runner = subscribe(&client).await.handle(handler).on_failure(OnFailure::Requeue);
        let feed = {
            let world = world.clone();
            async move {
                for _ in 0..10 {
                    world.broker("broker", |broker| broker.publish(QUEUE, "x", &[]));
                    world.sleep(milliseconds(400)).await;
                }
            }
        };
        let tally = runner.until(feed).run().await.unwrap();
        assert!(tally.handled >= 9, "{tally:?}");
    });
}

#[test]
fn dead_lettered() {
    for broker in [BrokerConfig::activemq(), BrokerConfig::rabbitmq()] {
        let (result, handled, world) = poisoned(broker.clone(), OnFailure::DeadLetter);
        assert_eq!((handled.len(), result.unwrap().failed, left(&world)), (1, 1, (0, 0)));
        let nack = nacks(&world);
        if let Some(requeue) = nack[0].header("requeue") {
            assert_eq!(requeue, "false");
        } else {
            assert_eq!(world.broker("broker", |broker| broker.messages(&dead_letter_queue(QUEUE))), ["0"]);
        }
    }
}

pub(super) fn frames(world: &World, command: Command) -> Vec<Frame> {
    let of = |frame: &&Frame| frame.command() == command;
    world.broker("broker", |broker| {
        broker
            .received()
            .flat_map(|(_, frames)| frames.iter().filter(of).cloned().collect::<Vec<_>>())
            .collect()
    })
}

/// Those of a policy: an UNSUBSCRIBE brings messages back by NACKs in a transaction.
fn nacks(world: &World) -> Vec<Frame> {
    let all = frames(world, Command::Nack).into_iter();
    all.filter(|frame| !frame.headers().contains("transaction")).collect()
}

#[test]
fn discarded_by_name() {
    let (result, handled, world) = poisoned(BrokerConfig::artemis(), OnFailure::Discard);
    assert_eq!((handled.len(), result.unwrap().failed, left(&world)), (1, 1, (0, 0)));
    assert_eq!(world.broker("broker", |broker| broker.discarded()), 1);
}

/// A NACK that does something else than what is wanted is never sent.
#[test]
fn what_a_broker_does_not_do_is_refused() {
    let rows = [
        (BrokerConfig::artemis(), OnFailure::Requeue, Nack::Requeue),
        (BrokerConfig::artemis(), OnFailure::DeadLetter, Nack::DeadLetter),
        (BrokerConfig::activemq(), OnFailure::Requeue, Nack::Requeue),
        (BrokerConfig::activemq(), OnFailure::Discard, Nack::Discard),
        (BrokerConfig::rabbitmq(), OnFailure::Discard, Nack::Discard),
        (BrokerConfig::default(), OnFailure::Requeue, Nack::Requeue),
    ];
    for (broker, policy, nack) in rows {
        let (result, _, world) = poisoned(broker, policy);
        let reason = result.unwrap_err().reason;
        let StopReason::Command(CommandError::NackCannot { wanted, .. }) = reason else {
            panic!("{reason:?}")
        };
        assert_eq!((wanted, nacks(&world).len(), left(&world)), (nack, 0, (1, 0)));
    }
}

#[test]
fn with_auto_there_is_nothing_to_nack() {
    let (mut sim, client, _) = with_messages(BrokerConfig::rabbitmq(), 1);
    let stopped = sim.block_on(async {
        let messages = client.subscribe(QUEUE).ack(AckMode::Auto).await.unwrap();
        let poison = async |_| Err::<(), _>("poison");
        messages.handle(poison).on_failure(OnFailure::Requeue).run().await.unwrap_err()
    });
    assert_eq!(stopped.reason, StopReason::Command(CommandError::NotAcknowledged));
}

#[test]
fn acknowledged_as_if_it_had_been_handled() {
    let (result, _, world) = poisoned(BrokerConfig::default(), OnFailure::Acknowledge);
    assert_eq!((result.unwrap().failed, left(&world)), (1, (0, 0)));
}

#[test]
fn decided_for_each_failure() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 3);
    let stopped = sim.block_on(async {
        let handler = async |message: Delivery| Err::<(), _>(text(&message));
        let runner = subscribe(&client).await.handle(handler);
        let decide = |_: &Message, failure: &Failure<String>| match failure {
            Failure::Error(text) if text == "2" => OnFailure::Stop,
            _ => OnFailure::Forward(Forward::to("/queue/errors")),
        };
        runner.decide_failure(decide).run().await.unwrap_err()
    });
    assert_eq!(stopped.reason, StopReason::Failed(Failure::Error("2".into())));
    assert_eq!(world.broker("broker", |broker| broker.messages("/queue/errors")), ["0", "1"]);
    sim.run_for(seconds(1));
    assert_eq!(left(&world), (1, 0));
}

/// A panic is a failure of its handler, wherever it happens, and of no other.
#[test]
fn panics_are_failures() {
    let (mut sim, client, world) = with_messages(BrokerConfig::default(), 4);
    let notes = Notes::default();
    sim.block_on(async {
        let pause = world.clone();
        let handler = move |message: Delivery| {
            let text = text(&message);
            assert!(text != "0", "before the future is made");
            let pause = pause.sleep(seconds(1));
            async move {
                assert!(text != "1", "at the first poll");
                pause.await;
                assert!(text != "2", "later: {text}");
                Ok::<_, String>(())
            }
        };
        let runner = subscribe(&client).await.handle(handler).concurrency(4);
        let told = notes.clone();
        let decide = move |_: &Message, failure: &Failure<String>| {
            told.add(failure.to_string());
            OnFailure::Acknowledge
        };
        let tally = runner.decide_failure(decide).until(world.sleep(seconds(5))).run().await.unwrap();
        assert_eq!((tally.handled, tally.failed), (1, 3));
    });
    let panicked = ["before the future is made", "at the first poll", "later: 2"];
    assert_eq!(notes.all(), panicked.map(|text| format!("the handler panicked: {text}")));
    assert_eq!(left(&world), (0, 0));
}

/// What a message may carry: some is its own, the rest its delivery's.
const RELAYED: [(&str, &str); 16] = [
    ("color", "grün"),
    ("content-type", "text/plain"),
    ("correlation-id", "7"),
    ("reply-to", "/queue/r"),
    ("type", "order"),
    ("transaction", "tx"),
    ("receipt", "r"),
    ("expires", "4102444800000"),
    ("priority", "9"),
    ("_AMQ_DUPL_ID", "d"),
    ("x-first-death-queue", "q"),
    ("CC", "z"),
    ("redelivered", "true"),
    ("JMSXGroupID", "g"),
    ("AMQ_SCHEDULED_DELAY", "5"),
    ("timestamp", "1"),
];

/// The copy has what belongs to the message and nothing that belongs to its delivery, and comes before the ACK.
#[test]
fn the_copy_that_is_forwarded() {
    let brokers = [
        (BrokerConfig::rabbitmq(), None),
        (BrokerConfig::artemis(), Some("ANYCAST")),
        (BrokerConfig::activemq(), None),
    ];
    for (broker, destination_type) in brokers {
        let (mut sim, client, world) = with_messages(broker, 0);
        sim.block_on(async {
            world.broker("broker", |broker| broker.publish(QUEUE, "body", &RELAYED));
            let poison = async |_| Err::<(), _>("two\nlines");
            let forward = Forward::to("/queue/errors").header("color", "red");
            let runner = subscribe(&client).await.handle(poison).on_failure(OnFailure::Forward(forward));
            let tally = runner.until(world.sleep(seconds(5))).run().await.unwrap();
            assert_eq!((tally.failed, left(&world)), (1, (0, 0)));
        });
        let [copy] = &*frames(&world, Command::Send) else { panic!("one copy") };
        let mut names: Vec<_> =
            copy.headers().iter().map(|(name, _)| name.text().unwrap().into_owned()).collect();
        names.sort();
        let mut expected = vec![
            "color",
            "content-length",
            "content-type",
            "correlation-id",
            "destination",
            "message-failed",
            "persistent",
            "receipt",
            "reply-to",
            "type",
        ];
        expected.extend(destination_type.map(|_| "destination-type"));
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(copy.body(), b"body");
        for (name, value) in [("color", "red"), ("message-failed", "two lines"), ("persistent", "true")] {
            assert_eq!(copy.header(name).unwrap(), value);
        }
        assert_eq!(
            copy.header("destination-type").map(|value| value.to_string()).as_deref(),
            destination_type
        );
    }
}

/// Until the broker has confirmed the copy the message is not acknowledged; if it refuses the copy, never.
#[test]
fn a_copy_that_does_not_arrive_acknowledges_nothing() {
    let (mut sim, client, world) = with_messages(BrokerConfig::activemq(), 1);
    sim.block_on(async {
        let messages = subscribe(&client).await;
        world.broker("broker", |broker| broker.drop_receipts(true));
        let poison = async |_| Err::<(), _>("poison");
        let forward = OnFailure::Forward(Forward::to("/queue/errors"));
        let runner = world.spawn(messages.handle(poison).on_failure(forward).run());
        world.sleep(seconds(59)).await;
        assert_eq!(world.broker("broker", |broker| broker.depth("/queue/errors")), 1);
        assert_eq!((left(&world), runner.is_finished()), ((0, 1), false));
        let stopped = runner.await.unwrap_err();
        assert!(matches!(stopped.reason, StopReason::Forward(SendError::Unknown(_))), "{stopped:?}");
        world.sleep(seconds(1)).await;
        assert_eq!(left(&world), (1, 0));
    });
}
