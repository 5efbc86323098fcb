//! Request and reply.

use std::future::IntoFuture as _;

use stomp_checks::sim::{Ending, Sim, Weather, World};
use stomp_proto::Command;
use stomp_session::{
    CommandError,
    client::{Client, Delivery, RequestError, SendError, SubscribeError},
};
use stomp_testkit::broker::{BrokerConfig, Denial};

use crate::kit::{config, poll_once, poll_times, seconds, seeds, settings};

/// Answers requests with their body twice, on a client of its own.
fn answerer(sim: &Sim) -> Client {
    let client = sim.client(config(), settings());
    let answering = client.clone();
    drop(sim.spawn(async move {
        let requests = answering.subscribe("/queue/double").await.unwrap();
        let answer = async |request: Delivery| {
            let body = [request.body(), request.body()].concat();
            answering.reply(&request, body).await
        };
        let _ = requests.handle_with(answer).concurrency(10).await;
    }));
    client
}

#[test]
fn each_request_gets_its_own_reply() {
    for broker in [BrokerConfig::activemq(), BrokerConfig::artemis(), BrokerConfig::default()] {
        let sim = Sim::new(4);
        sim.add_broker("broker", broker.recording());
        let mut sim = sim;
        let _answerer = answerer(&sim);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            let requests: Vec<_> = (0..20)
                .map(|number| {
                    world.spawn(client.request("/queue/double", format!("{number} ")).into_future())
                })
                .collect();
            for (number, request) in requests.into_iter().enumerate() {
                let reply = request.await.unwrap();
                assert_eq!(reply.body(), format!("{number} {number} ").as_bytes());
            }
        });
        let subscribes = world.broker("broker", |broker| {
            let frames = broker.received().flat_map(|(_, frames)| frames);
            frames.filter(|frame| frame.command() == Command::Subscribe).count()
        });
        assert_eq!(subscribes, 2, "one queue for all replies");
    }
}

/// RabbitMQ delivers replies under an id that nobody has subscribed.
#[test]
fn replies_that_were_never_subscribed() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    sim.add_broker("broker", BrokerConfig::rabbitmq().recording());
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        let request = world.spawn(client.request("/queue/nobody", "x").into_future());
        world.sleep(seconds(1)).await;
        let sent =
            world.broker("broker", |broker| broker.received().last().unwrap().1.last().unwrap().clone());
        let (queue, id) = (sent.header("reply-to").unwrap(), sent.header("correlation-id").unwrap());
        assert!(queue.to_string().starts_with("/temp-queue/"));
        let reply = format!(
            "MESSAGE\nsubscription:{queue}\nmessage-id:1\ndestination:{queue}\ncorrelation-id:{id}\n\nyes\0"
        );
        world.broker("broker", |broker| broker.send_octets(broker.connections()[0], reply.as_bytes()));
        assert_eq!(request.await.unwrap().body(), b"yes");
        client.disconnect().await.unwrap();
    });
    let commands: Vec<_> = world.broker("broker", |broker| {
        broker.received().flat_map(|(_, frames)| frames.iter().map(stomp_proto::Frame::command)).collect()
    });
    assert_eq!(commands, [Command::Connect, Command::Send, Command::Disconnect]);
}

#[test]
fn a_request_ends_in_time_or_with_its_connection() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            let error = client.request("/queue/nobody", "x").timeout(seconds(5)).await.unwrap_err();
            assert_eq!(error, RequestError::Timeout(seconds(5)), "seed {seed}");
            let request = world.spawn(client.request("/queue/nobody", "x").into_future());
            world.sleep(seconds(10)).await;
            world.cut("broker", Ending::Reset);
            let error = request.await.unwrap_err();
            assert!(matches!(error, RequestError::Lost(_)), "seed {seed}: {error}");
            let request = world.spawn(client.request("/queue/nobody", "x").into_future());
            world.sleep(seconds(10)).await;
            client.disconnect().await.unwrap();
            assert!(matches!(request.await, Err(RequestError::Lost(_))), "seed {seed}");
            assert!(matches!(client.request("/queue/a", "x").await, Err(RequestError::Closed(_))));
        });
    }
}

/// Requests of a handler behind its own full inbox: the replies stand behind the messages, and are read nevertheless.
#[test]
fn replies_behind_messages_are_read() {
    for seed in seeds(5) {
        let mut sim = Sim::new(seed);
        let _answerer = answerer(&sim);
        let settings = settings().inbound_budget(16 * 1024);
        let client = sim.client(config(), settings);
        let world = sim.world();
        for _ in 0..40 {
            world.broker("broker", |broker| broker.publish("/queue/work", "x".repeat(2000), &[]));
        }
        sim.block_on(async {
            let mut work = client.subscribe("/queue/work").prefetch(100).await.unwrap();
            for _ in 0..40 {
                let message = work.next().await.unwrap();
                client.request("/queue/double", "x").timeout(seconds(20)).await.unwrap();
                message.ack().unwrap();
            }
        });
    }
}

/// Nobody takes the messages before it: there is a bound.
#[test]
fn a_reply_behind_too_many_messages_is_given_up() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let settings = settings().inbound_budget(4 * 1024);
    let client = sim.client(config(), settings);
    let world = sim.world();
    sim.block_on(async {
        let mut work = client.subscribe("/queue/work").prefetch(1000).await.unwrap();
        let mut request = client.request("/queue/nobody", "x").into_future();
        assert!(poll_once(&mut request).await.is_pending());
        world.sleep(seconds(1)).await;
        for _ in 0..100 {
            world.broker("broker", |broker| broker.publish("/queue/work", "x".repeat(1000), &[]));
        }
        let error = request.await.unwrap_err();
        assert!(matches!(error, RequestError::InboxFull { octets: 32_768.. }), "{error}");
        for _ in 0..100 {
            work.next().await.unwrap().ack().unwrap();
        }
    });
}

/// The broker refuses the queue of replies: whoever waits is told at once, and the next request tries again.
#[test]
fn a_queue_of_replies_that_is_refused_is_made_anew() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    sim.add_broker("broker", BrokerConfig::activemq());
    let _answerer = answerer(&sim);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        world.sleep(seconds(1)).await;
        let denial = Denial::of(Command::Subscribe).saying("not allowed", "you may not");
        let denial = world.broker("broker", |broker| broker.deny(denial));
        for _ in 0..2 {
            let request = client.request("/queue/double", "x").timeout(seconds(20));
            let error = request.await.unwrap_err();
            assert!(matches!(error, RequestError::Subscribe(SubscribeError::Ended(_))), "{error}");
        }
        world.broker("broker", |broker| broker.lift(denial));
        assert_eq!(client.request("/queue/double", "x").await.unwrap().body(), b"xx");
    });
}

/// What the broker says against the request is told at once; what it says against a reply ends only the reply.
#[test]
fn rejections_name_the_one_they_mean() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    sim.add_broker("broker", BrokerConfig::activemq());
    let client = sim.client(config(), settings());
    sim.block_on(async {
        let error = client.request("", "x").await.unwrap_err();
        assert_eq!(error, RequestError::Send(SendError::Command(CommandError::NoDestination)));
        let mut requests = client.subscribe("/queue/a").await.unwrap();
        client.send("/queue/a", "no reply-to").await.unwrap();
        let request = requests.next().await.unwrap();
        let error = client.reply(&request, "x").await.unwrap_err();
        assert_eq!(error, SendError::Command(CommandError::NoDestination));
        request.ack().unwrap();
    });
}

/// Dropped after any number of polls a request leaves a client that works, and its late reply harms nobody.
#[test]
fn requests_are_cancel_safe() {
    for polls in 0..12 {
        for seed in seeds(6) {
            let mut sim = Sim::new(seed);
            let _answerer = answerer(&sim);
            let client = sim.client(config(), settings());
            let world = sim.world();
            sim.block_on(async {
                poll_times(polls, client.request("/queue/double", "gone").into_future()).await;
                check(&client, &world).await;
            });
        }
    }
}

async fn check(client: &Client, world: &World) {
    let mut request = client.request("/queue/double", "x").into_future();
    drop(poll_once(&mut request).await);
    world.sleep(seconds(1)).await;
    assert_eq!(request.await.unwrap().body(), b"xx");
    client.disconnect().await.unwrap();
}
