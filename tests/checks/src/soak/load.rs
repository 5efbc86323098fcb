//! The mixed load on one broker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use stomp_session::proto::AckMode;
use stomp_tokio::{Client, Delivery, Forward, OnFailure, Publisher};
use tokio::{runtime::Runtime, task::JoinHandle, time};

use super::Ledger;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What works on a broker until it is told to finish.
pub(super) struct Load {
    pub(super) ledger: Arc<Ledger>,
    /// These end by themselves when the time is over.
    producers: Vec<JoinHandle<()>>,
    /// These end with the clients.
    consumers: Vec<JoinHandle<()>>,
    clients: Vec<Client>,
}

/// What each task has.
#[derive(Clone)]
struct Worker {
    client: Client,
    ledger: Arc<Ledger>,
    uri: String,
    start: Instant,
    over: Arc<AtomicBool>,
}

/// What is sent at least once may take as long as the longest fault, and more.
const PATIENCE: Duration = Duration::from_secs(300);

const DELIVERED: &str = "/queue/soak.delivered";
const WORK: &str = "/queue/soak.work";
const DEAD: &str = "/queue/soak.dead";
const BATCHES: &str = "/queue/soak.batches";
const NEWS: &str = "/topic/soak.news";
const SQUARES: &str = "/queue/soak.squares";
const VISITS: &str = "/queue/soak.visits";

impl Load {
    pub(super) fn start(
        runtime: &Runtime,
        uri: &str,
        name: &str,
        start: Instant,
        over: &Arc<AtomicBool>,
    ) -> Self {
        let ledger = Arc::new(Ledger::new(name));
        let mut load =
            Self { ledger: Arc::clone(&ledger), producers: vec![], consumers: vec![], clients: vec![] };
        let worker = |load: &mut Self| {
            let client = runtime.block_on(connect(uri));
            load.clients.push(client.clone());
            let (ledger, over) = (Arc::clone(&ledger), Arc::clone(over));
            Worker { client, ledger, uri: uri.to_owned(), start, over }
        };
        let (sender, taker) = (worker(&mut load), worker(&mut load));
        load.consumers = vec![
            runtime.spawn(taker.clone().take()),
            runtime.spawn(taker.clone().work()),
            runtime.spawn(taker.clone().answer()),
            runtime.spawn(taker.clone().read(NEWS)),
            runtime.spawn(taker.clone().read(BATCHES)),
            runtime.spawn(taker.read(DEAD)),
        ];
        load.producers = vec![
            runtime.spawn(sender.clone().deliver()),
            runtime.spawn(sender.clone().repeat(20, Worker::tell)),
            runtime.spawn(sender.clone().repeat(50, Worker::give_work)),
            runtime.spawn(sender.clone().repeat(100, Worker::commit)),
            runtime.spawn(sender.clone().repeat(50, Worker::ask)),
            runtime.spawn(sender.clone().repeat(300, Worker::visit)),
            runtime.spawn(sender.repeat(300, Worker::look_in)),
        ];
        load
    }

    /// Ends the load, and waits until what was confirmed has come.
    pub(super) fn finish(self, runtime: &Runtime) -> Ledger {
        let Self { ledger, producers, consumers, clients } = self;
        runtime.block_on(async {
            for producer in producers {
                producer.await.expect("a producer does not panic");
            }
            let deadline = Instant::now() + Duration::from_secs(60);
            while ledger.lost() > 0 && Instant::now() < deadline {
                time::sleep(Duration::from_millis(50)).await;
            }
            for client in clients {
                // It may be one whose connection has just been cut.
                _ = client.disconnect().await;
            }
            for consumer in consumers {
                consumer.await.expect("a consumer does not panic");
            }
        });
        Arc::into_inner(ledger).expect("all that used it has ended")
    }
}

/// A broker that runs may still be cut off at the first attempts.
async fn connect(uri: &str) -> Client {
    let mut tries = 0;
    loop {
        match stomp_tokio::connect(uri).await {
            Ok(client) => return client,
            Err(error) if tries == 20 => panic!("no connection to {uri}: {error}"),
            Err(_) => tries += 1,
        }
        time::sleep(Duration::from_secs(1)).await;
    }
}

impl Worker {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Does something again and again, and counts what went well.
    async fn repeat<F>(self, pause: u64, one: fn(Self) -> F)
    where
        F: Future<Output = Result<(), Failure>>,
    {
        while !self.is_over() {
            let went_well = one(self.clone()).await.is_ok();
            self.ledger.other(went_well);
            time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Numbers that are sent at least once, with the time.
    async fn deliver(self) {
        let publisher = self.client.publisher(DELIVERED).persistent().at_least_once();
        let mut publisher = publisher.timeout(PATIENCE).window(200).build().expect("a publisher");
        let mut settled = 0;
        while !self.is_over() {
            let body = format!("{} {}", publisher.next_number(), self.start.elapsed().as_micros());
            // Without room within its time it has no number.
            _ = publisher.feed(body).await;
            settled = self.settle(&mut publisher, settled);
            time::sleep(Duration::from_millis(5)).await;
        }
        _ = publisher.flush().await;
        self.settle(&mut publisher, settled);
    }

    /// Notes what has an outcome since.
    fn settle(&self, publisher: &mut Publisher, from: u64) -> u64 {
        let until = publisher.first_unsettled();
        let failed = publisher.take_unconfirmed();
        let is_confirmed = |number: &u64| failed.iter().all(|(failed, _)| failed != number);
        (from..until).filter(is_confirmed).for_each(|number| self.ledger.confirmed(number));
        failed.iter().for_each(|(number, error)| self.ledger.gave_up(*number, error.to_string()));
        until
    }

    /// Takes what is delivered.
    async fn take(self) {
        let mut messages = self.client.subscribe(DELIVERED).await.expect("a subscription");
        while let Some(message) = messages.next().await {
            let text = message.text().expect("text");
            let (number, sent) = text.split_once(' ').expect("a number and a time");
            let sent = Duration::from_micros(sent.parse().expect("microseconds"));
            self.ledger
                .received(number.parse().expect("a number"), self.start.elapsed().saturating_sub(sent));
            // Where its connection is lost, it comes again.
            _ = message.ack();
        }
    }

    /// Reads what may be lost.
    async fn read(self, destination: &'static str) {
        let mut messages =
            self.client.subscribe(destination).ack(AckMode::Auto).await.expect("a subscription");
        while messages.next().await.is_some() {}
    }

    /// Handles orders, one of seven in vain: it is tried twice and set aside.
    async fn work(self) {
        let policy = OnFailure::Retry {
            attempts: 1,
            backoff: Duration::from_millis(10),
            then: Box::new(OnFailure::Forward(Forward::to(DEAD))),
        };
        let orders = self.client.subscribe(WORK).await.expect("a subscription");
        let handler = async |order: Delivery| match order.body().len() % 7 {
            0 => Err("in vain"),
            _ => Ok(()),
        };
        _ = orders.handle(handler).concurrency(5).on_failure(policy).run().await;
    }

    async fn answer(self) {
        let numbers = self.client.subscribe(SQUARES).await.expect("a subscription");
        let replier = self.client.clone();
        let handler = async move |request: Delivery| {
            let number: u64 = request.text()?.parse()?;
            replier.reply(&request, (number * number).to_string()).await?;
            Ok::<(), Failure>(())
        };
        _ = numbers.handle(handler).concurrency(5).run().await;
    }

    async fn tell(self) -> Result<(), Failure> {
        Ok(self.client.send(NEWS, "news").confirmed().await?)
    }

    async fn give_work(self) -> Result<(), Failure> {
        let length = self.start.elapsed().subsec_millis() as usize;
        Ok(self.client.send(WORK, vec![b'x'; length]).persistent().confirmed().await?)
    }

    async fn commit(self) -> Result<(), Failure> {
        let transaction = self.client.begin().await?;
        for part in ["one", "two", "three"] {
            transaction.send(BATCHES, part).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn ask(self) -> Result<(), Failure> {
        let reply = self.client.request(SQUARES, "12").timeout(Duration::from_secs(30)).await?;
        if reply.text()? == "144" { Ok(()) } else { Err("a wrong reply".into()) }
    }

    /// A client that comes and goes.
    async fn visit(self) -> Result<(), Failure> {
        let client = stomp_tokio::connect(&self.uri).await?;
        client.send(VISITS, "hello").persistent().confirmed().await?;
        let mut messages = client.subscribe(VISITS).await?;
        let message = time::timeout(Duration::from_secs(30), messages.next()).await?.ok_or("it has ended")?;
        message.ack_confirmed().await?;
        messages.unsubscribe().await?;
        client.disconnect().await?;
        Ok(())
    }

    /// A subscription that comes and goes.
    async fn look_in(self) -> Result<(), Failure> {
        let messages = self.client.subscribe("/queue/soak.empty").await?;
        Ok(messages.unsubscribe().await?)
    }
}
