//! Many threads send over one client, in every way, and some of them go away.

use std::{collections::BTreeMap, future::IntoFuture as _, thread};

use futures_lite::future::{block_on, poll_once};
use stomp_session::client::{Client, SendError};
use stomp_testkit::broker::BrokerConfig;

use crate::{
    Bench, Line, QUEUE,
    support::{self, Adapter},
};

const THREADS: u32 = 8;
const EACH: u32 = 300;

/// None is lost, doubled or overtaken by a later one of its thread, and nobody waits for one that went away.
pub(crate) async fn sends_of_many_threads_hold_up_nobody<A: Adapter>(line: Line) {
    let Bench { server, way } = Bench::new(line, BrokerConfig::default());
    let settings = way.settings().outbound_budget(2048);
    let (client, _kill) = support::connect_as::<A>(way.config(), settings).await.unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let client = &client;
            scope.spawn(move || (0..EACH).for_each(|number| block_on(send(client, thread, number))));
        }
    });
    client.disconnect().await.unwrap();
    let mut seen: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for body in server.with(|broker| broker.messages(QUEUE)) {
        let text = String::from_utf8(body.to_vec()).unwrap();
        let (thread, number) = text.trim_end().split_once(' ').unwrap();
        seen.entry(thread.parse().unwrap()).or_default().push(number.parse().unwrap());
    }
    for thread in 0..THREADS {
        let mut numbers = seen.remove(&thread).unwrap();
        assert!(numbers.is_sorted(), "{} {line:?}: thread {thread} sent {numbers:?}", A::NAME);
        // What was given up may have left.
        numbers.retain(|number| way_of(*number) != 3);
        let expected: Vec<_> = (0..EACH).filter(|number| way_of(*number) != 3).collect();
        assert_eq!(numbers, expected, "{} {line:?}: thread {thread}", A::NAME);
    }
}

/// Each thread has publishers of its own, some of which go away in the middle, among single sends.
pub(crate) async fn publishers_of_many_threads_hold_up_nobody<A: Adapter>(line: Line) {
    let Bench { server, way } = Bench::new(line, BrokerConfig::default());
    let settings = way.settings().outbound_budget(2048);
    let (client, _kill) = support::connect_as::<A>(way.config(), settings).await.unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let client = &client;
            scope.spawn(move || block_on(publish(client, thread)));
        }
    });
    client.disconnect().await.unwrap();
    let mut seen: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for body in server.with(|broker| broker.messages(QUEUE)) {
        let text = String::from_utf8(body.to_vec()).unwrap();
        let (name, number) = text.trim_end().rsplit_once(' ').unwrap();
        seen.entry(name.to_owned()).or_default().push(number.parse().unwrap());
    }
    let all: Vec<_> = (0..EACH).collect();
    for thread in 0..THREADS {
        assert_eq!(seen.remove(&format!("{thread} bulk")).as_ref(), Some(&all), "{} {line:?}", A::NAME);
        let half = seen.remove(&format!("{thread} gone")).unwrap_or_default();
        assert_eq!(half, all[..=EACH as usize / 2], "{} {line:?}: what was handed over", A::NAME);
    }
}

async fn publish(client: &Client, thread: u32) {
    let build = || match thread % 2 {
        0 => client.publisher(QUEUE).confirmed().window(16).build().unwrap(),
        _ => client.publisher(QUEUE).build().unwrap(),
    };
    let (mut bulk, mut gone) = (build(), Some(build()));
    for number in 0..EACH {
        let fed = bulk.feed(format!("{thread} bulk {number} {:100}", "")).await;
        assert_eq!(fed, Ok(u64::from(number)));
        if let Some(publisher) = &mut gone {
            publisher.feed(format!("{thread} gone {number} {:100}", "")).await.unwrap();
        }
        if number == EACH / 2 {
            gone = None;
            client.send("/queue/other", "single").confirmed().await.unwrap();
        }
    }
    assert_eq!(bulk.flush().await, Ok(()));
}

const fn way_of(number: u32) -> u32 {
    number % 4
}

async fn send(client: &Client, thread: u32, number: u32) {
    let send = client.send(QUEUE, format!("{thread} {number} {:200}", ""));
    match way_of(number) {
        0 => send.await.unwrap(),
        1 => match send.clone().buffered().await {
            Err(SendError::Full) => send.await.unwrap(),
            sent => sent.unwrap(),
        },
        2 => send.confirmed().await.unwrap(),
        // Its future goes away, wherever it stands.
        _ => drop(poll_once(send.into_future()).await),
    }
}
