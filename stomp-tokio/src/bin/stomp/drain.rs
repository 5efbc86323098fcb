//! `stomp drain`: takes the messages of a queue into a file. They are on the disk before they are acknowledged.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use stomp_tokio::{Message, Oversized, Subscription, SubscriptionItem};

use crate::{
    arrivals::{self, Arrival},
    exit::{Code, Failure, Outcome},
    options::Span,
    output::{Progress, counted},
    record,
    run::{Link, Run},
    spool::Spool,
};

/// So much is written at once.
const BATCH: usize = 1 << 20;

/// Take the messages of a queue into a file of JSON lines
#[derive(Args)]
pub(crate) struct Drain {
    /// The queue
    #[arg(value_name = "DEST")]
    destination: String,
    /// The file, which must be new
    #[arg(short = 'o', long, value_name = "FILE")]
    to: PathBuf,
    /// Append to a file that is there
    #[arg(short, long)]
    append: bool,
    /// End after this number
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
    /// End after that quiet
    #[arg(long, default_value = "2s", value_name = "TIME")]
    idle: Span,
    /// Only what the broker selects, if it has selectors
    #[arg(long, value_name = "SQL")]
    selector: Option<String>,
    /// How many are written to the disk at once
    #[arg(long, default_value_t = 200, value_name = "N")]
    prefetch: u32,
}

/// How it went.
#[derive(Default)]
struct Tally {
    written: u64,
    unacknowledged: u64,
    too_large: u64,
    failure: Option<Failure>,
    code: Option<Code>,
}

impl Drain {
    pub(crate) async fn run(self, run: &Run) -> Result<Outcome, Failure> {
        let link = run.connect().await?;
        let subscribe = link.client.subscribe(&self.destination).oversized(Oversized::Deliver);
        // What the broker sends beyond the number that is wanted goes back, and may count as delivered.
        let wanted = self.count.and_then(|count| u32::try_from(count).ok()).unwrap_or(u32::MAX);
        let subscribe = subscribe.prefetch(self.prefetch.min(wanted).max(1));
        let subscribe = self.selector.iter().fold(subscribe, |it, condition| it.selector(condition));
        let mut subscription = run.unless_stopped(link.subscribe_to_queue(subscribe)).await??;
        let spool =
            Spool::open(&self.to, self.append).map_err(|error| Failure::io(self.to.display(), &error))?;
        let mut tally = Tally::default();
        let progress = run.output.progress(self.count);
        self.drain(run, &link, &mut subscription, spool, &mut tally, &progress).await;
        drop(progress);
        drop(subscription);
        if let Err(closed) = link.leave().await {
            run.output.news(closed);
        }
        Ok(self.outcome(&tally))
    }

    async fn drain(
        &self,
        run: &Run,
        link: &Link,
        subscription: &mut Subscription,
        mut spool: Spool,
        tally: &mut Tally,
        progress: &Progress,
    ) {
        while tally.failure.is_none() && self.count.is_none_or(|count| tally.written < count) {
            let first = match arrivals::next(run, link, subscription, Some(self.idle.0)).await {
                Arrival::Item(item) => item,
                Arrival::Quiet => return,
                Arrival::Stopped(code) => {
                    tally.code = Some(code);
                    return;
                }
                Arrival::Ended(failure) => {
                    tally.failure = Some(failure);
                    return;
                }
            };
            let batch = self.batch(first, subscription, tally).await;
            spool = match write(spool, &batch).await {
                Ok(spool) => spool,
                Err(error) => {
                    // Nothing of the batch is acknowledged: the broker has it still.
                    tally.failure =
                        Some(Failure::new(Code::Failed, format!("{}: {error}", self.to.display())));
                    return;
                }
            };
            acknowledge(batch, tally, progress).await;
        }
    }

    /// That message and what has come with it.
    async fn batch(
        &self,
        first: SubscriptionItem,
        subscription: &mut Subscription,
        tally: &mut Tally,
    ) -> Vec<Message> {
        let left = self.count.map_or(u64::MAX, |count| count - tally.written);
        let bound = usize::try_from(left.min(self.prefetch.into())).unwrap_or(usize::MAX).max(1);
        let (mut batch, mut octets, mut next) = (Vec::new(), 0, Some(first));
        while let Some(item) = next {
            match item {
                SubscriptionItem::Message(message) => {
                    octets += message.body().len();
                    batch.push(message);
                }
                _ => tally.too_large += 1,
            }
            let has_room = batch.len() < bound && octets < BATCH;
            next = if has_room { arrivals::next_now(subscription).await } else { None };
        }
        batch
    }

    fn outcome(&self, tally: &Tally) -> Outcome {
        let told = json!({
            "written": tally.written, "unacknowledged": tally.unacknowledged, "too_large": tally.too_large,
            "file": self.to.display().to_string(),
            "error": tally.failure.as_ref().map(|failure| &failure.words),
        });
        let mut words = format!("{} written to {}", counted(tally.written, "message"), self.to.display());
        if tally.unacknowledged > 0 {
            words += &format!("; {} of them may come again", tally.unacknowledged);
        }
        if tally.too_large > 0 {
            words += &format!("; {} left that are larger than --max-body", tally.too_large);
        }
        let code = match (&tally.failure, tally.code) {
            (Some(failure), _) => {
                words += &format!("; the others are left: {}", failure.words);
                failure.code_after(tally.written)
            }
            (None, Some(code)) => code,
            (None, None) if tally.too_large + tally.unacknowledged > 0 => Code::Partly,
            (None, None) => Code::Done,
        };
        Outcome::new(code, words, told)
    }
}

/// Writes the messages to the disk, on a thread where that delays nobody.
async fn write(mut spool: Spool, batch: &[Message]) -> std::io::Result<Spool> {
    let lines = batch.iter().fold(Vec::new(), |mut lines, message| {
        lines.extend(record::line(message.headers(), message.body()));
        lines
    });
    let written = tokio::task::spawn_blocking(move || spool.append(&lines).map(|()| spool));
    written.await.map_err(std::io::Error::other)?
}

async fn acknowledge(batch: Vec<Message>, tally: &mut Tally, progress: &Progress) {
    let answers: Vec<_> = batch.into_iter().map(Message::ack_confirmed).collect();
    for answer in answers {
        tally.written += 1;
        progress.step();
        if answer.await.is_err() {
            tally.unacknowledged += 1;
        }
    }
}
