//! Who lives: each draws what it does from a seed of its own.

use std::{collections::BTreeMap, future::IntoFuture as _, time::Duration};

use stomp_checks::sim::{Door, Ending, Random, World};
use stomp_session::client::{
    Client, Delivery, Forward, Message, OnFailure, PublishError, Publisher, RequestError, SendBuilder,
    SendError,
};

use super::ledger::Ledger;
use crate::kit::{poll_times, seconds};

pub(super) const QUEUE: &str = "/queue/a";
pub(super) const ERRORS: &str = "/queue/errors";
const ANSWERED: &str = "/queue/answered";

/// What everybody has.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) client: Client,
    pub(super) world: World,
    pub(super) ledger: Ledger,
    /// Whether the broker undoes what was acknowledged in a transaction that was aborted.
    pub(super) undoes_acks: bool,
}

impl Life {
    fn send(&self, body: &str, random: &mut Random) -> SendBuilder {
        let timeout = seconds(random.within(&(1..=30)) as u64);
        self.client.send(QUEUE, body.to_owned()).persistent().timeout(timeout)
    }

    async fn pause(&self, random: &mut Random, most: usize) {
        self.world.sleep(Duration::from_millis(random.below(most) as u64)).await;
    }
}

pub(super) async fn sender(life: Life, name: usize, mut random: Random) {
    for number in 0..random.within(&(1..=12)) {
        let body = format!("{name}-{number}{}", "x".repeat(random.below(300)));
        let send = life.send(&body, &mut random);
        let polls = random.below(5);
        let outcome = match random.below(10) {
            0 => {
                drop(if random.once_in(2) { send.buffered().await } else { send.await });
                None
            }
            1 => poll_times(polls, send.immediate().confirmed().into_future()).await,
            2 => poll_times(polls, send.confirmed().into_future()).await,
            3 => poll_times(polls, send.at_least_once().into_future()).await,
            4 | 5 => Some(send.at_least_once().await),
            6 => Some(send.ordered().await),
            _ => Some(send.confirmed().await),
        };
        if let Some(outcome) = outcome {
            life.ledger.sent(body, &outcome);
        }
        life.pause(&mut random, 500).await;
    }
}

pub(super) async fn trader(life: Life, mut random: Random) {
    for round in 0..random.below(6) {
        let polls = random.below(4);
        let begun = match random.once_in(6) {
            true => poll_times(polls, life.client.begin()).await,
            false => Some(life.client.begin().await),
        };
        let Some(Ok(transaction)) = begun else { continue };
        let mut bodies = Vec::new();
        for number in 0..random.below(5) {
            let body = format!("transaction-{round}-{number}");
            let send = transaction.send(QUEUE, body.clone()).persistent();
            if send.await.is_ok() {
                bodies.push(body);
            }
            life.pause(&mut random, 50).await;
        }
        match random.below(6) {
            0 => {
                drop(transaction);
                life.ledger.aborted(bodies);
            }
            1 => {
                transaction.abort();
                life.ledger.aborted(bodies);
            }
            2 => {
                if let Some(outcome) = poll_times(polls, transaction.commit()).await {
                    life.ledger.committed(bodies, &outcome);
                }
            }
            _ => life.ledger.committed(bodies, &transaction.commit().await),
        }
        life.pause(&mut random, 2000).await;
    }
}

/// Publishes in bulk, some of it given up half-way. What is known of each message is known by its number.
pub(super) async fn publisher(life: Life, name: usize, mut random: Random) {
    let timeout = seconds(random.within(&(1..=30)) as u64);
    let builder = life.client.publisher(QUEUE).persistent().timeout(timeout).window(random.within(&(1..=12)));
    let (mut publisher, settles) = match random.below(4) {
        0 => (builder.build().unwrap(), false),
        1 => (builder.at_least_once().build().unwrap(), true),
        _ => (builder.confirmed().build().unwrap(), true),
    };
    let (mut bodies, mut failed, mut reported) = (BTreeMap::new(), BTreeMap::new(), 0);
    for number in 0..random.within(&(1..=40)) {
        let body = format!("bulk-{name}-{number}{}", "x".repeat(random.below(300)));
        let before = publisher.next_number();
        let polls = random.below(4);
        let fed = match random.once_in(5) {
            true => poll_times(polls, publisher.feed(body.clone())).await,
            false => Some(publisher.feed(body.clone()).await),
        };
        // One that was given up was handed over or was not: the number tells.
        let is_fed = publisher.next_number() == before + 1;
        assert!(is_fed || publisher.next_number() == before, "one message, one number");
        if let Some(fed) = &fed {
            assert_eq!(fed.clone().ok(), is_fed.then_some(before));
        }
        match is_fed {
            true => _ = bodies.insert(before, body),
            false => life.ledger.sent(body, &Err(SendError::Full)),
        }
        let flushed = match random.below(12) {
            0 => poll_times(polls, publisher.flush()).await,
            1 => Some(publisher.flush().await),
            _ => None,
        };
        reported += unconfirmed(flushed);
        let is_full = matches!(fed, Some(Err(SendError::OutcomesUntaken(_))));
        if is_full || random.once_in(10) {
            take_failed(&mut publisher, &mut failed);
        }
        if random.once_in(4) {
            life.pause(&mut random, 300).await;
        }
    }
    if random.once_in(4) || !settles {
        return;
    }
    reported += unconfirmed(Some(publisher.flush().await));
    take_failed(&mut publisher, &mut failed);
    assert_eq!(failed.len() as u64, reported, "each that was not confirmed is reported once");
    assert_eq!(publisher.first_unsettled(), publisher.next_number(), "each has its outcome");
    assert_eq!(bodies.len() as u64, publisher.next_number());
    for (number, body) in bodies {
        life.ledger.sent(body, &failed.remove(&number).map_or(Ok(()), Err));
    }
    assert!(failed.is_empty(), "outcomes of nothing: {failed:?}");
}

fn unconfirmed(flushed: Option<Result<(), PublishError>>) -> u64 {
    match flushed {
        Some(Err(PublishError::Unconfirmed { count } | PublishError::Unsent { count })) => count,
        Some(Err(error)) => panic!("nothing waits for room: {error}"),
        Some(Ok(())) | None => 0,
    }
}

fn take_failed(publisher: &mut Publisher, failed: &mut BTreeMap<u64, SendError>) {
    for (number, error) in publisher.take_unconfirmed() {
        assert!(number < publisher.next_number());
        assert_eq!(failed.insert(number, error), None, "message {number} has two outcomes");
    }
}

/// Takes messages as a stream, and acknowledges them, some in a transaction.
pub(super) async fn stream(life: Life, mut random: Random) {
    loop {
        let subscribing = life.client.subscribe(QUEUE).prefetch(5).into_future();
        let polls = random.below(4);
        let subscribed = match random.once_in(4) {
            true => poll_times(polls, subscribing).await,
            false => Some(subscribing.await),
        };
        let Some(subscribed) = subscribed else { continue };
        let Ok(mut messages) = subscribed else { return };
        let mut left = random.within(&(1..=40));
        while left > 0 {
            left -= 1;
            if random.once_in(8) {
                let Some(taken) = poll_times(1 + polls, messages.next()).await else { continue };
                let Some(message) = taken else { break };
                life.ledger.saw(&message);
                continue;
            }
            let Some(message) = messages.next().await else { break };
            life.ledger.saw(&message);
            match random.once_in(4) {
                true => relay(&life, message, &mut random).await,
                false => {
                    life.ledger.handled(&message);
                    let _ = message.ack();
                }
            }
        }
    }
}

/// Acknowledges in a transaction, that ends in one way or another.
async fn relay(life: &Life, message: Message, random: &mut Random) {
    let Ok(transaction) = life.client.begin().timeout(seconds(5)).await else { return };
    let commits = random.below(3) > 0;
    // What becomes of it is not known before the end, and may never be.
    if commits || !life.undoes_acks {
        life.ledger.handled(&message);
    }
    if transaction.ack(message).is_ok() && commits {
        let _ = transaction.commit().await;
    }
}

pub(super) async fn runner(life: Life, mut random: Random) {
    let limit = random.within(&(1..=4));
    let policies = [
        OnFailure::Stop,
        OnFailure::Requeue,
        OnFailure::DeadLetter,
        OnFailure::Discard,
        OnFailure::Acknowledge,
        OnFailure::Forward(Forward::to(ERRORS)),
    ];
    while let Ok(messages) = life.client.subscribe(QUEUE).prefetch(8).await {
        let handler = |message: Delivery| {
            let pause = life.world.sleep(Duration::from_millis(random.below(200) as u64));
            let (fails, ledger) = (random.once_in(5), life.ledger.clone());
            async move {
                ledger.saw(&message);
                pause.await;
                assert!(!fails || message.body().len().is_multiple_of(2), "one in ten panics");
                if fails {
                    return Err("one in ten fails");
                }
                ledger.handled(&message);
                Ok(())
            }
        };
        let policy =
            policies.get(life.world.trace_hash() as usize % policies.len()).cloned().unwrap_or_default();
        let ledger = life.ledger.clone();
        let decide = move |message: &Message, _: &_| {
            if matches!(policy, OnFailure::Discard | OnFailure::Acknowledge | OnFailure::DeadLetter) {
                ledger.handled(message);
            }
            policy.clone()
        };
        let stop = life.world.sleep(seconds(20));
        let _ = messages.handle_with(handler).concurrency(limit).decide_failure(decide).until(stop).await;
    }
}

pub(super) async fn watcher(client: Client, mut random: Random) {
    let mut listener = if random.once_in(2) { client.trace() } else { client.listen() };
    let mut left = random.below(400);
    while left > 0 && listener.next().await.is_some() {
        left -= 1;
    }
    let mut states = client.watch();
    drop(client);
    while states.next().await.is_some() {}
}

/// Answers with what it was asked, until its own client disconnects.
pub(super) async fn answerer(client: Client) {
    while let Ok(requests) = client.subscribe(ANSWERED).await {
        let answer = async |request: Delivery| {
            let _ = client.reply(&request, Vec::from(request.body())).timeout(seconds(5)).await;
            Ok::<_, String>(())
        };
        let _ = requests.handle_with(answer).concurrency(3).await;
    }
}

pub(super) async fn requester(life: Life, mut random: Random) {
    for number in 0..random.below(6) {
        let question = format!("question-{number}");
        let request = life.client.request(ANSWERED, question.clone()).timeout(seconds(8)).into_future();
        let polls = random.below(12) + 1;
        let reply = match random.once_in(3) {
            true => poll_times(polls, request).await,
            false => Some(request.await),
        };
        match reply {
            Some(Ok(reply)) => assert_eq!(reply.body(), question.as_bytes(), "each has its own reply"),
            Some(Err(RequestError::Closed(_))) => return,
            _ => {}
        }
        life.pause(&mut random, 1500).await;
    }
}

pub(super) async fn mishaps(world: World, mut random: Random) {
    for _ in 0..random.below(8) {
        world.sleep(Duration::from_millis(random.below(3000) as u64)).await;
        match random.below(8) {
            0 => world.cut("broker", Ending::Reset),
            1 => world.cut("broker", Ending::Eof),
            2 => world.half_close("broker"),
            3 => world.set_reading("broker", false),
            4 => world.set_door("broker", Door::Refusing),
            5 => world.cut_upward("broker", random.below(900) as u64, Ending::Reset),
            6 => {
                world.broker("broker", |broker| broker.crash());
                world.cut("broker", Ending::Reset);
            }
            _ => world.set_frozen("broker", true),
        }
        world.sleep(Duration::from_millis(random.below(9000) as u64)).await;
        world.set_reading("broker", true);
        world.set_door("broker", Door::Open);
        world.set_frozen("broker", false);
    }
}
