//! What takes long, and is run once for each broker: brokers that are killed under load, and a consumer that stands still.

use std::{collections::BTreeMap, future::IntoFuture as _, sync::mpsc, thread, time::Duration};

use futures_lite::future::zip;
use stomp_session::proto::AckMode;
use stomp_session::{
    Config,
    client::{Client, Message, SendError, Subscription, TlsConfig},
};
use stomp_testkit::real::{
    Feature::{BackPressure, MemoryAlarm, Persistence},
    RealBroker,
};

use super::{Bench, Case, STEP, assert_empty, connected, next, part, run_within, start};
use crate::support::{Adapter, join};

/// All cases that this broker can be put to.
pub(crate) fn cases<A: Adapter>() -> [Case; 4] {
    [
        ("a committed transaction of 2,000 survives kill -9", &[Persistence], committed::<A>),
        ("10 rounds of kill -9 under a pipeline", &[Persistence], ten_rounds::<A>),
        ("a consumer stands still for 45 s", &[BackPressure], stall::<A>),
        ("under its memory alarm", &[MemoryAlarm], alarm::<A>),
    ]
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
    make_queue::<A>(bench);
    let (config, destination) = (config(bench), bench.destination());
    run_within::<A>(6 * STEP, async {
        let (client, _kill) = bench.connect::<A>(config).await.unwrap();
        let transaction = client.begin().await.unwrap();
        for number in 0..COUNT {
            transaction.send(&destination, number.to_string()).persistent().await.unwrap();
        }
        transaction.commit().await.expect("it is confirmed");
        bench.broker.kill().unwrap();
        bench.broker.restart().unwrap();
        let mut messages = client.subscribe(&destination).prefetch(500).await.unwrap();
        let mut came = Came::default();
        came.take_until::<A>(&mut messages, COUNT as usize).await;
        bench.part(&client).await;
        assert_empty::<A>(bench).await;
    });
}

/// Makes the queue, so that it is there whenever the broker is killed.
fn make_queue<A: Adapter>(bench: &mut Bench<'_>) {
    run_within::<A>(3 * STEP, async {
        let (client, _kill) = bench.client::<A>().await;
        client.subscribe(&bench.destination()).await.unwrap();
        bench.part(&client).await;
    });
    bench.write_queues();
}

/// Messages on their way when the broker is killed.
const BATCH: u32 = 100;
const END: &[u8] = b"end";

/// The broker dies with messages on their way to it and from it. What was confirmed is received; how much came twice is told.
fn ten_rounds<A: Adapter>(bench: &mut Bench<'_>) {
    rounds::<A>(bench, 10);
}

/// The same, for this number of rounds.
pub(super) fn rounds<A: Adapter>(bench: &mut Bench<'_>, rounds: u32) {
    make_queue::<A>(bench);
    let (config, destination, description) = (config(bench), bench.destination(), bench.description);
    let settings = bench.settings(TlsConfig::default());
    let (go, told) = mpsc::channel();
    let came = thread::scope(|scope| {
        let killer = scope.spawn(move || kill_at_each(&told, bench.broker));
        let mut came = Came::default();
        run_within::<A>(10 * STEP, async {
            let (client, _kill) = connected(start::<A>(config, settings)).await.unwrap();
            let messages = client.subscribe(&destination).prefetch(50).await.unwrap();
            zip(produce(&client, &destination, rounds, go), consume::<A>(messages, &mut came)).await;
            part(description, &client).await;
        });
        killer.join().expect("the broker comes back each time");
        came
    });
    let all: Vec<_> = (0..rounds * BATCH).collect();
    assert!(came.numbers.keys().copied().eq(all.iter().copied()), "a confirmed message is missing");
    let copies: u32 = came.numbers.values().map(|times| times - 1).sum();
    println!("{} confirmed in {rounds} rounds of kill -9, all received; {copies} duplicates", all.len());
}

/// Kills the broker whenever it is told to, and starts it again.
fn kill_at_each(rounds: &mpsc::Receiver<()>, broker: &mut RealBroker) {
    for () in rounds {
        broker.kill().unwrap();
        broker.restart().unwrap();
    }
}

/// Has the broker killed whenever a batch has been handed over, and waits until it is confirmed.
async fn produce(client: &Client, destination: &str, rounds: u32, go: mpsc::Sender<()>) {
    for round in 0..rounds {
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
            // With `auto` it is acknowledged.
            let _ = message.ack();
            return;
        }
        came.take(message);
    }
}

/// A broker that is killed takes longer.
async fn next_of_a_killed<A: Adapter>(messages: &mut Subscription) -> Message {
    let message = A::within(3 * STEP, messages.next()).await;
    let message = message.unwrap_or_else(|| panic!("no message came within {:?}", 3 * STEP));
    message.unwrap_or_else(|| panic!("the subscription ended: {:?}", messages.ended()))
}

/// The numbers that came, and how often.
#[derive(Default)]
struct Came {
    numbers: BTreeMap<u32, u32>,
}

impl Came {
    /// Takes messages until there are that many different ones.
    async fn take_until<A: Adapter>(&mut self, messages: &mut Subscription, count: usize) {
        while self.numbers.len() < count {
            let next = A::within(STEP, messages.next()).await;
            let Some(Some(message)) = next else {
                panic!("{} of {count} came, then {next:?}", self.numbers.len())
            };
            self.take(message);
        }
    }

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
    run_within::<A>(6 * STEP, async {
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
        came.take_until::<A>(&mut messages, sent as usize).await;
        let kept = (0..COUNT).map(|number| send(100 + number).at_least_once().into_future());
        let end = || alarm(bench.broker.layout(), false).expect("the alarm ends");
        for kept in join(kept.collect(), end).await {
            kept.expect("it is confirmed when the alarm is over");
        }
        while !(100..100 + COUNT).all(|number| came.numbers.contains_key(&number)) {
            came.take(next::<A>(&mut messages).await);
        }
        assert_eq!(sender.connection().map(|it| it.id), before, "the connection has lived");
        bench.part(&receiver).await;
        bench.part(&sender).await;
        assert_empty::<A>(bench).await;
    });
}

/// Longer than any broker waits for a peer that does not read, and with more than all buffers hold.
const STALL: Duration = Duration::from_secs(45);

/// With a prefetch nothing happens. With `auto` and no prefetch the broker is kept from writing, and RabbitMQ ends such a
/// connection with all that it holds for acknowledged: that is the limit, and it is told.
fn stall<A: Adapter>(bench: &mut Bench<'_>) {
    let (config, destination) = (config(bench), bench.destination());
    let auto = format!("{destination}-auto");
    run_within::<A>(STALL + 4 * STEP, async {
        let (sender, _kill) = bench.client::<A>().await;
        let (careful, _kill) = bench.connect::<A>(config.clone()).await.unwrap();
        let (careless, _kill) = bench.connect::<A>(config).await.unwrap();
        let before = careful.connection().unwrap().id;
        let messages = careful.subscribe(&destination).await.unwrap();
        let pushed = careless.subscribe(&auto).ack(AckMode::Auto).await.unwrap();
        fill(&sender, &destination, 1000, 10_000).await;
        fill(&sender, &auto, 20_000, 1000).await;
        // Nobody takes a message, which is what is tried here.
        smol::Timer::after(STALL).await;
        let came = drain::<A>(&sender, &destination, messages).await;
        assert_eq!(careful.connection().map(|it| it.id), Some(before), "the connection has lived");
        assert!(came.numbers.values().eq(&[1; 1000]), "a message came twice, or not at all");
        let came = drain::<A>(&sender, &auto, pushed).await;
        let lost = 20_000 - came.numbers.len();
        println!("{}: {lost} of 20000 messages lost with ack mode auto", bench.description.name);
        assert_eq!(lost == 0, bench.description.behaviour.auto_survives_stall, "{lost} are lost");
        for client in [careful, careless, sender] {
            bench.part(&client).await;
        }
        assert_empty::<A>(bench).await;
    });
}

/// Sends `count` numbers, each of that many octets.
async fn fill(client: &Client, destination: &str, count: u32, octets: usize) {
    let message = client.send(destination, "").persistent().prepare().unwrap();
    for number in 0..count {
        message.send(format!("{number:0octets$}")).await.expect("the broker takes it");
    }
    client.send("/queue/other", "").confirmed().await.expect("it has taken all of them");
}

/// All that comes before a message that is sent now.
async fn drain<A: Adapter>(client: &Client, destination: &str, messages: Subscription) -> Came {
    client.send(destination, END).persistent().confirmed().await.unwrap();
    let mut came = Came::default();
    consume::<A>(messages, &mut came).await;
    came
}
