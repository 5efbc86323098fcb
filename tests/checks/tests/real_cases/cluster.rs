//! What only a broker of several nodes does: one of them dies with the queues that live on it, and the others refuse those
//! until it is back.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::IntoFuture as _,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use futures_lite::future::{or, poll_once, zip};
use stomp_session::{
    Config,
    client::{Client, Listener, Notice, Subscription},
};
use stomp_testkit::real::RealBroker;

use super::{Bench, Case, STEP, assert_empty, config, connect_with, part, run_within};
use crate::support::Adapter;

/// All cases. The first node dies in each of them.
pub(crate) fn cases<A: Adapter>() -> [Case; 1] {
    [("kill -9 of the node that holds the queue", &[], home_node::<A>)]
}

/// How long the node is dead before it is started again. It is back after twice that time, or three times on a machine that
/// is busy.
const DEAD: Duration = Duration::from_secs(6);
/// So long after its return everything is as it was, beside the pause between two tries.
const BACK: Duration = Duration::from_secs(15);
/// The pause between two tries doubles until it is that long: it is no longer than the node was away.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Between two messages.
const PAUSE: Duration = Duration::from_millis(100);
/// The first number that is sent after the return.
const LATE: u32 = 1_000_000;

/// Two consumers of a queue that lives on the first node. One is connected to that node; it finds another one, which refuses
/// it ("home node … is down") and ends its connection. The other is connected elsewhere; it is told that its subscription is
/// cancelled, and then refused in the same way. Both wait, and consume again when the node is back.
///
/// The first one also sends. On a node that survives it could not be relied upon: RabbitMQ looks for a queue once for each
/// connection, and then receipts what it can store nowhere.
fn home_node<A: Adapter>(bench: &mut Bench<'_>) {
    let nodes: Vec<_> = (0..bench.description.nodes).map(|node| bench.broker.node_uri(node)).collect();
    let (destination, description) = (bench.destination(), bench.description);
    let reasons = thread::scope(|scope| {
        let (kill, killed) = mpsc::channel();
        let (back, returned) = smol::channel::bounded(1);
        let broker = &mut *bench.broker;
        scope.spawn(move || kill_and_start(&killed, &back, broker));
        let reasons = [(); 2].map(|()| RefCell::default());
        run_within::<A>(8 * STEP, async {
            let (moved, _kill) = connect_with::<A>(failover(&nodes)).await.unwrap();
            let (stayed, _kill) = connect_with::<A>(failover(&nodes[1..])).await.unwrap();
            let (seen, done) = (Seen::default(), Cell::new(false));
            let watching = zip(watch(moved.listen(), &reasons[0]), watch(stayed.listen(), &reasons[1]));
            let mut one = moved.subscribe(&destination).prefetch(20).await.unwrap();
            let mut two = stayed.subscribe(&destination).prefetch(20).await.unwrap();
            let work = async {
                let outage = outage::<A>(&nodes[0], &destination, kill, returned, &seen, &done);
                let (sent, (late, visitor)) = zip(produce(&moved, &destination, &done), outage).await;
                part(description, &visitor).await;
                until(|| (0..sent).chain(LATE..late).all(|number| seen.has(number))).await;
                println!("{} confirmed, all received", sent + late - LATE);
            };
            let consuming = zip(consume(&mut one, 0, &seen), consume(&mut two, 1, &seen));
            or(work, async {
                zip(consuming, watching).await;
            })
            .await;
            part(description, &moved).await;
            part(description, &stayed).await;
        });
        reasons.map(RefCell::into_inner)
    });
    let says = |reasons: &[String], words: &str| reasons.iter().any(|reason| reason.contains(words));
    assert!(says(&reasons[0], "home node"), "why the one that moved waits: {reasons:?}");
    let both = says(&reasons[1], "cancelled") && says(&reasons[1], "home node");
    assert!(both, "why the one that stayed waits: {reasons:?}");
    run_within::<A>(3 * STEP, assert_empty::<A>(bench));
}

/// The nodes in this order, and soon again.
fn failover(nodes: &[String]) -> Config {
    config(&format!("failover:({})?randomize=false&maxReconnectDelay=500", nodes.join(",")))
}

/// Waits until it is told to.
fn kill_and_start(
    killed: &mpsc::Receiver<()>,
    back: &smol::channel::Sender<Instant>,
    broker: &mut RealBroker,
) {
    if killed.recv().is_ok() {
        broker.node(0).kill().unwrap();
        thread::sleep(DEAD);
        broker.node(0).restart().unwrap();
        // Whoever was to hear it may have failed meanwhile.
        let _ = back.try_send(Instant::now());
    }
}

/// The numbers that came: who had them first, and when.
#[derive(Default)]
struct Seen(RefCell<BTreeMap<u32, (usize, Instant)>>);

impl Seen {
    fn note(&self, number: u32, consumer: usize) {
        self.0.borrow_mut().entry(number).or_insert_with(|| (consumer, Instant::now()));
    }

    fn has(&self, number: u32) -> bool {
        self.0.borrow().contains_key(&number)
    }

    /// When that consumer had its first number from there on.
    fn first(&self, consumer: usize, from: u32) -> Option<Instant> {
        let seen = self.0.borrow();
        seen.range(from..).map(|(_, seen)| seen).filter(|seen| seen.0 == consumer).map(|seen| seen.1).min()
    }

    fn both(&self, from: u32) -> bool {
        (0..2).all(|consumer| self.first(consumer, from).is_some())
    }
}

/// Has the node killed when both consume, and measures from its return on how long it takes until both do so again. Returns
/// the number behind the last one that was sent to the node then, and the client that has sent them.
async fn outage<A: Adapter>(
    node: &str,
    destination: &str,
    kill: mpsc::Sender<()>,
    returned: smol::channel::Receiver<Instant>,
    seen: &Seen,
    done: &Cell<bool>,
) -> (u32, Client) {
    assert!(A::within(STEP, until(|| seen.both(0))).await.is_some(), "both consume within {STEP:?}");
    let killed = Instant::now();
    kill.send(()).expect("the broker is there to be killed");
    let started = returned.recv().await.expect("the node comes back");
    let (client, _kill) = connect_with::<A>(config(node)).await.unwrap();
    let mut number = LATE;
    // Its port is open before its queues are there: it is back when it takes a message for this one.
    let mut back = None;
    while !seen.both(LATE) {
        // On a busy machine a heart-beat may be missed.
        client.send(destination, number.to_string()).at_least_once().await.unwrap();
        back.get_or_insert_with(Instant::now);
        number += 1;
        smol::Timer::after(PAUSE).await;
    }
    let back = back.unwrap_or(started);
    let limit = BACK + back.duration_since(killed).min(LONGEST_PAUSE);
    done.set(true);
    let took = [0, 1].map(|consumer| seen.first(consumer, LATE).map(|at| at.duration_since(back)));
    println!("consuming {took:?} after the node's return");
    assert!(took.iter().flatten().all(|took| *took <= limit), "too late: {took:?} after the node's return");
    (number, client)
}

/// Sends numbers all the time, whatever happens, and waits until all are confirmed. How many they were.
async fn produce(client: &Client, destination: &str, done: &Cell<bool>) -> u32 {
    let mut sends = Vec::new();
    while !done.get() {
        let send = client.send(destination, sends.len().to_string()).at_least_once();
        let mut send = send.timeout(6 * STEP).into_future();
        sends.push((poll_once(&mut send).await, send));
        smol::Timer::after(PAUSE).await;
    }
    let mut count = 0;
    for (early, send) in sends {
        let sent = if let Some(sent) = early { sent } else { send.await };
        sent.unwrap_or_else(|error| panic!("{count} is to be confirmed in the end: {error:?}"));
        count += 1;
    }
    count
}

/// For ever: it does not end.
async fn consume(messages: &mut Subscription, consumer: usize, seen: &Seen) {
    loop {
        let Some(message) = messages.next().await else { panic!("it has ended: {:?}", messages.ended()) };
        seen.note(message.text().expect("text").parse().expect("a number"), consumer);
        // Where its connection is lost, it comes again.
        let _ = message.ack();
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        smol::Timer::after(Duration::from_millis(20)).await;
    }
}

/// Why the subscription was sent again, each time. For ever, since it does not end.
async fn watch(mut notices: Listener, reasons: &RefCell<Vec<String>>) {
    while let Some(notice) = notices.next().await {
        match notice {
            Notice::Resubscribing { reason, .. } => reasons.borrow_mut().push(reason.to_string()),
            Notice::SubscriptionEnded { .. } => panic!("{notice:?}"),
            _ => {}
        }
    }
    panic!("the session has ended");
}
