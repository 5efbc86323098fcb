//! Quorum queues: what counts as a delivery of a message, and that it is not destroyed by programs which come and go in good order.

use std::collections::BTreeSet;

use stomp_session::client::{Client, Subscription};
use stomp_testkit::real::{
    Feature::{FreeReturns, QuorumQueues},
    Quorum,
};

use super::{Bench, Case, next, run};
use crate::support::Adapter;

/// All cases.
pub(crate) fn cases<A: Adapter>() -> [Case; 4] {
    [
        ("a quorum queue and restarts", &[QuorumQueues], restarts::<A>),
        ("a quorum queue and restarts with a large prefetch", &[FreeReturns], large_prefetch::<A>),
        ("a quorum queue and unsubscribes", &[QuorumQueues], unsubscribes::<A>),
        ("a quorum queue and moves", &[QuorumQueues], moves::<A>),
    ]
}

/// How a program comes and goes.
#[derive(Clone, Copy, Debug)]
struct Program {
    /// The default, if none is said.
    prefetch: Option<u32>,
    unsubscribes: bool,
}

/// As many messages as a large prefetch, and more than are taken.
const MESSAGES: u32 = 150;
/// Five times as often as a message is delivered at most.
const RUNS: u32 = 100;

fn restarts<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(come_and_go::<A>(bench, Program { prefetch: None, unsubscribes: false }));
    run::<A>(come_and_go::<A>(bench, Program { prefetch: Some(10), unsubscribes: false }));
}

fn large_prefetch<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(come_and_go::<A>(bench, Program { prefetch: Some(50), unsubscribes: false }));
}

fn unsubscribes<A: Adapter>(bench: &mut Bench<'_>) {
    let prefetch = if returns_are_free(bench) { 50 } else { 1 };
    run::<A>(come_and_go::<A>(bench, Program { prefetch: Some(prefetch), unsubscribes: true }));
}

/// One program, which goes to another connection each time.
fn moves<A: Adapter>(bench: &mut Bench<'_>) {
    let prefetch = if returns_are_free(bench) { 50 } else { 1 };
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let destination = fill(bench, &client, "moves").await;
        let mut seen = BTreeSet::new();
        let mut messages = subscribe(bench, &client, &destination, Some(prefetch)).await;
        for _ in 0..RUNS {
            take::<A>(&mut messages, &mut seen).await;
            client.reconnect("once more").await.unwrap();
        }
        take_all::<A>(messages, seen).await;
        bench.part(&client).await;
    });
}

/// Each takes one message, the rest of its prefetch goes back. All of them are there in the end.
async fn come_and_go<A: Adapter>(bench: &Bench<'_>, program: Program) {
    let (client, _kill) = bench.client::<A>().await;
    let destination = fill(bench, &client, &format!("{:?}", program.prefetch)).await;
    bench.part(&client).await;
    let mut seen = BTreeSet::new();
    for _ in 0..RUNS {
        let (client, _kill) = bench.client::<A>().await;
        let mut messages = subscribe(bench, &client, &destination, program.prefetch).await;
        take::<A>(&mut messages, &mut seen).await;
        if program.unsubscribes {
            messages.unsubscribe().await.unwrap();
        }
        bench.part(&client).await;
    }
    let (client, _kill) = bench.client::<A>().await;
    let messages = subscribe(bench, &client, &destination, None).await;
    take_all::<A>(messages, seen).await;
    bench.part(&client).await;
}

/// Takes the rest, which comes as long as nothing was destroyed.
async fn take_all<A: Adapter>(mut messages: Subscription, mut seen: BTreeSet<u32>) {
    while seen.len() < MESSAGES as usize {
        take::<A>(&mut messages, &mut seen).await;
    }
}

async fn take<A: Adapter>(messages: &mut Subscription, seen: &mut BTreeSet<u32>) {
    let message = next::<A>(messages).await;
    let number = message.text().expect("a number").parse().expect("a number");
    assert!(seen.insert(number), "{number} was acknowledged, and came again");
    message.ack_confirmed().await.unwrap();
}

/// A quorum queue with all messages.
async fn fill(bench: &Bench<'_>, client: &Client, name: &str) -> String {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let destination = format!("{}-{name}", bench.destination());
    for number in 0..MESSAGES {
        let send = client.send(&destination, number.to_string()).persistent();
        let headers = quorum(bench).headers.iter();
        let send = headers.fold(send, |send, (name, value)| send.header(name, value));
        send.confirmed().await.expect("a receipt");
    }
    destination
}

async fn subscribe(
    bench: &Bench<'_>,
    client: &Client,
    destination: &str,
    prefetch: Option<u32>,
) -> Subscription {
    let subscribe = client.subscribe(destination);
    let headers = quorum(bench).headers.iter();
    let subscribe = headers.fold(subscribe, |subscribe, (name, value)| subscribe.header(name, value));
    prefetch.into_iter().fold(subscribe, |subscribe, prefetch| subscribe.prefetch(prefetch)).await.unwrap()
}

fn quorum(bench: &Bench<'_>) -> Quorum {
    bench.description.behaviour.quorum.expect("the description says what its quorum queues are like")
}

fn returns_are_free(bench: &Bench<'_>) -> bool {
    bench.description.behaviour.lacks(FreeReturns).is_none()
}
