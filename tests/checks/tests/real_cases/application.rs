//! The cases of an application of Spring: what its handlers do, how it is entered, and what its broker does not answer.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use stomp_session::{
    Attempt, Closed, CommandError, Config, Login, Lost, NotSent, Profile, Unknown,
    client::{
        BeginError, Builder, Client, ConnectError, Credentials, Listener, Notice, SendError, SubscribeError,
        Subscription, TlsConfig,
    },
    proto::AckMode,
};
use stomp_testkit::real::{Feature, SPRING_TOKEN};

use super::{
    Bench, Case, STEP, config, connected, connected_again, next, relaying::values, run, settings, start,
};
use crate::support::Adapter;

/// All cases.
pub(crate) fn cases<A: Adapter>() -> [Case; 8] {
    [
        ("a handler answers its user", &[], a_handler_answers::<A>),
        ("a handler that fails tells its user", &[], a_handler_fails::<A>),
        ("SockJS's raw path", &[], raw_path::<A>),
        ("a bearer token in the handshake", &[], bearer_token::<A>),
        ("what is confirmed, and what is refused", &[], confirmations::<A>),
        ("relays headers", &[], relays_headers::<A>),
        ("relays texts and octets of many sizes", &[], relays_sizes::<A>),
        ("closes on what is too large", &[], too_large::<A>),
    ]
}

/// One that is not acknowledged: the simple broker knows no acknowledgements.
async fn subscribe(client: &Client, destination: &str) -> Subscription {
    client.subscribe(destination).ack(AckMode::Auto).await.unwrap()
}

fn a_handler_answers<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(asks::<A>(bench, "/app/echo", "/user/queue/replies", "echo: "));
}

fn a_handler_fails<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(asks::<A>(bench, "/app/fail", "/user/queue/errors", "failed: "));
}

/// Two clients get what is meant for each.
async fn asks<A: Adapter>(bench: &Bench<'_>, destination: &str, answers: &str, prefix: &str) {
    let (first, _kill) = bench.client::<A>().await;
    let (second, _kill) = bench.client::<A>().await;
    let mut answered = [subscribe(&first, answers).await, subscribe(&second, answers).await];
    for (client, name) in [(&first, "first"), (&second, "second"), (&first, "third")] {
        client.send(destination, name).text().await.unwrap();
        let of_second = usize::from(name == "second");
        let message = next::<A>(&mut answered[of_second]).await;
        assert_eq!(message.body(), format!("{prefix}{name}").as_bytes());
        assert_eq!(message.header("destination").unwrap(), answers);
    }
    for client in [first, second] {
        bench.part(&client).await;
    }
}

fn raw_path<A: Adapter>(bench: &mut Bench<'_>) {
    let uri = bench.uri().replace("/ws", "/sockjs/websocket");
    run::<A>(async {
        let (client, _kill) = bench.connect::<A>(config(&uri)).await.unwrap();
        let destination = format!("/topic/{}", bench.queue);
        let mut messages = subscribe(&client, &destination).await;
        client.send(&destination, "through").await.unwrap();
        assert_eq!(next::<A>(&mut messages).await.body(), b"through");
        bench.part(&client).await;
        // What is not its raw path is no WebSocket.
        let error = bench.connect::<A>(config(&uri.replace("/websocket", ""))).await.map(drop).unwrap_err();
        assert!(error.to_string().contains("HTTP 400"), "{error}");
    });
}

/// Each attempt asks for a token. One that is refused ends the first dial; one that has been accepted is asked for anew.
fn bearer_token<A: Adapter>(bench: &mut Bench<'_>) {
    let uri = bench.uri().replace("/ws", "/guarded");
    let asked = Arc::new(Mutex::new(0));
    let client = |token: &'static str| {
        let count = Arc::clone(&asked);
        let credentials = Credentials::new(move |_: Attempt| {
            *count.lock().unwrap() += 1;
            let header = format!("Bearer {token}");
            async move { Ok::<_, std::io::Error>(Login::unnamed().with_handshake_header("authorization", header)) }
        });
        start::<A>(config(&uri), bench.settings(TlsConfig::default()).credentials(credentials))
    };
    run::<A>(async {
        let refused = connected(client("canary-token")).await.map(drop).unwrap_err();
        let ConnectError::Closed(Closed::GaveUp { last, .. }) = &refused else { panic!("{refused:?}") };
        assert!(matches!(last, Lost::LoginRefused(_)), "{refused:?}");
        assert!(!format!("{refused} {refused:?}").contains("canary"), "{refused}");
        assert_eq!(*asked.lock().unwrap(), 1, "it is final");
        let (client, _kill) = connected(client(SPRING_TOKEN)).await.unwrap();
        client.reconnect("another token").await.unwrap();
        assert_eq!(*asked.lock().unwrap(), 3);
        bench.part(&client).await;
    });
}

/// Where there are no RECEIPTs, the profile says so at once. Without the profile the time for them is over in the end.
fn confirmations<A: Adapter>(bench: &mut Bench<'_>) {
    let no_receipts = bench.description.behaviour.lacks(Feature::Receipts).is_some();
    let destination = format!("/topic/{}", bench.queue);
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let confirmed = client.send(&destination, "x").confirmed().await;
        let kept = client.send(&destination, "x").at_least_once().await;
        let transaction = client.begin().await;
        if no_receipts {
            let refused = CommandError::NoReceipts { broker: "Spring" };
            assert_eq!(confirmed, Err(SendError::Command(refused.clone())));
            assert_eq!(kept, Err(SendError::NotSent(NotSent::Unwritable(refused.clone()))));
            assert_eq!(transaction.map(drop), Err(BeginError::Command(refused)));
            let (client, kill) = connected(start::<A>(bare(bench), impatient())).await.unwrap();
            let subscribed = client.subscribe(&destination).await.map(drop);
            assert_eq!(subscribed, Err(SubscribeError::Timeout(SOON)));
            let sent = client.send(&destination, "x").confirmed().timeout(SOON).await;
            assert_eq!(sent, Err(SendError::Unknown(Unknown::Timeout(SOON))));
            // Its DISCONNECT would wait for the RECEIPT of the SUBSCRIBE.
            kill();
        } else {
            confirmed.unwrap();
            kept.unwrap();
            transaction.unwrap().commit().await.unwrap();
        }
        bench.part(&client).await;
    });
}

/// As long as one must wait for what does not come.
const SOON: Duration = Duration::from_secs(1);

fn impatient() -> Builder {
    settings(TlsConfig::default()).subscribe_timeout(SOON)
}

/// A client that knows nothing of the broker.
fn bare(bench: &Bench<'_>) -> Config {
    let uri = bench.uri();
    let mut config = config(uri.split('?').next().expect("there is one"));
    config.profile = Some(Profile::UNKNOWN.into());
    config
}

fn relays_headers<A: Adapter>(bench: &mut Bench<'_>) {
    let destination = format!("/topic/{}", bench.queue);
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let mut messages = subscribe(&client, &destination).await;
        let headers = values(bench.version);
        let send = headers
            .iter()
            .fold(client.send(&destination, "x"), |send, (name, value)| send.header(name, value));
        send.await.unwrap();
        let message = next::<A>(&mut messages).await;
        for (name, value) in headers {
            assert_eq!(message.header(name).unwrap(), value, "{name}");
        }
        bench.part(&client).await;
    });
}

/// Most are larger than what is read as one message, and none than a frame may be.
const SIZES: [usize; 8] = [0, 1, 125, 8000, 8192, 8193, 20_000, 64_000];

fn relays_sizes<A: Adapter>(bench: &mut Bench<'_>) {
    let destination = format!("/topic/{}", bench.queue);
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let mut messages = subscribe(&client, &destination).await;
        for size in SIZES {
            let text = "€".repeat(size / 3);
            client.send(&destination, text.clone()).await.unwrap();
            assert!(next::<A>(&mut messages).await.body() == text.as_bytes(), "{size}");
            let octets: Vec<u8> = (0..=255).cycle().take(size).collect();
            let send = client.send(&destination, octets.clone());
            send.header("content-type", "application/octet-stream").await.unwrap();
            assert!(next::<A>(&mut messages).await.body() == octets, "{size}");
        }
        bench.part(&client).await;
    });
}

/// What a profile, or a setting, would have kept from being sent costs the connection: each time with the reason.
fn too_large<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        let (client, _kill) =
            connected(start::<A>(bare(bench), settings(TlsConfig::default()))).await.unwrap();
        let lost = lost_by::<A>(&client, 9000).await;
        let Lost::Io(failure) = &lost else { panic!("{lost:?}") };
        assert_eq!(failure.code(), Some(1009), "{failure}");
        bench.part(&client).await;
        let (client, _kill) =
            connected(start::<A>(bare(bench), bench.settings(TlsConfig::default()))).await.unwrap();
        let lost = lost_by::<A>(&client, 70_000).await;
        let Lost::ServerError(error) = &lost else { panic!("{lost:?}") };
        assert!(error.message().contains("limit"), "{error}");
        bench.part(&client).await;
    });
}

/// Why the connection ended with that message. There is another one then.
async fn lost_by<A: Adapter>(client: &Client, octets: usize) -> Lost {
    let mut notices = client.listen();
    client.send("/topic/large", "x".repeat(octets)).await.unwrap();
    let lost = A::within(STEP, lost(&mut notices)).await.expect("the connection is closed");
    connected_again::<A>(&mut notices).await;
    lost
}

async fn lost(notices: &mut Listener) -> Lost {
    loop {
        match notices.next().await {
            Some(Notice::Disconnected { reason, .. }) => return reason,
            Some(_) => {}
            None => panic!("the session has ended"),
        }
    }
}
