//! `stomp send`: one message, or one for each line.

use std::{io::IsTerminal as _, path::PathBuf, time::Duration};

use clap::Args;
use serde_json::json;
use stomp_tokio::{Bytes, SendBuilder, SendError};
use tokio::time::{Instant, sleep_until};

use crate::{
    exit::{Code, Failure, Outcome},
    flights::Flights,
    lines::{self, Lines},
    output::{Progress, counted},
    properties::Properties,
    record::Record,
    run::{Link, Run},
};

/// So many messages may wait for their RECEIPT.
const WINDOW: usize = 200;

/// Send a message, or one for each line
#[derive(Args)]
pub(crate) struct Send {
    /// Such as /queue/orders or /topic/prices
    #[arg(value_name = "DEST")]
    destination: String,
    /// The body; without one, it is read from stdin
    body: Option<String>,
    /// Read the body or the lines from a file (-: stdin)
    #[arg(short, long, conflicts_with = "body")]
    file: Option<PathBuf>,
    /// Each line is a message
    #[arg(short, long, conflicts_with = "body")]
    lines: bool,
    /// Each line is JSON, as `stomp drain` writes it
    #[arg(long, conflicts_with_all = ["body", "lines"])]
    jsonl: bool,
    /// Send the message N times, or at most N lines
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
    /// Send at most this number of messages a second
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Await a RECEIPT for each
    #[arg(short, long, alias = "receipts")]
    receipt: bool,
    /// Send each until it is confirmed, perhaps twice
    #[arg(long)]
    at_least_once: bool,
    #[command(flatten)]
    properties: Properties,
}

/// Where the messages come from.
enum Source {
    Same { body: Bytes, left: u64 },
    Lines { lines: Lines, left: u64 },
    Records { lines: Lines, left: u64 },
}

/// How it went.
#[derive(Default)]
struct Tally {
    sent: u64,
    confirmed: u64,
    /// The first failure; no more is sent after it.
    failure: Option<Failure>,
    failed: u64,
}

impl Tally {
    fn fail(&mut self, failure: Failure) {
        self.failed += 1;
        self.failure.get_or_insert(failure);
    }

    fn note(&mut self, outcome: Result<(), SendError>) {
        match outcome {
            Ok(()) => self.confirmed += 1,
            Err(error) => self.fail(error.into()),
        }
    }
}

impl Send {
    pub(crate) async fn run(self, run: &Run) -> Result<Outcome, Failure> {
        let mut source = self.source().await?;
        let link = run.connect().await?;
        let mut tally = Tally::default();
        let progress = run.output.progress(source.total());
        self.send_all(run, &link, &mut source, &mut tally, &progress).await;
        drop(progress);
        let lost = link.client.statistics().connections_lost;
        let news = link.news.clone();
        let farewell = link.leave().await;
        if !self.is_answered() && tally.failure.is_none() {
            // What was sent plainly: only the end of the connection says that the broker has read it.
            match (farewell, news.first_error()) {
                (Ok(_), None) if lost == 0 => tally.confirmed = tally.sent,
                (_, Some(words)) => tally.failure = Some(Failure::new(Code::Failed, words)),
                (Ok(_), None) => tally.failure = Some(Failure::new(Code::Failed, "the connection was lost")),
                (Err(closed), None) => tally.failure = Some(closed.into()),
            }
        }
        self.outcome(run, tally, lost)
    }

    /// Whether the broker answers for each message.
    const fn is_answered(&self) -> bool {
        self.receipt || self.at_least_once
    }

    async fn source(&self) -> Result<Source, Failure> {
        let left = self.count.unwrap_or(u64::MAX);
        if self.lines || self.jsonl {
            let lines = Lines::open(self.file.as_ref()).await?;
            return Ok(if self.jsonl {
                Source::Records { lines, left }
            } else {
                Source::Lines { lines, left }
            });
        }
        let body = match (&self.body, &self.file) {
            (Some(body), _) => body.clone().into(),
            (None, None) if std::io::stdin().is_terminal() => {
                return Err(Failure::usage("what shall be sent? Give a body or --file, or pipe it in"));
            }
            (None, file) => lines::whole(file.as_ref()).await?.into(),
        };
        Ok(Source::Same { body, left: self.count.unwrap_or(1) })
    }

    async fn send_all(
        &self,
        run: &Run,
        link: &Link,
        source: &mut Source,
        tally: &mut Tally,
        progress: &Progress,
    ) {
        let mut flights = Flights::new(WINDOW);
        let mut pace = self.rate.map(Pace::new);
        while tally.failure.is_none() {
            if let Some(pace) = &mut pace
                && run.unless_stopped(pace.wait()).await.is_err()
            {
                break;
            }
            let base = link.client.send(&self.destination, Bytes::new());
            let next = match run.unless_stopped(source.next(self.properties.of(base))).await {
                Ok(Ok(Some(send))) => send,
                Ok(Err(failure)) => {
                    tally.failure = Some(failure);
                    break;
                }
                Ok(Ok(None)) | Err(_) => break,
            };
            tally.sent += 1;
            progress.step();
            self.send(next, &mut flights, tally).await;
        }
        while let Some(outcome) = flights.landed().await {
            tally.note(outcome);
        }
    }

    async fn send(
        &self,
        (send, octets): (SendBuilder, usize),
        flights: &mut Flights<Result<(), SendError>>,
        tally: &mut Tally,
    ) {
        if !self.is_answered() {
            if let Err(error) = send.await {
                tally.sent -= 1;
                tally.fail(error.into());
            }
            return;
        }
        while flights.is_full()
            && let Some(outcome) = flights.landed().await
        {
            tally.note(outcome);
        }
        let send = if self.at_least_once { send.at_least_once() } else { send.confirmed() };
        flights.begin(octets, send.into_future()).await;
    }

    fn outcome(&self, run: &Run, tally: Tally, lost: u64) -> Result<Outcome, Failure> {
        let Tally { sent, confirmed, failure, failed } = tally;
        let told = json!({
            "sent": sent, "confirmed": confirmed, "failed": failed, "connections_lost": lost,
            "error": failure.as_ref().map(|failure| &failure.words),
        });
        let interrupted = run.stop.code();
        // Of what was sent plainly, one message is at fault at least.
        let done = if self.is_answered() { confirmed } else { sent.saturating_sub(1) };
        let (code, why) = match failure {
            Some(failure) => (failure.code_after(done), format!(": {}", failure.words)),
            None => (interrupted.unwrap_or(Code::Done), String::new()),
        };
        let words = match (why.is_empty(), sent) {
            (true, _) => format!("{} sent", counted(sent, "message")),
            (false, 0) => format!("nothing sent{why}"),
            (false, _) => format!("{confirmed} of {} confirmed{why}", counted(sent, "message")),
        };
        Ok(Outcome::new(code, words, told))
    }
}

/// When the next message may be sent.
struct Pace {
    next: Instant,
    step: Duration,
}

impl Pace {
    /// So much of what was missed is made up for: the clock of timers is coarse, and a pause is no reason for a flood.
    const MADE_UP: Duration = Duration::from_millis(50);

    fn new(rate: u32) -> Self {
        Self { next: Instant::now(), step: Duration::from_secs(1) / rate.max(1) }
    }

    async fn wait(&mut self) {
        sleep_until(self.next).await;
        let earliest = Instant::now().checked_sub(Self::MADE_UP).unwrap_or(self.next);
        self.next = self.next.max(earliest) + self.step;
    }
}

impl Source {
    const fn total(&self) -> Option<u64> {
        match self {
            Self::Same { left, .. } => Some(*left),
            Self::Lines { .. } | Self::Records { .. } => None,
        }
    }

    /// The next message, made of the common one, and the length of its body. It is not cancel safe.
    async fn next(&mut self, send: SendBuilder) -> Result<Option<(SendBuilder, usize)>, Failure> {
        let (Self::Same { left, .. } | Self::Lines { left, .. } | Self::Records { left, .. }) = self;
        if *left == 0 {
            return Ok(None);
        }
        *left -= 1;
        match self {
            Self::Same { body, .. } => Ok(Some((send.body(body.clone()), body.len()))),
            Self::Lines { lines, .. } => Ok(lines.next().await?.map(|line| {
                let octets = line.len();
                (send.body(line), octets)
            })),
            Self::Records { lines, .. } => {
                let Some(line) = lines.next().await? else { return Ok(None) };
                let record = Record::parse(&line).map_err(|why| lines.wrong(&why))?;
                let octets = record.body.len();
                Ok(Some((send.headers(&record.headers_to_send()).body(record.body), octets)))
            }
        }
    }
}
