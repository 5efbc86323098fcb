//! `stomp subscribe`: prints messages, and acknowledges each when it was printed.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use stomp_tokio::{AckMode, Bytes, Message, Oversized, Subscription, SubscriptionItem};
use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    arrivals::{self, Arrival},
    exit::{Code, Failure, Outcome},
    options::{Header, Span},
    output::{Reader, counted, for_stdout},
    record,
    run::{Link, Run},
};

/// Quiet for that long, a queue is taken for empty.
pub(crate) const IDLE: Duration = Duration::from_secs(2);
/// When a signal has come, so long may stdout take for the message that is being printed.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// So many messages may be out that nobody acknowledges.
const UNACKNOWLEDGED: u32 = 1000;
/// Fewer than the broker would send ahead.
const FEW: u32 = 10;

/// Print messages; each is acknowledged when it was printed
#[derive(Args)]
pub(crate) struct Subscribe {
    /// Such as /queue/orders or /topic/prices
    #[arg(value_name = "DEST")]
    destination: String,
    /// Go on until a signal comes
    #[arg(short, long)]
    follow: bool,
    /// End after this number; fewer are an error
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
    /// End after that quiet [default: 2s, with -n: -t]
    #[arg(long, value_name = "TIME")]
    idle: Option<Span>,
    /// Print the headers, too
    #[arg(long)]
    show_headers: bool,
    /// Write each body to a file, and print its name
    #[arg(long, value_name = "DIR")]
    to_dir: Option<PathBuf>,
    /// individual (default), client, auto, none (leave)
    #[arg(long, value_enum, default_value_t = Ack::Individual, hide_default_value = true, hide_possible_values = true)]
    ack: Ack,
    /// A condition on headers, if the broker has those
    #[arg(long, value_name = "SQL")]
    selector: Option<String>,
    /// How many the broker may have sent ahead
    #[arg(long, value_name = "N")]
    prefetch: Option<u32>,
    /// Keep a durable subscription to a topic
    #[arg(long, value_name = "NAME")]
    durable: Option<String>,
    /// It is a queue, whatever its name (Artemis)
    #[arg(long)]
    from_queue: bool,
    /// A header of the SUBSCRIBE
    #[arg(short = 'H', long, value_name = "NAME:VALUE")]
    header: Vec<Header>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Ack {
    Auto,
    Client,
    Individual,
    None,
}

/// How it went.
#[derive(Default)]
struct Tally {
    printed: u64,
    too_large: u64,
    unacknowledged: u64,
}

enum End {
    Enough,
    Quiet,
    ReaderGone,
    Stopped(Code),
    Failed(Failure),
}

impl Subscribe {
    pub(crate) async fn run(self, run: &Run) -> Result<Outcome, Failure> {
        if self.ack == Ack::Auto && self.count.is_some() && !self.destination.starts_with("/topic/") {
            return Err(Failure::usage("with --ack auto, what comes beyond --count would be lost"));
        }
        if let Some(directory) = &self.to_dir {
            fs::create_dir_all(directory).map_err(|error| Failure::io(directory.display(), &error))?;
        }
        let link = run.connect().await?;
        let mut subscription = self.subscribe(run, &link).await?;
        let mut tally = Tally::default();
        let end = self.print_all(run, &link, &mut subscription, &mut tally).await;
        drop(subscription);
        if let Err(closed) = link.leave().await {
            run.output.news(format_args!("the last acknowledgements may not have arrived: {closed}"));
        }
        self.outcome(end, &tally)
    }

    async fn subscribe(&self, run: &Run, link: &Link) -> Result<Subscription, Failure> {
        let subscribe = link.client.subscribe(&self.destination).oversized(Oversized::Deliver);
        let subscribe = subscribe.ack(match self.ack {
            Ack::Auto => AckMode::Auto,
            Ack::Client => AckMode::Client,
            Ack::Individual | Ack::None => AckMode::ClientIndividual,
        });
        let subscribe = self.ahead().into_iter().fold(subscribe, |it, ahead| it.prefetch(ahead));
        let subscribe = self.selector.iter().fold(subscribe, |it, condition| it.selector(condition));
        let subscribe = self.durable.iter().fold(subscribe, |it, name| it.durable(name));
        let subscribe =
            self.header.iter().fold(subscribe, |it, header| it.header(&header.name, &header.value));
        let subscribe = if self.from_queue { subscribe.from_queue() } else { subscribe };
        Ok(run.unless_stopped(subscribe).await??)
    }

    /// How many the broker may send ahead. What it sends beyond the number that is wanted goes back, and may count as delivered.
    fn ahead(&self) -> Option<u32> {
        let wanted = self.count.and_then(|count| u32::try_from(count).ok());
        let ahead = match self.ack {
            Ack::None => Some(wanted.map_or(UNACKNOWLEDGED, |wanted| wanted.min(UNACKNOWLEDGED))),
            _ => wanted.filter(|wanted| *wanted < FEW),
        };
        self.prefetch.or(ahead).map(|ahead| ahead.max(1))
    }

    fn idle(&self, run: &Run) -> Option<Duration> {
        let default = if self.count.is_some() { run.patience() } else { IDLE };
        (!self.follow).then(|| self.idle.map_or(default, |idle| idle.0))
    }

    async fn print_all(
        &self,
        run: &Run,
        link: &Link,
        subscription: &mut Subscription,
        tally: &mut Tally,
    ) -> End {
        while self.count.is_none_or(|count| tally.printed < count) {
            match arrivals::next(run, link, subscription, self.idle(run)).await {
                Arrival::Item(SubscriptionItem::Message(message)) => {
                    match self.print(run, message, tally).await {
                        Ok(Reader::Listens) => {}
                        Ok(Reader::Gone) => return End::ReaderGone,
                        Err(failure) => return End::Failed(failure),
                    }
                }
                // The broker keeps it.
                Arrival::Item(_) => tally.too_large += 1,
                Arrival::Quiet => return End::Quiet,
                Arrival::Stopped(code) => return End::Stopped(code),
                Arrival::Ended(failure) => return End::Failed(failure),
            }
        }
        End::Enough
    }

    /// A message that was not printed is not acknowledged.
    async fn print(&self, run: &Run, message: Message, tally: &mut Tally) -> Result<Reader, Failure> {
        let text = match &self.to_dir {
            Some(directory) => self.write_file(run, directory, &message, tally.printed).await?,
            None if run.output.json => record::line(message.headers(), message.body()),
            None => self.text(&message),
        };
        let mut printing = pin!(run.output.print(&text));
        let printed = tokio::select! {
            biased;
            printed = &mut printing => Some(printed),
            _ = run.stop.requested() => timeout(LAST_WORDS, printing).await.ok(),
        };
        // If it could not be printed in time, the signal is seen next.
        let Some(reader) = printed else { return Ok(Reader::Listens) };
        let reader = reader?;
        if reader == Reader::Listens {
            tally.printed += 1;
            if message.needs_ack() && self.ack != Ack::None && message.ack().is_err() {
                tally.unacknowledged += 1;
            }
        }
        Ok(reader)
    }

    fn text(&self, message: &Message) -> Vec<u8> {
        let mut text = Vec::with_capacity(message.body().len() + 1);
        if self.show_headers {
            for (name, value) in message.headers().iter() {
                let value = String::from_utf8_lossy(&value.octets()).replace('\n', "\\n");
                let line = format!("{}: {value}\n", String::from_utf8_lossy(&name.octets()));
                text.extend_from_slice(&for_stdout(line.as_bytes()));
            }
            text.push(b'\n');
        }
        text.extend_from_slice(&for_stdout(message.body()));
        text.push(b'\n');
        text
    }

    /// The name of the file, or what there is to say of the message for machines.
    async fn write_file(
        &self,
        run: &Run,
        directory: &Path,
        message: &Message,
        printed: u64,
    ) -> Result<Vec<u8>, Failure> {
        let file = write_new(directory, printed + 1, message.body_bytes()).await?;
        let name = file.display().to_string();
        if !run.output.json {
            return Ok(format!("{name}\n").into_bytes());
        }
        let line = record::line(message.headers(), b"");
        let mut told: Value = serde_json::from_slice(&line).unwrap_or_default();
        if let Some(told) = told.as_object_mut() {
            told.remove("body");
            told.insert("file".into(), name.into());
        }
        Ok(format!("{told}\n").into_bytes())
    }

    fn outcome(&self, end: End, tally: &Tally) -> Result<Outcome, Failure> {
        let Tally { printed, too_large, unacknowledged } = *tally;
        let told = json!({ "messages": printed, "too_large": too_large, "unacknowledged": unacknowledged });
        let mut words = counted(printed, "message");
        if too_large > 0 {
            words += &format!("; {too_large} left that are larger than --max-body");
        }
        if unacknowledged > 0 {
            words += &format!("; {unacknowledged} come again, since their connection was lost");
        }
        let code = match end {
            End::Failed(failure) if printed == 0 => return Err(failure),
            End::Failed(failure) => {
                words += &format!("; {}", failure.words);
                failure.code_after(printed)
            }
            End::Quiet if self.count.is_some() => {
                words += &format!(" of {}", self.count.unwrap_or_default());
                Code::TimedOut
            }
            End::Stopped(code) if !self.follow => code,
            _ if too_large > 0 => Code::Partly,
            _ => Code::Done,
        };
        Ok(Outcome::new(code, words, told))
    }
}

/// Writes a file that is not there yet, to the disk, on a thread where that delays nobody.
async fn write_new(directory: &Path, first: u64, body: Bytes) -> Result<PathBuf, Failure> {
    let folder = directory.to_owned();
    let written = spawn_blocking(move || create(&folder, first, &body)).await;
    written.unwrap_or_else(|error| Err(Failure::io(directory.display(), &io::Error::other(error))))
}

/// The first number from that one on that no file has.
fn create(directory: &Path, first: u64, body: &[u8]) -> Result<PathBuf, Failure> {
    for number in first.. {
        let path = directory.join(format!("{number:06}"));
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            opened => opened.map_err(|error| Failure::io(path.display(), &error))?,
        };
        if let Err(error) = file.write_all(body).and_then(|()| file.sync_all()) {
            // A part of a body is worse than none, and the message is still in the queue.
            _ = fs::remove_file(&path);
            return Err(Failure::io(path.display(), &error));
        }
        return Ok(path);
    }
    Err(Failure::new(Code::Failed, format!("{} is full of files", directory.display())))
}
