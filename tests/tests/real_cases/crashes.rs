//! What takes long, and is run once for each broker: brokers that are killed under load, and a consumer that stands still.

use std::{collections::BTreeMap, future::IntoFuture as _, sync::mpsc, thread, time::Duration};

use futures_lite::future::zip;
use stomp_session::{
    Config,
    client::{Client, Message, SendError, Subscription},
};
use stomp_testkit::real::{Description, RealBroker};

use super::{Bench, Case, assert_empty, next, run_within};
use crate::support::{Adapter, PATIENCE, connect_with, join};

/// All cases that this broker can be put to.
pub(crate) fn cases<A: Adapter>(description: &Description) -> Vec<(&'static str, Case)> {
    let mut cases: Vec<(_, Case)> = vec![
        ("a committed transaction of 2,000 survives kill -9", committed::<A>),
        ("20 rounds of kill -9 under a pipeline", rounds::<A>),
        ("a consumer stands still for 45 s", stall::<A>),
    ];
    if description.behaviour.memory_alarm.is_some() {
        cases.push(("under its memory alarm", alarm::<A>));
    }
    cases
}

/// Of a client that is soon back.
fn config(bench: &Bench<'_>) -> Config {
    let mut config = bench.config();
    config.brokers.reconnect.max_delay = Duration::from_millis(500);
    config
}

/// RabbitMQ sends the RECEIPT of a COMMIT before it has stored anything: what is confirmed must be there all the same.
fn committed<A: Adapter>(bench: &mut Bench<'_>) {
    const COUNT: u32 = 2000;
    let (config, destination) = (config(bench), bench.destination());
    run_within::<A>(4 * PATIENCE, async {
        let (client, _kill) = connect_with::<A>(config).await.unwrap();
        let transaction = client.begin().await.unwrap();
        for number in 0..COUNT {
            transaction.send(&destination, number.to_string()).persistent().await.unwrap();
        }
        transaction.commit().await.expect("it is confirmed");
        bench.broker.kill().unwrap();
        bench.broker.restart().unwrap();
        let mut messages = client.subscribe(&destination).prefetch(500).await.unwrap();
        let mut came = Came::default();
        while came.numbers.len() < COUNT as usize {
            came.take(next::<A>(&mut messages).await);
        }
        client.disconnect().await.unwrap();
        assert_empty::<A>(bench).await;
    });
}

const ROUNDS: u32 = 20;
/// Messages on their way when the broker is killed.
const BATCH: u32 = 100;
const END: &[u8] = b"end";

/// The broker dies with messages on their way to it and from it. What was confirmed is received; how much came twice is told.
fn rounds<A: Adapter>(bench: &mut Bench<'_>) {
    let (config, destination) = (config(bench), bench.destination());
    let (go, rounds) = mpsc::channel();
    let came = thread::scope(|scope| {
        let killer = scope.spawn(move || kill_at_each(&rounds, bench.broker));
        let mut came = Came::default();
        run_within::<A>(ROUNDS * PATIENCE, async {
            let (client, _kill) = connect_with::<A>(config).await.unwrap();
            let messages = client.subscribe(&destination).prefetch(50).await.unwrap();
            zip(produce(&client, &destination, go), consume::<A>(messages, &mut came)).await;
            client.disconnect().await.unwrap();
        });
        killer.join().expect("the broker comes back each time");
        came
    });
    let all: Vec<_> = (0..ROUNDS * BATCH).collect();
    assert!(came.numbers.keys().copied().eq(all.iter().copied()), "a confirmed message is missing");
    let copies: u32 = came.numbers.values().map(|times| times - 1).sum();
    println!("{} confirmed in {ROUNDS} rounds of kill -9, all received; {copies} duplicates", all.len());
}

/// Kills the broker whenever it is told to, and starts it again.
fn kill_at_each(rounds: &mpsc::Receiver<()>, broker: &mut RealBroker) {
    for () in rounds {
        broker.kill().unwrap();
        broker.restart().unwrap();
    }
}

/// Has the broker killed whenever a batch has been handed over, and waits until it is confirmed.
async fn produce(client: &Client, destination: &str, go: mpsc::Sender<()>) {
    for round in 0..ROUNDS {
        let numbers = round * BATCH..(round + 1) * BATCH;
        let sends = numbers.map(|number| client.send(destination, number.to_string()).at_least_once());
        let kill = || go.send(()).expect("the broker is still there to be killed");
        for sent in join(sends.map(|send| send.into_future()).collect(), kill).await {
            sent.expect("it is confirmed in the end");
        }
    }
    drop(go);
    client.send(destination, END).at_least_once().await.expect("it is confirmed");
}

/// Until the last message.
async fn consume<A: Adapter>(mut messages: Subscription, came: &mut Came) {
    loop {
        let message = next_of_a_killed::<A>(&mut messages).await;
        if message.body() == END {
            return message.ack().expect("its connection stands");
        }
        came.take(message);
    }
}

/// A broker that is killed takes longer.
async fn next_of_a_killed<A: Adapter>(messages: &mut Subscription) -> Message {
    let message = A::within(4 * PATIENCE, messages.next()).await.expect("a message in time");
    message.unwrap_or_else(|| panic!("the subscription ended: {:?}", messages.ended()))
}

/// The numbers that came, and how often.
#[derive(Default)]
struct Came {
    numbers: BTreeMap<u32, u32>,
}

impl Came {
    /// Notes and acknowledges a message. Where its connection is lost, it comes again.
    fn take(&mut self, message: Message) {
        let number = message.text().expect("text").parse().expect("a number");
        *self.numbers.entry(number).or_default() += 1;
        let _ = message.ack();
    }
}

/// Raised, the broker reads nothing more from who has sent it messages, and tells nobody: what is to be confirmed ends in a
/// typed outcome within its time, what is kept waits, who only receives goes on, and afterwards all of it is there.
fn alarm<A: Adapter>(bench: &mut Bench<'_>) {
    const COUNT: u32 = 20;
    let alarm = bench.description.behaviour.memory_alarm.expect("only brokers that have one are tried");
    let destination = bench.destination();
    run_within::<A>(4 * PATIENCE, async {
        let (sender, _kill) = bench.client::<A>().await;
        let (receiver, _kill) = bench.client::<A>().await;
        let mut messages = receiver.subscribe(&destination).await.unwrap();
        let before = sender.connection().map(|it| it.id);
        let send = |number: u32| sender.send(&destination, number.to_string()).persistent();
        send(0).confirmed().await.unwrap();
        alarm(bench.broker.layout(), true).expect("the alarm is raised");
        // One or two may pass before the broker has noticed who sends.
        let mut sent = 1;
        let refusal = loop {
            match send(sent).confirmed().timeout(Duration::from_secs(2)).await {
                Ok(()) => sent += 1,
                Err(refusal) => break refusal,
            }
        };
        assert!(matches!(refusal, SendError::Unknown(_) | SendError::NotSent(_)), "{refusal:?}");
        let mut came = Came::default();
        while came.numbers.len() < sent as usize {
            came.take(next::<A>(&mut messages).await);
        }
        let kept = (0..COUNT).map(|number| send(100 + number).at_least_once().into_future());
        let end = || alarm(bench.broker.layout(), false).expect("the alarm ends");
        for kept in join(kept.collect(), end).await {
            kept.expect("it is confirmed when the alarm is over");
        }
        while !(100..100 + COUNT).all(|number| came.numbers.contains_key(&number)) {
            came.take(next::<A>(&mut messages).await);
        }
        assert_eq!(sender.connection().map(|it| it.id), before, "the connection has lived");
        receiver.disconnect().await.unwrap();
        sender.disconnect().await.unwrap();
        assert_empty::<A>(bench).await;
    });
}

/// Longer than any broker waits for a peer that does not read, and with more than all buffers hold.
fn stall<A: Adapter>(bench: &mut Bench<'_>) {
    const COUNT: u32 = 1000;
    const STALL: Duration = Duration::from_secs(45);
    let (config, destination) = (config(bench), bench.destination());
    run_within::<A>(STALL + 2 * PATIENCE, async {
        let (sender, _kill) = bench.client::<A>().await;
        let (client, _kill) = connect_with::<A>(config).await.unwrap();
        let before = client.connection().unwrap().id;
        let mut messages = client.subscribe(&destination).await.unwrap();
        let body = |number: u32| format!("{number:010000}");
        let sends = (0..COUNT).map(|number| sender.send(&destination, body(number)).at_least_once());
        for sent in join(sends.map(|send| send.into_future()).collect(), || ()).await {
            sent.expect("the broker takes it");
        }
        // Nobody takes a message, which is what is tried here.
        smol::Timer::after(STALL).await;
        let mut came = Came::default();
        while came.numbers.len() < COUNT as usize {
            came.take(next::<A>(&mut messages).await);
        }
        assert_eq!(client.connection().map(|it| it.id), Some(before), "the connection has lived");
        assert!(came.numbers.values().all(|times| *times == 1), "a message came twice");
        client.disconnect().await.unwrap();
        sender.disconnect().await.unwrap();
        assert_empty::<A>(bench).await;
    });
}
