//! Waiting for a state of the broker: woken by it and never by a clock, and readable when it does not come.

use std::{
    future::Future as _,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use futures_lite::future;
use stomp_proto::{Frame, Version};
use stomp_testkit::{
    broker::{Broker, BrokerConfig, send},
    server::{Server, connected, consumers, drained, received},
};

use crate::sockets::Client;

const PATIENCE: Duration = Duration::from_secs(20);

fn server() -> Server {
    Server::start(BrokerConfig::default()).unwrap()
}

#[test]
fn a_thread_waits_for_what_clients_do() {
    let server = server();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = Client::connect(&server, Version::V1_2, "0,0");
            client.say("SUBSCRIBE\nid:0\ndestination:/queue/a\n\n");
            for body in 1..=3 {
                client.say(&format!("SEND\ndestination:/queue/a\n\n{body}"));
            }
            server.wait_for(PATIENCE, drained("/queue/a")).blocking().unwrap();
        });
        server.wait_for(PATIENCE, received("/queue/a", 3)).blocking().unwrap();
    });
    server.wait_for(PATIENCE, connected(0)).blocking().unwrap();
    server.wait_for(PATIENCE, consumers("/queue/a", 0)).blocking().unwrap();
}

#[test]
fn the_longest_time_is_no_mistake() {
    let server = server();
    server.wait_for(Duration::MAX, connected(0)).blocking().unwrap();
    future::block_on(server.wait_for(Duration::MAX, connected(0))).unwrap();
}

#[test]
fn a_task_waits_without_a_runtime() {
    let server = server();
    let mut client = Client::connect(&server, Version::V1_2, "0,0");
    future::block_on(async {
        server.wait_for(PATIENCE, connected(1)).await.unwrap();
        client.say("SUBSCRIBE\nid:0\ndestination:/queue/a\n\n");
        server.wait_for(PATIENCE, consumers("/queue/a", 1)).await.unwrap();
        client.say("SEND\ndestination:/queue/b\n\nx");
        server.wait_for(PATIENCE, |broker| broker.depth("/queue/b") == 1).await.unwrap();
    });
}

/// Nothing but the broker's own clock tells the future that its time is up.
#[test]
fn what_does_not_come_ends_with_the_state_of_the_broker() {
    let server = server();
    let mut client = Client::connect(&server, Version::V1_2, "0,0");
    client.say("SUBSCRIBE\nid:mine\ndestination:/queue/a\nack:client\nprefetch-count:1\nreceipt:1\n\n");
    client.receipt("1");
    server.with(|broker| ["out", "in"].map(|body| broker.publish("/queue/a", body, &[("k", "v")])));
    let brief = Duration::from_millis(20);
    let waited = future::block_on(server.wait_for(brief, received("/queue/a", 3)));
    let error = waited.unwrap_err();
    let expected = "the condition did not hold within 20ms; the broker at the end:\n\
        connection 0: 1.2\n\
        \u{20} subscription \"mine\" of /queue/a, client, 1 unacknowledged of 1\n\
        /queue/a: 2 sent, 1 consumers\n\
        \u{20} waits: \"in\" k:v\n\
        \u{20} with connection 0: \"out\" k:v\n";
    assert_eq!((error.to_string(), format!("{error:?}")), (expected.to_owned(), expected.to_owned()));
    assert!(error.is_timeout());
    let blocked = server.wait_for(brief, received("/queue/a", 3)).blocking();
    assert_eq!(blocked.unwrap_err(), error);
}

#[test]
fn a_server_that_stops_ends_the_wait() {
    let server = server();
    let (waiting, sleeping) =
        (server.wait_for(PATIENCE, connected(1)), server.wait_for(PATIENCE, connected(2)));
    let (asked, entered) = std::sync::mpsc::channel();
    let asking = server.wait_for(PATIENCE, move |_: &Broker| asked.send(()).is_err());
    let ended = thread::scope(|scope| {
        let threads = [scope.spawn(|| asking.blocking()), scope.spawn(|| waiting.blocking())];
        entered.recv().unwrap();
        drop(server.stop());
        threads.map(|thread| thread.join().unwrap())
    });
    let ended = ended.into_iter().chain([future::block_on(sleeping)]);
    for error in ended.map(Result::unwrap_err) {
        assert!(!error.is_timeout() && error.to_string().starts_with("the server was stopped"), "{error}");
    }
}

/// A hundred others who begin to wait are no reason to ask again.
#[test]
fn a_condition_is_asked_when_the_broker_may_have_changed() {
    let server = server();
    let asked = AtomicUsize::new(0);
    let (ask, entered) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let condition = |broker: &Broker| {
            asked.fetch_add(1, Ordering::SeqCst);
            _ = ask.send(());
            broker.depth("/queue/a") == 1
        };
        let waiting = server.wait_for(PATIENCE, condition);
        let waiting = scope.spawn(|| waiting.blocking());
        entered.recv().unwrap();
        let counter = Arc::new(Counter::default());
        let waker = Waker::from(counter.clone());
        for _ in 0..100 {
            let mut other = pin!(server.wait_for(PATIENCE, |_| false));
            assert_eq!(other.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        }
        server.with(|broker| broker.publish("/queue/a", "x", &[]));
        waiting.join().unwrap().unwrap();
        assert_eq!(counter.0.load(Ordering::SeqCst), 0, "futures that were dropped are woken");
    });
    let asked = asked.load(Ordering::SeqCst);
    assert!((2..50).contains(&asked), "asked {asked} times");
}

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_closure_that_calls_the_server_panics_with_a_sentence() {
    let server = server();
    let calls: [&(dyn Fn() + Sync); 4] = [
        &|| server.with(|_| server.close_connections()),
        &|| server.with(|_| server.with(|_| ())),
        &|| server.with(|_| server.wait_for(PATIENCE, |_| true).blocking().unwrap()),
        &|| {
            let condition = |_: &Broker| server.with(|_| true);
            server.wait_for(PATIENCE, condition).blocking().unwrap();
        },
    ];
    for call in calls {
        let panicked = thread::scope(|scope| scope.spawn(call).join()).unwrap_err();
        let words = panicked.downcast_ref::<&str>().copied().map(str::to_owned);
        let words = words.or_else(|| panicked.downcast_ref::<String>().cloned()).unwrap();
        assert!(words.contains("the frame that the closure was given"), "{words}");
    }
    // It harms nobody else.
    server.with(|broker| assert_eq!(broker.depth("/queue/a"), 0));
}

/// A matcher is asked on the thread of the broker. When that ends, whoever waits for it learns so, and why.
#[test]
fn a_matcher_that_calls_the_server_ends_it_with_a_sentence() {
    let server = Arc::new(server());
    let held = Arc::downgrade(&server);
    let condition = move |_: &Frame| held.upgrade().is_none_or(|server| server.with(|_| true));
    server.when(send().that(condition)).ignore();
    let mut client = Client::connect(&server, Version::V1_2, "0,0");
    client.say("SEND\ndestination:/queue/a\n\nx");
    let blocked = server.wait_for(PATIENCE, received("/queue/a", 1)).blocking();
    let awaited = future::block_on(server.wait_for(PATIENCE, received("/queue/a", 1)));
    for error in [blocked, awaited].map(Result::unwrap_err) {
        assert!(!error.is_timeout(), "{error}");
    }
    let server = Arc::into_inner(server).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(server))).unwrap_err();
    let words = panicked.downcast_ref::<&str>().unwrap();
    assert!(words.contains("the frame that the closure was given"), "{words}");
}
