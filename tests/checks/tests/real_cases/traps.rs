//! The traps that brokers set for their clients: each has cost somebody messages.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stomp_session::{
    Nack as Does, Unknown,
    client::{Client, Message, OnFailure, SendError, Subscription},
    proto::AckMode,
};
use stomp_testkit::real::{
    Feature::{Prefetch, Redelivery, Refusing, TemporaryQueues},
    Nack,
};

use super::{Bench, Case, assert_empty, connected_again, next, run};
use crate::support::Adapter;

/// All cases.
pub(crate) fn cases<A: Adapter>() -> [Case; 5] {
    [
        ("unsubscribes from a busy queue", &[Prefetch, Redelivery], busy_unsubscribe::<A>),
        ("client beside client-individual", &[Prefetch, Redelivery], side_by_side::<A>),
        ("a poison message under each policy", &[Refusing], poison::<A>),
        ("replies to a requester that is gone", &[TemporaryQueues], requester_gone::<A>),
        ("subscribes again after kill -9 of the broker", &[], subscribes_again::<A>),
    ]
}

/// Sends that number of messages, numbered, of that size; returns when the broker has all of them.
async fn send_many(client: &Client, destination: &str, count: u32, size: usize) {
    for number in 0..count {
        let send = client.send(destination, vec![b'x'; size]).header("number", number.to_string());
        if number + 1 == count { send.persistent().confirmed().await } else { send.persistent().await }
            .expect("the broker takes it");
    }
}

fn number(message: &Message) -> u32 {
    let number = message.header("number").expect("our header").octets();
    std::str::from_utf8(&number).ok().and_then(|number| number.parse().ok()).expect("a number")
}

/// RabbitMQ answers with up to 200 ERRORs that name nobody, and keeps what it had sent from all others, as long as the
/// connection lives.
fn busy_unsubscribe<A: Adapter>(bench: &mut Bench<'_>) {
    const COUNT: u32 = 1000;
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let (other, _kill) = bench.client::<A>().await;
        let before = client.connection().unwrap().id;
        let destination = bench.destination();
        let mut seen = BTreeSet::new();
        let busy = async {
            for _ in 0..10 {
                let mut messages = client.subscribe(&destination).prefetch(200).await.unwrap();
                let mut taken = take::<A>(&mut messages, 10).await;
                for message in taken.drain(..5) {
                    assert!(seen.insert(number(&message)), "a message that was acknowledged came again");
                    message.ack().unwrap();
                }
                drop(messages.unsubscribe());
            }
        };
        futures_lite::future::zip(send_many(&other, &destination, COUNT, 100), busy).await;
        let mut messages = other.subscribe(&destination).await.unwrap();
        while seen.len() < COUNT as usize {
            let message = next::<A>(&mut messages).await;
            assert!(seen.insert(number(&message)), "a message that was acknowledged came again");
            message.ack().unwrap();
        }
        assert_eq!(client.connection().unwrap().id, before, "the connection lives");
        bench.part(&client).await;
        bench.part(&other).await;
        assert_empty::<A>(bench).await;
    });
}

/// RabbitMQ takes an ACK of mode `client` for all that the connection has.
fn side_by_side<A: Adapter>(bench: &mut Bench<'_>) {
    const COUNT: u32 = 5;
    run::<A>(async {
        let (client, kill) = bench.client::<A>().await;
        let (mine, others) = (bench.destination(), format!("{}-others", bench.destination()));
        send_many(&client, &mine, COUNT, 1).await;
        send_many(&client, &others, COUNT, 1).await;
        let mut untouched = client.subscribe(&others).await.unwrap();
        let _held = take::<A>(&mut untouched, COUNT).await;
        let mut cumulative = client.subscribe(&mine).ack(AckMode::Client).await.unwrap();
        take::<A>(&mut cumulative, COUNT).await.pop().unwrap().ack().unwrap();
        client.send("/queue/other", "").persistent().confirmed().await.unwrap();
        kill();
        let (client, _kill) = bench.client::<A>().await;
        let mut again = client.subscribe(&others).await.unwrap();
        for message in take::<A>(&mut again, COUNT).await {
            message.ack().unwrap();
        }
        bench.part(&client).await;
        assert_empty::<A>(bench).await;
    });
}

async fn take<A: Adapter>(messages: &mut Subscription, count: u32) -> Vec<Message> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(next::<A>(messages).await);
    }
    taken
}

/// How often a policy may let one message come in [`POISONED`]: pauses of 100, 200, 400 and 800 ms lie between.
const OFTEN: u32 = 5;
const POISONED: Duration = Duration::from_millis(1400);

fn poison<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        for (policy, does) in [
            (OnFailure::Requeue, Does::Requeue),
            (OnFailure::DeadLetter, Does::DeadLetter),
            (OnFailure::Discard, Does::Discard),
        ] {
            let (client, _kill) = bench.client::<A>().await;
            let destination = format!("{}-{does:?}", bench.destination());
            let mut send = client.send(&destination, "poison").persistent().confirmed();
            for (name, value) in (bench.description.behaviour.dead_letter.queue_headers)(&bench.queue) {
                send = send.header(name, value);
            }
            send.await.unwrap();
            let came = Arc::new(AtomicU32::new(0));
            let counter = Arc::clone(&came);
            let mut subscribe = client.subscribe(&destination);
            for (name, value) in (bench.description.behaviour.dead_letter.queue_headers)(&bench.queue) {
                subscribe = subscribe.header(name, value);
            }
            let runner = subscribe.await.unwrap().handle(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
                async { Err::<(), _>("it always fails") }
            });
            let stopped = runner.on_failure(policy).until(poisoned(Arc::clone(&came))).run().await;
            let came = came.load(Ordering::Relaxed);
            assert!((1..=OFTEN).contains(&came), "{does:?}: it came {came} times");
            assert_eq!(stopped.is_ok(), bench.can(does), "{does:?}: {stopped:?}");
            assert!(came == 1 || does == Does::Requeue, "{does:?}: it came {came} times");
            bench.part(&client).await;
        }
    });
}

/// From the first time on, however long the broker takes for that.
async fn poisoned(came: Arc<AtomicU32>) {
    while came.load(Ordering::Relaxed) == 0 {
        smol::Timer::after(Duration::from_millis(10)).await;
    }
    smol::Timer::after(POISONED).await;
}

impl Bench<'_> {
    /// Whether the broker can be made to do that with a NACKed message.
    fn can(&self, does: Does) -> bool {
        let dead_letters = !self.description.behaviour.dead_letter.nack_headers.is_empty();
        match self.description.behaviour.nack {
            Nack::Requeue => does == Does::Requeue || does == Does::DeadLetter && dead_letters,
            Nack::DeadLetter(_) => does == Does::DeadLetter,
            Nack::Destroy => does == Does::Discard,
        }
    }
}

/// On ActiveMQ that is an ERROR. It ends the reply, and neither the connection nor the handling of the request.
fn requester_gone<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let (requester, kill) = bench.client::<A>().await;
        let mut requests = client.subscribe(&bench.destination()).await.unwrap();
        let asked = async { requester.request(&bench.destination(), "?").await };
        let request = futures_lite::future::or(async { Err(asked.await) }, async {
            Ok(next::<A>(&mut requests).await)
        });
        let request = request.await.expect("nobody answers");
        kill();
        // Until the broker has noticed, the reply has somewhere to go.
        let mut replied = Ok(());
        for _ in 0..20 {
            replied = client.reply(&request, "!").await;
            if replied.is_err() {
                break;
            }
        }
        let ends = bench.description.behaviour.late_reply_ends_connection;
        match replied {
            Ok(()) | Err(SendError::Rejected(_)) => {}
            Err(SendError::Unknown(Unknown::Lost(_))) if ends => {}
            other => panic!("{other:?}"),
        }
        // Where the connection has ended, the request is no longer ours, and comes again.
        let acknowledged = request.ack();
        assert!(acknowledged.is_ok() || ends, "{acknowledged:?}");
        client.send("/queue/other", "").confirmed().await.expect("the session goes on");
        bench.part(&client).await;
        if !ends {
            assert_empty::<A>(bench).await;
        }
    });
}

/// Whatever the broker keeps: it is back, and so is the subscription, without a word from the program.
fn subscribes_again<A: Adapter>(bench: &mut Bench<'_>) {
    let destination = bench.destination();
    let mut config = bench.config();
    config.brokers.reconnect.max_delay = Duration::from_millis(500);
    run::<A>(async {
        let (client, _kill) = bench.connect::<A>(config).await.unwrap();
        let mut messages = client.subscribe(&destination).await.unwrap();
        let mut notices = client.listen();
        bench.broker.kill().unwrap();
        bench.broker.restart().unwrap();
        connected_again::<A>(&mut notices).await;
        client.send(&destination, "after").confirmed().await.unwrap();
        let message = next::<A>(&mut messages).await;
        assert_eq!(message.body(), b"after");
        message.ack().unwrap();
        bench.part(&client).await;
        assert_empty::<A>(bench).await;
    });
}
