//! The main job: a producer, a transformer and a consumer, over real sockets.
//!
//! `pipeline [--count N] [URI]`: without a URI against a broker in this process; with `ssl://` over TLS. The last line tells
//! how many messages were produced, transformed and consumed; the exit code is 0 when that is all of them and none failed.

use std::{
    error::Error,
    future::Future,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use stomp_testkit::{broker::BrokerConfig, server::Server};
use stomp_tokio::{Client, Delivery, Forward, Message, OnFailure, Subscription, Tally};

/// How many messages are under way at once, in each part.
const WINDOW: usize = 100;
/// How long to wait for messages that must come, and 10 ms for each.
const PATIENCE: Duration = Duration::from_secs(30);

type Failure = Box<dyn Error + Send + Sync>;
type Task<T> = tokio::task::JoinHandle<T>;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(start())
}

fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    tokio::spawn(future)
}

async fn join<T>(task: Task<T>) -> Result<T, Failure> {
    Ok(task.await?)
}

async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

async fn connect(uri: &str) -> Result<Client, Failure> {
    Ok(stomp_tokio::connect(uri).await?)
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
    // Both subscriptions stand before the first message is sent: there are brokers that keep nothing for later consumers.
    let (input, output) = (subscribe(&uri, "/queue/testIn").await?, subscribe(&uri, "/queue/testOut").await?);
    let consumer = spawn(consume(output, count));
    let transformer = spawn(transform(uri.clone(), input, count));
    let produced = produce(&uri, count).await?;
    let (transformed, consumed) = (join(transformer).await??, join(consumer).await??);
    let (done, failed) = (transformed.handled, transformed.failed + consumed.failed);
    let received = consumed.handled;
    println!("pipeline: {produced} produced, {done} transformed, {received} consumed, {failed} failed");
    Ok(failed == 0 && [produced, done, received] == [count; 3])
}

/// Sends the numbers below the count, each confirmed by the broker, several at once.
async fn produce(uri: &str, count: u64) -> Result<u64, Failure> {
    let client = connect(uri).await?;
    let lanes: Vec<_> =
        (0..WINDOW as u64).map(|lane| spawn(produce_lane(client.clone(), lane, count))).collect();
    let mut produced = 0;
    for lane in lanes {
        produced += join(lane).await??;
    }
    client.disconnect().await?;
    Ok(produced)
}

async fn produce_lane(client: Client, lane: u64, count: u64) -> Result<u64, Failure> {
    let mut produced = 0;
    for number in (lane..count).step_by(WINDOW) {
        let body = json!({ "count": number }).to_string();
        client
            .send("/queue/testIn", body)
            .header("content-type", "application/json")
            .persistent()
            .confirmed()
            .await?;
        produced += 1;
    }
    Ok(produced)
}

/// Over two connections: when RabbitMQ runs short of memory it stops reading a connection that publishes, and with it the
/// acknowledgements that would help.
async fn transform(uri: String, input: Consumer, count: u64) -> Result<Tally, Failure> {
    let sender = connect(&uri).await?;
    let forward = sender.clone();
    let tally = handle_all(input, count, move |message| {
        let sender = forward.clone();
        async move {
            let body = transformed(message.body())?;
            Ok(sender.send("/queue/testOut", body).persistent().confirmed().await?)
        }
    });
    let tally = tally.await?;
    sender.disconnect().await?;
    Ok(tally)
}

fn transformed(body: &[u8]) -> Result<String, Failure> {
    let value: Value = serde_json::from_slice(body)?;
    let count = value["count"].as_u64().ok_or("a message without a count")?;
    Ok(json!({ "count": count + 1 }).to_string())
}

/// Each number from 1 to the count comes once.
async fn consume(output: Consumer, count: u64) -> Result<Tally, Failure> {
    let missing = Arc::new(Mutex::new(vec![true; usize::try_from(count)?]));
    handle_all(output, count, move |message| {
        let missing = Arc::clone(&missing);
        async move { check(&message, &mut missing.lock().expect("no handler panics")) }
    })
    .await
}

fn check(message: &Message, missing: &mut [bool]) -> Result<(), Failure> {
    let value: Value = serde_json::from_slice(message.body())?;
    let number = value["count"].as_u64().and_then(|count| usize::try_from(count.checked_sub(1)?).ok());
    let expected = number.and_then(|number| missing.get_mut(number)).is_some_and(std::mem::take);
    if expected { Ok(()) } else { Err(format!("{value} came unexpectedly").into()) }
}

/// A connection of its own, and what comes on it.
type Consumer = (Client, Subscription);

async fn subscribe(uri: &str, queue: &str) -> Result<Consumer, Failure> {
    let client = connect(uri).await?;
    let messages = client.subscribe(queue).prefetch(WINDOW as u32).await?;
    Ok((client, messages))
}

/// Handles `count` messages, side by side, and acknowledges each when its handler has succeeded. One that fails goes to the
/// error queue instead of round in circles.
async fn handle_all<F>(
    (client, messages): Consumer,
    count: u64,
    handler: impl Fn(Delivery) -> F,
) -> Result<Tally, Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let left = AtomicU64::new(count);
    let counted = |message| {
        let handled = handler(message);
        let client = (left.fetch_sub(1, Ordering::Relaxed) == 1).then(|| client.clone());
        async move {
            let result = handled.await.inspect_err(|error| eprintln!("{error}"));
            // With the last one it ends: the others are waited for.
            drop(client.map(|client| client.disconnect()));
            result
        }
    };
    let errors = OnFailure::Forward(Forward::to("/queue/testError"));
    let patience = sleep(PATIENCE + Duration::from_millis(10 * count));
    let tally = messages.handle_with(counted).concurrency(WINDOW).on_failure(errors).until(patience).await?;
    client.disconnect().await?;
    Ok(tally)
}
