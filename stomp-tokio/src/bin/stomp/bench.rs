//! `stomp bench`: how many messages a broker takes, and how long each takes.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::json;
use stomp_tokio::{Bytes, SendBuilder, SubscribeBuilder, SubscriptionItem};

use crate::{
    arrivals::{self, Arrival},
    exit::{Code, Failure, Outcome},
    flights::Flights,
    histogram::Histogram,
    output::Progress,
    run::{Link, Run},
};

/// Measure how many messages a broker takes, and how fast
#[derive(Args)]
pub(crate) struct Bench {
    /// send (to its RECEIPT), receive (what is there) or round-trip
    #[arg(value_enum, hide_possible_values = true)]
    mode: Mode,
    /// The queue [default: for round-trip one of its own]
    #[arg(value_name = "DEST")]
    destination: Option<String>,
    /// How many messages
    #[arg(short = 'n', long, default_value_t = 10_000, value_name = "N")]
    count: u64,
    /// How many octets a body has
    #[arg(short, long, default_value_t = 1024, value_name = "SIZE")]
    size: usize,
    /// How many are on their way at the same time
    #[arg(short, long, default_value_t = 100, value_name = "N")]
    window: u16,
    /// Send persistent messages
    #[arg(short, long)]
    persistent: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Mode {
    Send,
    Receive,
    RoundTrip,
}

/// What was measured.
#[derive(Default)]
struct Measured {
    messages: u64,
    octets: u64,
    times: Histogram,
    took: Duration,
    failure: Option<Failure>,
}

impl Bench {
    pub(crate) async fn run(self, run: &Run) -> Result<Outcome, Failure> {
        let destination = match (&self.destination, self.mode) {
            (Some(destination), _) => destination.clone(),
            (None, Mode::RoundTrip) => own_queue(),
            (None, _) => return Err(Failure::usage("which queue? Give DEST")),
        };
        let builder = run.prepare()?;
        let link = run.connect_by(builder.clone()).await?;
        let mut measured = Measured::default();
        let progress = run.output.progress(Some(self.count));
        match self.mode {
            Mode::Send => self.send(run, &link, &destination, &mut measured, &progress).await,
            Mode::Receive => self.receive(run, &link, &destination, &mut measured, &progress).await?,
            Mode::RoundTrip => {
                let consumer = run.connect_by(builder).await?;
                self.round_trip(run, (&link, &consumer), &destination, &mut measured, &progress).await?;
                _ = consumer.leave().await;
            }
        }
        drop(progress);
        if let Err(closed) = link.leave().await {
            run.output.news(closed);
        }
        Ok(self.outcome(run, measured))
    }

    fn message(&self, link: &Link, destination: &str) -> SendBuilder {
        let send = link.client.send(destination, Bytes::new()).confirmed();
        let send = if self.persistent { send.persistent() } else { send };
        let send = link.to_queue(send);
        if self.is_own() { send.header(AUTO_DELETE, "true") } else { send }
    }

    fn subscribe(&self, link: &Link, destination: &str) -> SubscribeBuilder {
        let subscribe = link.client.subscribe(destination).prefetch(self.window.into());
        let subscribe = link.subscribe_to_queue(subscribe);
        if self.is_own() { subscribe.header(AUTO_DELETE, "true") } else { subscribe }
    }

    /// Whether the queue is for this run alone.
    const fn is_own(&self) -> bool {
        self.destination.is_none()
    }

    async fn send(
        &self,
        run: &Run,
        link: &Link,
        destination: &str,
        measured: &mut Measured,
        progress: &Progress,
    ) {
        let message = self.message(link, destination).body(vec![b'x'; self.size]);
        let mut flights = Flights::new(self.window.into());
        let start = Instant::now();
        let mut begun = 0;
        while measured.failure.is_none() && (begun < self.count || !flights.is_empty()) {
            if begun < self.count && !flights.is_full() && run.stop.code().is_none() {
                begun += 1;
                let (send, since) = (message.clone().into_future(), Instant::now());
                flights.begin(self.size, async move { send.await.map(|()| since.elapsed()) }).await;
                continue;
            }
            match flights.landed().await {
                Some(Ok(time)) => measured.note(time, self.size, progress),
                Some(Err(error)) => measured.failure = Some(error.into()),
                None => break,
            }
        }
        measured.took = start.elapsed();
    }

    async fn receive(
        &self,
        run: &Run,
        link: &Link,
        destination: &str,
        measured: &mut Measured,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let mut subscription = run.unless_stopped(self.subscribe(link, destination)).await??;
        let (mut start, mut last) = (None, Instant::now());
        while measured.messages < self.count {
            match arrivals::next(run, link, &mut subscription, Some(crate::subscribe::IDLE)).await {
                Arrival::Item(SubscriptionItem::Message(message)) => {
                    last = Instant::now();
                    start.get_or_insert(last);
                    measured.octets += message.body().len() as u64;
                    measured.messages += 1;
                    progress.step();
                    message.ack()?;
                }
                Arrival::Item(_) => {}
                Arrival::Ended(failure) => {
                    measured.failure = Some(failure);
                    break;
                }
                Arrival::Quiet | Arrival::Stopped(_) => break,
            }
        }
        measured.took = last.duration_since(start.unwrap_or(last));
        Ok(())
    }

    /// Each body begins with the time at which it was sent, so that one clock measures all of its way.
    async fn round_trip(
        &self,
        run: &Run,
        (producer, consumer): (&Link, &Link),
        destination: &str,
        measured: &mut Measured,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let mut subscription = run.unless_stopped(self.subscribe(consumer, destination)).await??;
        let message = self.message(producer, destination);
        let mut flights = Flights::new(self.window.into());
        let start = Instant::now();
        let mut begun = 0;
        while measured.failure.is_none() && measured.messages < self.count {
            if begun < self.count && begun - measured.messages < self.window.into() && !flights.is_full() {
                begun += 1;
                let send = message.clone().body(stamped(start.elapsed(), self.size));
                flights.begin(self.size, send.into_future()).await;
                continue;
            }
            tokio::select! {
                Some(sent) = flights.landed(), if !flights.is_empty() => {
                    measured.failure = sent.err().map(Failure::from);
                }
                arrival = arrivals::next(run, consumer, &mut subscription, Some(run.patience())) => match arrival {
                    Arrival::Item(SubscriptionItem::Message(message)) => {
                        if let Some(sent) = stamp(message.body()) {
                            measured.note(start.elapsed().saturating_sub(sent), message.body().len(), progress);
                        }
                        message.ack()?;
                    }
                    Arrival::Item(_) => {}
                    Arrival::Ended(failure) => measured.failure = Some(failure),
                    Arrival::Quiet => measured.failure = Some(Failure::new(Code::TimedOut, "no message comes any more")),
                    Arrival::Stopped(_) => break,
                }
            }
        }
        measured.took = start.elapsed();
        Ok(())
    }

    fn outcome(&self, run: &Run, measured: Measured) -> Outcome {
        let Measured { messages, octets, times, took, failure } = measured;
        let seconds = took.as_secs_f64().max(1e-9);
        let rate = if messages > 1 { messages as f64 / seconds } else { 0.0 };
        let percentiles = [0.5, 0.9, 0.99, 0.999].map(|fraction| times.percentile(fraction));
        let [p50, p90, p99, p999] = percentiles;
        let mut told = json!({
            "messages": messages, "octets": octets, "seconds": took.as_secs_f64(), "messages_per_second": rate,
            "error": failure.as_ref().map(|failure| &failure.words),
        });
        let mut words = format!(
            "{messages} messages in {seconds:.3} s: {rate:.0} in a second, {:.2} MB/s",
            if messages > 1 { octets as f64 / seconds / 1e6 } else { 0.0 },
        );
        if !times.is_empty() {
            let longest = times.longest();
            told["latency_ms"] = json!({ "p50": p50, "p90": p90, "p99": p99, "p99.9": p999, "max": longest });
            words += &format!(
                "\nlatency in ms: 50 % {p50:.3}, 90 % {p90:.3}, 99 % {p99:.3}, 99.9 % {p999:.3}, longest {longest:.3}\n{}",
                times.plot().trim_end(),
            );
        }
        let code = match (&failure, run.stop.code()) {
            (Some(failure), _) => {
                words += &format!("\n{}", failure.words);
                failure.code_after(messages)
            }
            (None, Some(code)) if messages < self.count => code,
            (None, _) if messages < self.count && self.mode != Mode::Receive => Code::Partly,
            (None, _) => Code::Done,
        };
        Outcome::new(code, words, told).report()
    }
}

impl Measured {
    fn note(&mut self, time: Duration, octets: usize, progress: &Progress) {
        self.messages += 1;
        self.octets += octets as u64;
        self.times.record(time);
        progress.step();
    }
}

/// With this header RabbitMQ deletes a queue after its last consumer.
const AUTO_DELETE: &str = "auto-delete";

/// A queue that nobody else has.
fn own_queue() -> String {
    let mut octets = [0; 8];
    // Without randomness the number of the process must do.
    match getrandom::fill(&mut octets) {
        Ok(()) => format!("/queue/stomp-bench-{:016x}", u64::from_ne_bytes(octets)),
        Err(_) => format!("/queue/stomp-bench-{}", std::process::id()),
    }
}

/// Before the time in a body, so that other messages are not taken for ours.
const MARK: &[u8; 8] = b"stompbch";

/// All of it is text: over a WebSocket a broker may take nothing else.
fn stamped(time: Duration, size: usize) -> Vec<u8> {
    let mut body = MARK.to_vec();
    body.extend(format!("{:016x}", time.as_nanos() as u64).as_bytes());
    body.resize(size.max(body.len()), b'x');
    body
}

fn stamp(body: &[u8]) -> Option<Duration> {
    let (time, _) = body.strip_prefix(MARK)?.split_first_chunk::<16>()?;
    let time = u64::from_str_radix(std::str::from_utf8(time).ok()?, 16).ok()?;
    Some(Duration::from_nanos(time))
}
