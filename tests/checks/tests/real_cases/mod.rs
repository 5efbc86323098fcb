//! What every real broker must do with us, and we with it.

pub(crate) mod answers;
pub(crate) mod application;
pub(crate) mod cluster;
pub(crate) mod crashes;
pub(crate) mod durable;
pub(crate) mod limits;
pub(crate) mod quorum;
mod relaying;
pub(crate) mod seen;
pub(crate) mod sends;
pub(crate) mod tls;
pub(crate) mod traps;
pub(crate) mod web_socket;

use std::time::Duration;

use stomp_session::{
    Brokers, Closed, CommandError, Config, Lost, Profile, Unknown,
    client::{
        Builder, Client, ConnectError, Listener, Message, Notice, SendError, Subscription, TlsConfig,
        WebSocketConfig,
    },
    proto::{AckMode, Version},
};
use stomp_testkit::real::{
    ConnectValues, Description,
    Feature::{self, Keeping, Logins, Persistence, Prefetch, Redelivery, Refusals, Refusing},
    Nack, OnError, RealBroker, User, WebSocket,
};

use crate::support::{Adapter, Kill};

/// Longer than any step takes, even on a busy machine: a case that waits this long for a message or an answer has failed.
pub(crate) const STEP: Duration = Duration::from_secs(90);

/// A broker, and what one case may use of it.
pub(crate) struct Bench<'a> {
    pub(crate) broker: &'a mut RealBroker,
    pub(crate) description: &'a Description,
    pub(crate) version: Version,
    /// How its clients reach the broker over a WebSocket, or `None` if they do not.
    pub(crate) web_socket: Option<WebSocket>,
    /// The name of a queue that nobody else uses.
    pub(crate) queue: String,
}

/// Its name, what the broker must be able to do, and what is done.
pub(crate) type Case = (&'static str, &'static [Feature], fn(&mut Bench<'_>));

/// The cases of every version. The last one kills the broker.
pub(crate) fn cases<A: Adapter>() -> [Case; 12] {
    [
        ("connects", &[], connects::<A>),
        ("refuses a wrong login", &[Logins], refuses_a_wrong_login::<A>),
        ("takes a passcode with a backslash", &[Logins], takes_a_backslash::<A>),
        ("relays headers and a binary body", &[], relaying::relays_headers_and_body::<A>),
        ("acks auto", &[], acks_auto::<A>),
        ("acks client", &[Prefetch], acks_client::<A>),
        ("acks client-individual", &[], acks_individual::<A>),
        ("redelivers after a dropped connection", &[Redelivery], redelivers::<A>),
        ("nacks", &[Refusing], nacks::<A>),
        ("confirms many at once", &[], confirms::<A>),
        ("confirms and rejects", &[Refusals], confirms_and_rejects::<A>),
        ("survives kill -9 of the broker", &[Persistence], survives_a_kill::<A>),
    ]
}

impl Bench<'_> {
    fn uri(&self) -> String {
        if self.web_socket.is_some() { self.broker.web_socket_uri() } else { self.broker.uri() }
    }

    fn config(&self) -> Config {
        let mut config = config(&self.uri());
        config.versions = vec![self.version];
        if self.version == Version::V1_0 && !self.description.behaviour.names_itself_in_1_0 {
            config.profile = Some(self.profile().into());
        }
        config
    }

    /// What the client would know of the broker by the name that it gives itself.
    fn profile(&self) -> Profile {
        Profile::of_name(self.description.profile).unwrap_or(Profile::UNKNOWN)
    }

    fn destination(&self) -> String {
        format!("/queue/{}", self.queue)
    }

    /// Whether messages wait for whoever subscribes to their queue.
    fn keeps(&self) -> bool {
        self.description.behaviour.lacks(Keeping).is_none()
    }

    /// A subscription to which that many numbers come: sent before it where the broker keeps them, and else after.
    async fn subscribed(&self, client: &Client, ack: AckMode, count: u32) -> Subscription {
        let destination = self.destination();
        if self.keeps() {
            send_numbers(client, &destination, count).await;
        }
        let messages = client.subscribe(&destination).ack(ack).await.unwrap();
        if !self.keeps() {
            send_numbers(client, &destination, count).await;
        }
        messages
    }

    /// Has the broker write down which queues there are, if one that is a moment old may be forgotten when it is killed.
    fn write_queues(&self) {
        if let Some(write) = self.description.behaviour.write_queues {
            write(self.broker.layout()).expect("the broker writes down its queues");
        }
    }

    async fn client<A: Adapter>(&self) -> (Client, Kill) {
        self.connect::<A>(self.config()).await.expect("the broker takes us")
    }

    /// A client of that configuration, connected.
    async fn connect<A: Adapter>(&self, config: Config) -> Result<(Client, Kill), ConnectError> {
        connected(start::<A>(config, self.settings(TlsConfig::default()))).await
    }

    /// Disconnects: see [`part`].
    pub(crate) async fn part(&self, client: &Client) {
        part(self.description, client).await;
    }

    /// How the clients of the case are set.
    fn settings(&self, tls: TlsConfig) -> Builder {
        let mut web_socket = WebSocketConfig::default();
        web_socket.message_limit = self.web_socket.and_then(|it| it.message_limit);
        settings(tls).web_socket(web_socket)
    }
}

/// Disconnects. The broker confirms that, or fails in a way that its description knows, and then nothing was open.
pub(crate) async fn part(description: &Description, client: &Client) {
    let mut notices = client.listen();
    let Err(closed) = client.disconnect().await else { return };
    let mut reason = String::new();
    while let Some(notice) = notices.next().await {
        if let Notice::Disconnected { reason: lost, .. } = notice {
            reason = lost.to_string();
        }
    }
    let known = description.behaviour.farewell_failures;
    let is_known = known.iter().any(|words| reason.contains(words));
    let nothing_was_open = matches!(closed, Closed::Disconnected { unreceipted: 0, .. });
    assert!(is_known && nothing_was_open, "{closed:?}: {reason}");
    println!("{}: DISCONNECT was not confirmed: {reason}", description.name);
}

fn config(uri: &str) -> Config {
    Config::new(uri.parse().expect("a URI"))
}

fn run<A: Adapter>(case: impl Future<Output = ()>) {
    run_within::<A>(3 * STEP, case);
}

fn run_within<A: Adapter>(limit: Duration, case: impl Future<Output = ()>) {
    assert!(A::block_on(A::within(limit, case)).is_some(), "it did not end within {limit:?}");
}

/// How the clients of all cases are set.
fn settings(mut tls: TlsConfig) -> Builder {
    tls.handshake_timeout = tls.handshake_timeout.min(STEP);
    Client::builder("tcp://localhost").tls(tls).send_timeout(STEP).subscribe_timeout(STEP)
}

/// A client of that configuration. What it is told is noted.
fn start<A: Adapter>(config: Config, settings: Builder) -> (Client, Kill) {
    let (client, notices, kill) = A::start_heard(config, settings);
    seen::watch(notices);
    (client, kill)
}

/// The same, connected.
async fn connect_with<A: Adapter>(config: Config) -> Result<(Client, Kill), ConnectError> {
    connected(start::<A>(config, settings(TlsConfig::default()))).await
}

/// A smol task that is dropped is cancelled: the handle to kill is kept whatever comes.
async fn connected((client, kill): (Client, Kill)) -> Result<(Client, Kill), ConnectError> {
    client.connected().await?;
    Ok((client, kill))
}

/// Waits until the client is connected again.
async fn connected_again<A: Adapter>(notices: &mut Listener) {
    let connected = async {
        loop {
            match notices.next().await {
                Some(Notice::Connected(_)) => return,
                Some(_) => {}
                None => panic!("the session has ended"),
            }
        }
    };
    assert!(A::within(STEP, connected).await.is_some(), "it did not connect again within {STEP:?}");
}

async fn next<A: Adapter>(messages: &mut Subscription) -> Message {
    let message = A::within(STEP, messages.next()).await;
    let message = message.unwrap_or_else(|| panic!("no message came within {STEP:?}"));
    message.unwrap_or_else(|| panic!("the subscription ended: {:?}", messages.ended()))
}

async fn send_numbers(client: &Client, destination: &str, count: u32) {
    for number in 0..count {
        client.send(destination, number.to_string()).persistent().confirmed().await.expect("a receipt");
    }
}

/// What is left in the queue comes before a message that is sent now.
async fn assert_empty<A: Adapter>(bench: &Bench<'_>) {
    let (client, _kill) = bench.client::<A>().await;
    let destination = bench.destination();
    if bench.keeps() {
        client.send(&destination, "marker").confirmed().await.unwrap();
    }
    let mut messages = client.subscribe(&destination).await.unwrap();
    if !bench.keeps() {
        client.send(&destination, "marker").confirmed().await.unwrap();
    }
    let message = next::<A>(&mut messages).await;
    assert_eq!(message.body(), b"marker", "the queue held more");
    message.ack().unwrap();
    bench.part(&client).await;
}

fn connects<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let connection = client.connection().unwrap();
        assert_eq!(connection.version, bench.version);
        assert_eq!(connection.profile.name, bench.description.profile);
        // 1.0 knows no heart-beats: none is asked for, and where none may be missing they come unasked.
        let agreed = bench.version > Version::V1_0 || connection.profile.unasked_beats;
        assert_eq!(connection.heart_beat.outgoing, if agreed { 10_000 } else { 0 });
        bench.part(&client).await;
        let client = A::connect(&bench.uri()).await.unwrap();
        let newest = bench.description.behaviour.versions.last();
        let version = client.connection().unwrap().version.to_string();
        assert_eq!(Some(&&*version), newest, "the newest of all");
        bench.part(&client).await;
    });
}

fn refuses_a_wrong_login<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        let mut config = bench.config();
        let mut brokers: Brokers = bench.uri().replace("guest:guest", "guest:canary").parse().unwrap();
        // Final, however patient we are told to be.
        brokers.reconnect.startup_max_attempts = None;
        config.brokers = brokers;
        let error = bench.connect::<A>(config).await.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("refused the connection"), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    });
}

fn takes_a_backslash<A: Adapter>(bench: &mut Bench<'_>) {
    // 1.0 has no escapes, and some brokers undo them all the same.
    let unescaped = bench.description.behaviour.connect_values == ConnectValues::Unescaped;
    if unescaped && bench.version == Version::V1_0 {
        return;
    }
    let odd = |user: &&User| user.passcode.contains('\\');
    let user = bench.description.users.iter().find(odd).expect("a user with a backslash");
    run::<A>(async {
        let mut config = bench.config();
        let [endpoint] = &mut config.brokers.endpoints[..] else { panic!("one endpoint") };
        *endpoint = endpoint
            .clone()
            .with_profile(bench.profile())
            .with_login(stomp_session::Login::new(user.login, user.passcode));
        let (client, _kill) = bench.connect::<A>(config).await.expect("the passcode arrives");
        bench.part(&client).await;
    });
}

fn acks_auto<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let mut messages = bench.subscribed(&client, AckMode::Auto, 3).await;
        for number in 0..3 {
            let message = next::<A>(&mut messages).await;
            assert_eq!(message.body(), number.to_string().as_bytes());
            assert_eq!(message.ack(), Err(CommandError::NotAcknowledged));
        }
        // Not dropped: until the broker noticed, it would send the next message into the void.
        // Artemis loses the RECEIPT of a DISCONNECT that comes while it still writes down what it has delivered.
        client.send("/queue/other", "").persistent().confirmed().await.unwrap();
        bench.part(&client).await;
        assert_empty::<A>(bench).await;
    });
}

fn acks_client<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let mut messages = bench.subscribed(&client, AckMode::Client, 3).await;
        let mut last = next::<A>(&mut messages).await;
        for _ in 1..3 {
            last = next::<A>(&mut messages).await;
        }
        last.ack().unwrap();
        bench.part(&client).await;
        assert_empty::<A>(bench).await;
    });
}

fn acks_individual<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let mut messages = bench.subscribed(&client, AckMode::ClientIndividual, 3).await;
        for _ in 0..3 {
            next::<A>(&mut messages).await.ack().unwrap();
        }
        bench.part(&client).await;
        assert_empty::<A>(bench).await;
    });
}

fn redelivers<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        let (client, kill) = bench.client::<A>().await;
        send_numbers(&client, &bench.destination(), 2).await;
        let mut messages = client.subscribe(&bench.destination()).await.unwrap();
        next::<A>(&mut messages).await.ack().unwrap();
        let second = next::<A>(&mut messages).await;
        // The ACK has arrived once something that was sent after it is confirmed.
        client.send("/queue/other", "").confirmed().await.unwrap();
        kill();
        let (client, _kill) = bench.client::<A>().await;
        let mut messages = client.subscribe(&bench.destination()).await.unwrap();
        let again = next::<A>(&mut messages).await;
        assert_eq!(again.body(), second.body());
        let marked = again.header("redelivered").is_some_and(|value| value == "true");
        assert_eq!(marked, bench.description.behaviour.marks_redelivery);
        again.ack().unwrap();
        bench.part(&client).await;
        assert_empty::<A>(bench).await;
    });
}

fn nacks<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        send_numbers(&client, &bench.destination(), 1).await;
        let mut messages = client.subscribe(&bench.destination()).await.unwrap();
        let nacked = next::<A>(&mut messages).await.nack();
        if matches!(bench.description.behaviour.nack, Nack::Destroy) {
            assert!(matches!(nacked, Err(CommandError::NackDiscards { .. })), "{nacked:?}");
            return;
        }
        if bench.version == Version::V1_0 {
            assert!(matches!(nacked, Err(CommandError::Encode(_))), "1.0 has no NACK: {nacked:?}");
            return;
        }
        match bench.description.behaviour.nack {
            Nack::Requeue => {
                nacked.unwrap();
                next::<A>(&mut messages).await.ack().unwrap();
            }
            Nack::DeadLetter(destination) => {
                nacked.unwrap();
                let mut dead = client.subscribe(&destination(&bench.queue)).await.unwrap();
                let message = next::<A>(&mut dead).await;
                assert_eq!(message.body(), b"0");
                message.ack().unwrap();
            }
            Nack::Destroy => unreachable!("it was refused"),
        }
        bench.part(&client).await;
    });
    if bench.version == Version::V1_0 || matches!(bench.description.behaviour.nack, Nack::Destroy) {
        run::<A>(drain::<A>(bench));
    }
}

/// Takes the one message that the case has left.
async fn drain<A: Adapter>(bench: &Bench<'_>) {
    let (client, _kill) = bench.client::<A>().await;
    let mut messages = client.subscribe(&bench.destination()).await.unwrap();
    next::<A>(&mut messages).await.ack().unwrap();
    bench.part(&client).await;
}

fn confirms<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        confirm_50(&client, &bench.destination()).await;
        bench.part(&client).await;
        if !bench.keeps() {
            return;
        }
        let (client, _kill) = bench.client::<A>().await;
        let mut messages = client.subscribe(&bench.destination()).await.unwrap();
        for number in 0..50 {
            let message = next::<A>(&mut messages).await;
            assert_eq!(message.body(), number.to_string().as_bytes());
            message.ack().unwrap();
        }
        bench.part(&client).await;
        assert_empty::<A>(bench).await;
    });
}

/// All of them are handed over before one is confirmed.
async fn confirm_50(client: &Client, destination: &str) {
    let sends = (0..50).map(|number| client.send(destination, number.to_string()).confirmed().into_future());
    for send in sends.collect::<Vec<_>>() {
        send.await.unwrap();
    }
}

fn confirms_and_rejects<A: Adapter>(bench: &mut Bench<'_>) {
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        confirm_50(&client, &bench.destination()).await;
        let behaviour = &bench.description.behaviour;
        let mut notices = client.listen();
        let refused = client.send(behaviour.refused_destination, "").confirmed().await;
        match refused {
            Err(SendError::Rejected(error)) if behaviour.error_names_receipt => {
                assert!(!error.message().is_empty())
            }
            Err(SendError::Unknown(Unknown::Lost(Lost::ServerError(_))))
                if !behaviour.error_names_receipt => {}
            other => panic!("{other:?}"),
        }
        // Whatever becomes of the connection, the session goes on.
        let closes = match behaviour.error {
            OnError::ClosesFrom1_2 => bench.version >= Version::V1_2,
            OnError::ClosesWhenGrave => true,
            OnError::StaysOpen => false,
        };
        if closes {
            connected_again::<A>(&mut notices).await;
        }
        client.send(&bench.destination(), "last").confirmed().await.unwrap();
        let mut messages = client.subscribe(&bench.destination()).await.unwrap();
        for _ in 0..=50 {
            next::<A>(&mut messages).await.ack().unwrap();
        }
        bench.part(&client).await;
        assert_empty::<A>(bench).await;
    });
}

fn survives_a_kill<A: Adapter>(bench: &mut Bench<'_>) {
    let destination = bench.destination();
    let mut config = bench.config();
    config.brokers.reconnect.max_delay = Duration::from_millis(500);
    // The runtime must live while the broker is down: the client is to notice, and to come back by itself.
    run::<A>(async {
        let (client, _kill) = bench.connect::<A>(config).await.unwrap();
        let mut messages = client.subscribe(&destination).await.unwrap();
        send_numbers(&client, &destination, 1).await;
        let before = next::<A>(&mut messages).await;
        bench.write_queues();
        bench.broker.kill().unwrap();
        bench.broker.restart().unwrap();
        // Not acknowledged, and persistent: it comes again.
        let again = next::<A>(&mut messages).await;
        assert_eq!(again.body(), before.body());
        assert!(matches!(before.ack(), Err(CommandError::Stale { .. })), "its connection is dead");
        again.ack().unwrap();
        client.send(&destination, "after").persistent().confirmed().await.unwrap();
        let after = next::<A>(&mut messages).await;
        assert_eq!(after.body(), b"after", "the subscription was replayed");
        after.ack().unwrap();
        bench.part(&client).await;
        assert_empty::<A>(bench).await;
    });
}
