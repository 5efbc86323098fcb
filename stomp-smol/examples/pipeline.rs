//! The main job: a producer, a transformer and a consumer, over real sockets.
//!
//! `pipeline [--count N] [URI]`: without a URI against a broker in this process. The last line tells how many messages were
//! produced, transformed and consumed; the exit code is 0 when that is all of them and none failed.

use std::{collections::VecDeque, error::Error, future::Future, process::ExitCode, time::Duration};

use serde_json::{Value, json};
use stomp_smol::{Client, Message, Subscription};
use stomp_testkit::{broker::BrokerConfig, server::Server};

/// How many messages are under way at once, in each part.
const WINDOW: usize = 100;
/// How long to wait for a message that must come.
const PATIENCE: Duration = Duration::from_secs(30);

type Failure = Box<dyn Error + Send + Sync>;
type Task<T> = smol::Task<T>;

fn main() -> ExitCode {
    smol::block_on(start())
}

fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    smol::spawn(future)
}

async fn join<T>(task: Task<T>) -> Result<T, Failure> {
    Ok(task.await)
}

async fn next(messages: &mut Subscription) -> Option<Message> {
    let patience = async {
        smol::Timer::after(PATIENCE).await;
        None
    };
    smol::future::or(messages.next(), patience).await
}

async fn connect(uri: &str) -> Result<Client, Failure> {
    Ok(stomp_smol::connect(uri).await?)
}

// From here on it is the same for every runtime.

async fn start() -> ExitCode {
    let (uri, count) = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\nusage: pipeline [--count N] [URI]");
            return ExitCode::from(2);
        }
    };
    match pipeline(uri, count).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("pipeline: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<(Option<String>, u64), Failure> {
    let (mut uri, mut count) = (None, 10);
    let mut rest = std::env::args().skip(1);
    while let Some(argument) = rest.next() {
        match &*argument {
            "--count" => count = rest.next().ok_or("--count needs a number")?.parse()?,
            option if option.starts_with('-') => return Err(format!("unknown option {option}").into()),
            _ => uri = Some(argument),
        }
    }
    Ok((uri, count))
}

async fn pipeline(uri: Option<String>, count: u64) -> Result<bool, Failure> {
    // The producer is the fastest of the three: without flow control the broker would hold most of its messages.
    let config = BrokerConfig::default().flow_control(10 * WINDOW);
    let embedded = if uri.is_none() { Some(Server::start(config)?) } else { None };
    let uri = uri.or_else(|| embedded.as_ref().map(Server::uri)).unwrap_or_default();
    let consumer = spawn(consume(uri.clone(), count));
    let transformer = spawn(transform(uri.clone(), count));
    let produced = produce(&uri, count).await?;
    let (transformed, consumed) = (join(transformer).await??, join(consumer).await??);
    let failed = produced.failed + transformed.failed + consumed.failed;
    println!(
        "pipeline: {} produced, {} transformed, {} consumed, {failed} failed",
        produced.done, transformed.done, consumed.done
    );
    Ok(failed == 0 && [produced.done, transformed.done, consumed.done] == [count; 3])
}

/// What became of a part's messages.
#[derive(Default)]
struct Tally {
    done: u64,
    failed: u64,
}

impl Tally {
    fn count<T>(&mut self, what: &str, result: Result<T, Failure>) {
        match result {
            Ok(_) => self.done += 1,
            Err(error) => {
                eprintln!("{what}: {error}");
                self.failed += 1;
            }
        }
    }
}

/// Tasks under way, at most [`WINDOW`] of them.
struct Window {
    what: &'static str,
    tasks: VecDeque<Task<Result<(), Failure>>>,
    tally: Tally,
}

impl Window {
    fn new(what: &'static str) -> Self {
        Self { what, tasks: VecDeque::new(), tally: Tally::default() }
    }

    async fn start(&mut self, future: impl Future<Output = Result<(), Failure>> + Send + 'static) {
        if self.tasks.len() == WINDOW {
            self.join_first().await;
        }
        self.tasks.push_back(spawn(future));
    }

    async fn join_first(&mut self) {
        if let Some(task) = self.tasks.pop_front() {
            self.tally.count(self.what, join(task).await.and_then(|result| result));
        }
    }

    async fn finish(mut self) -> Tally {
        while !self.tasks.is_empty() {
            self.join_first().await;
        }
        self.tally
    }
}

async fn produce(uri: &str, count: u64) -> Result<Tally, Failure> {
    let client = connect(uri).await?;
    let mut sends = Window::new("produce");
    for number in 0..count {
        let body = json!({ "count": number }).to_string();
        let send = client
            .send("/queue/testIn", body)
            .header("content-type", "application/json")
            .persistent()
            .confirmed();
        sends.start(async { Ok(send.await?) }).await;
    }
    let tally = sends.finish().await;
    client.disconnect().await?;
    Ok(tally)
}

/// Over two connections: when RabbitMQ runs short of memory it stops reading a connection that publishes, and with it the
/// acknowledgements that would help.
async fn transform(uri: String, count: u64) -> Result<Tally, Failure> {
    let (receiver, sender) = (connect(&uri).await?, connect(&uri).await?);
    let mut messages = receiver.subscribe("/queue/testIn").prefetch(WINDOW as u32).await?;
    let mut handlers = Window::new("transform");
    for _ in 0..count {
        let Some(message) = next(&mut messages).await else { break };
        handlers.start(handle(sender.clone(), message)).await;
    }
    let tally = handlers.finish().await;
    receiver.disconnect().await?;
    sender.disconnect().await?;
    Ok(tally)
}

/// Acknowledges only when the broker has what became of the message. One that cannot be read goes to the error queue
/// instead of round in circles, and counts as failed.
async fn handle(sender: Client, message: Message) -> Result<(), Failure> {
    let poison = match transformed(message.body()) {
        Ok(body) => {
            sender.send("/queue/testOut", body).persistent().confirmed().await?;
            None
        }
        Err(error) => {
            sender.send("/queue/testError", message.body_bytes()).persistent().confirmed().await?;
            Some(error)
        }
    };
    message.ack()?;
    poison.map_or(Ok(()), Err)
}

fn transformed(body: &[u8]) -> Result<String, Failure> {
    let value: Value = serde_json::from_slice(body)?;
    let count = value["count"].as_u64().ok_or("a message without a count")?;
    Ok(json!({ "count": count + 1 }).to_string())
}

async fn consume(uri: String, count: u64) -> Result<Tally, Failure> {
    let client = connect(&uri).await?;
    let mut messages = client.subscribe("/queue/testOut").prefetch(WINDOW as u32).await?;
    let mut tally = Tally::default();
    let mut missing = vec![true; usize::try_from(count)?];
    for _ in 0..count {
        let Some(message) = next(&mut messages).await else { break };
        tally.count("consume", check(&message, &mut missing).and_then(|()| Ok(message.ack()?)));
    }
    client.disconnect().await?;
    Ok(tally)
}

/// Each number from 1 to the count comes once.
fn check(message: &Message, missing: &mut [bool]) -> Result<(), Failure> {
    let value: Value = serde_json::from_slice(message.body())?;
    let number = value["count"].as_u64().and_then(|count| usize::try_from(count.checked_sub(1)?).ok());
    let expected = number.and_then(|number| missing.get_mut(number)).is_some_and(std::mem::take);
    if expected { Ok(()) } else { Err(format!("{value} came unexpectedly").into()) }
}
