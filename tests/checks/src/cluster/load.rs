//! The load: producers that send numbers at least once, and consumers that acknowledge each.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use stomp_session::client::{Client, Listener, Notice};
use stomp_tokio::Connect as _;
use tokio::{runtime::Runtime, task::JoinHandle};

use super::{diary::Diary, kind::Kind, lan::Line, ledger::Ledger, probe, running::Cluster};

/// How many producers there are.
pub(super) const PRODUCERS: usize = 20;
/// How many consumers there are.
pub(super) const CONSUMERS: usize = 21;
/// Between a confirmation and the next message of a producer.
const PAUSE: Duration = Duration::from_millis(100);
/// Those who reach the nodes through a network of their own: a producer and a consumer.
pub(super) const VICTIMS: [usize; 2] = [0, PRODUCERS];

/// Clients at work. Dropping it ends them without a word.
#[derive(Debug)]
pub(super) struct Load {
    clients: Vec<Worker>,
    pub(super) ledger: Arc<Ledger>,
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct Worker {
    client: Client,
    diary: Arc<Diary>,
    task: JoinHandle<()>,
}

impl Load {
    /// Connects all clients and begins. With a period, they spread over the nodes again.
    pub(super) fn start(cluster: &Cluster, rebalance: Option<Duration>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let ledger = Arc::new(Ledger::new(PRODUCERS, CONSUMERS));
        let (mut load, kind) = (Self { clients: Vec::new(), ledger, runtime: None }, cluster.kind());
        for number in 0..PRODUCERS + CONSUMERS {
            let line = if VICTIMS.contains(&number) { Line::Victims } else { Line::Clients };
            let client = runtime.block_on(connect(&cluster.uri(line), rebalance))?;
            let worker = runtime.block_on(worker(kind, number, client, &load.ledger));
            load.clients.push(worker);
        }
        load.runtime = Some(runtime);
        Ok(load)
    }

    /// The host of the node to which a client is connected.
    pub(super) fn host(&self, client: usize) -> Option<String> {
        let connection = self.clients.get(client)?.client.connection()?;
        Some(connection.endpoint.host().to_owned())
    }

    /// How many clients there are at each node.
    pub(super) fn spread(&self, cluster: &Cluster) -> Vec<usize> {
        let mut clients = vec![0; cluster.size()];
        for node in (0..self.clients.len()).filter_map(|client| cluster.node_at(&self.host(client)?)) {
            clients[node] += 1;
        }
        clients
    }

    /// Begins anew with gaps.
    pub(super) fn forget(&self) {
        self.ledger.gaps();
        self.clients.iter().for_each(|worker| {
            worker.diary.take_waits();
        });
    }

    /// What a client saw.
    pub(super) fn diary(&self, client: usize) -> &Diary {
        &self.clients[client].diary
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.clients.iter().for_each(|worker| worker.task.abort());
        self.clients.clear();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

/// Connects a client with default options, but for that one.
async fn connect(uri: &str, rebalance: Option<Duration>) -> io::Result<Client> {
    let builder = Client::builder(uri);
    let builder = match rebalance {
        Some(period) => builder.rebalance(period),
        None => builder,
    };
    builder.connect().await.map_err(io::Error::other)
}

/// Sets a client to work.
async fn worker(kind: &'static Kind, number: usize, client: Client, ledger: &Arc<Ledger>) -> Worker {
    let diary = Arc::<Diary>::default();
    tokio::spawn(watch(client.trace(), number, Arc::clone(&diary), Arc::clone(ledger)));
    let (own, ledger) = (client.clone(), Arc::clone(ledger));
    let task = if number < PRODUCERS {
        tokio::spawn(produce(own, kind, number, ledger))
    } else {
        tokio::spawn(consume(own, kind, number, ledger))
    };
    Worker { client, diary, task }
}

/// Sends one number after the other, each until it is confirmed.
async fn produce(client: Client, kind: &'static Kind, producer: usize, ledger: Arc<Ledger>) {
    loop {
        let number = ledger.next(producer);
        let mut send = client.send(kind.destination, format!("{producer} {number}")).persistent();
        for (name, value) in kind.headers {
            send = send.header(name, value);
        }
        let began = Instant::now();
        match send.at_least_once().await {
            Ok(()) => ledger.confirmed(producer, number),
            Err(error) => {
                ledger.broke(format!("{producer} {number} given up after {:?}: {error:?}", began.elapsed()));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Acknowledges every message, and notes its number.
async fn consume(client: Client, kind: &'static Kind, consumer: usize, ledger: Arc<Ledger>) {
    let mut subscribe = client.subscribe(kind.destination);
    for (name, value) in kind.headers {
        subscribe = subscribe.header(name, value);
    }
    let mut messages = match subscribe.await {
        Ok(messages) => messages,
        Err(error) => return ledger.broke(format!("consumer {consumer} was refused: {error:?}")),
    };
    while let Some(message) = messages.next().await {
        let text = message.text().unwrap_or_default();
        let number = text
            .split_once(' ')
            .and_then(|(producer, number)| Some((producer.parse().ok()?, number.parse().ok()?)));
        if number.is_none() && text != probe::BODY {
            ledger.broke(format!("consumer {consumer} got {text:?}"));
        }
        ledger.received(consumer, number);
        // Where its connection is lost, it comes again.
        let _ = message.ack();
    }
    ledger.broke(format!("the subscription of consumer {consumer} has ended: {:?}", messages.ended()));
}

/// Keeps the diary of a client.
async fn watch(mut notices: Listener, client: usize, diary: Arc<Diary>, ledger: Arc<Ledger>) {
    while let Some(notice) = notices.next().await {
        diary.note(&notice);
        match notice {
            Notice::SubscriptionEnded { reason, .. } => {
                ledger.broke(format!("a subscription of client {client} has ended: {reason:?}"));
            }
            Notice::Closed(closed) => {
                ledger.broke(format!("the session of client {client} has ended: {closed:?}"));
            }
            _ => {}
        }
    }
}
