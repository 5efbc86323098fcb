//! `stomp load`: sends what `stomp drain` has written. It says how far it came, and goes on there.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;
use stomp_tokio::{SendBuilder, SendError};

use crate::{
    exit::{Code, Failure, Outcome},
    flights::Flights,
    lines::Lines,
    output::{Progress, counted},
    record::Record,
    run::{Link, Run},
};

/// So many messages may wait for their RECEIPT.
const WINDOW: usize = 200;
/// So often it is noted how far it came.
const NOTED: u64 = 500;

/// Send the messages of a file of JSON lines, each at least once
#[derive(Args)]
pub(crate) struct Load {
    /// As `stomp drain` writes it; -: stdin
    file: PathBuf,
    /// Send all to this destination [default: as each line says]
    #[arg(short, long, value_name = "DEST")]
    dest: Option<String>,
    /// Begin with this line
    #[arg(long, default_value_t = 1, value_name = "LINE")]
    from: u64,
    /// Note in FILE.sent how far it came, and go on there
    #[arg(long, conflicts_with = "from")]
    resume: bool,
    /// Send to topics, where messages may be lost (Artemis)
    #[arg(long)]
    to_topic: bool,
}

type Sent = (u64, Result<(), SendError>);

/// How far it came.
struct Tally {
    confirmed: u64,
    /// All lines before this one are confirmed, or were before this run.
    first_open: u64,
    /// Confirmed beyond that.
    beyond: BTreeSet<u64>,
    begun: u64,
    failure: Option<Failure>,
    note: Option<PathBuf>,
    noted: u64,
}

impl Load {
    pub(crate) async fn run(self, run: &Run) -> Result<Outcome, Failure> {
        let note = self.resume.then(|| note_of(&self.file));
        let from = match &note {
            Some(note) => noted(note)? + 1,
            None => self.from.max(1),
        };
        let mut lines = Lines::open(Some(&self.file)).await?;
        while lines.number() + 1 < from && lines.next().await?.is_some() {}
        let link = run.connect().await?;
        let mut tally = Tally {
            confirmed: 0,
            first_open: from,
            beyond: BTreeSet::new(),
            begun: from - 1,
            failure: None,
            note,
            noted: from - 1,
        };
        let progress = run.output.progress(None);
        self.send_all(run, &link, &mut lines, &mut tally, &progress).await;
        drop(progress);
        if let Err(closed) = link.leave().await {
            run.output.news(closed);
        }
        self.outcome(run, tally)
    }

    async fn send_all(
        &self,
        run: &Run,
        link: &Link,
        lines: &mut Lines,
        tally: &mut Tally,
        progress: &Progress,
    ) {
        let mut flights = Flights::new(WINDOW);
        while tally.failure.is_none() {
            let line = match run.unless_stopped(lines.next()).await {
                Ok(Ok(Some(line))) => line,
                Ok(Err(failure)) => {
                    tally.failure = Some(failure);
                    break;
                }
                Ok(Ok(None)) | Err(_) => break,
            };
            let octets = line.len();
            let send = match self.message(link, &line) {
                Ok(send) => send,
                Err(why) => {
                    tally.failure = Some(lines.wrong(&why));
                    break;
                }
            };
            while flights.is_full()
                && let Some(sent) = flights.landed().await
            {
                tally.take(sent, progress);
            }
            let number = lines.number();
            tally.begun = number;
            flights.begin(octets, async move { (number, send.await) }).await;
        }
        while let Some(sent) = flights.landed().await {
            tally.take(sent, progress);
        }
    }

    fn message(&self, link: &Link, line: &[u8]) -> Result<SendBuilder, String> {
        let record = Record::parse(line)?;
        let destination = self.dest.as_ref().or(record.destination.as_ref());
        let destination = destination.ok_or("there is neither a destination nor --dest")?;
        let send = link.client.send(destination, record.body.clone());
        let send = send.headers(&record.headers_to_send()).persistent();
        let send = if self.to_topic { send } else { link.to_queue(send) };
        Ok(send.at_least_once())
    }

    fn outcome(&self, run: &Run, mut tally: Tally) -> Result<Outcome, Failure> {
        let interrupted = run.stop.code();
        let is_done = tally.failure.is_none() && interrupted.is_none();
        tally.write_note();
        let next = tally.first_open;
        let told = json!({
            "confirmed": tally.confirmed, "next_line": if is_done { None } else { Some(next) },
            "error": tally.failure.as_ref().map(|failure| &failure.words),
        });
        let mut words = format!("{} confirmed", counted(tally.confirmed, "message"));
        let Some(code) = tally.failure.as_ref().map(|it| it.code_after(tally.confirmed)).or(interrupted)
        else {
            return Ok(Outcome::new(Code::Done, words, told));
        };
        if let Some(failure) = &tally.failure {
            words += &format!("; {}", failure.words);
        }
        words += &match self.resume {
            true => format!("; all before line {next} are sent: the same command goes on there"),
            false => format!("; all before line {next} are sent: go on with --from {next}"),
        };
        if tally.begun > next {
            words += &format!(", and some up to line {} will then come twice", tally.begun);
        }
        Ok(Outcome::new(code, words, told))
    }
}

impl Tally {
    fn take(&mut self, (line, outcome): Sent, progress: &Progress) {
        match outcome {
            Ok(()) => {
                self.confirmed += 1;
                progress.step();
                self.beyond.insert(line);
                while self.beyond.remove(&self.first_open) {
                    self.first_open += 1;
                }
            }
            Err(error) => {
                let failure = Failure::from(error);
                let words = format!("line {line}: {}", failure.words);
                self.failure.get_or_insert(Failure { words, ..failure });
            }
        }
        if self.first_open > self.noted + NOTED {
            self.write_note();
        }
    }

    /// A note that cannot be written is told once.
    fn write_note(&mut self) {
        let Some(note) = &self.note else { return };
        self.noted = self.first_open - 1;
        if let Err(error) = replace(note, &format!("{}\n", self.noted)) {
            self.failure.get_or_insert_with(|| Failure::io(note.display(), &error));
            self.note = None;
        }
    }
}

fn note_of(file: &Path) -> PathBuf {
    let mut note = file.as_os_str().to_owned();
    note.push(".sent");
    note.into()
}

/// The number of lines that were sent.
fn noted(note: &Path) -> Result<u64, Failure> {
    match fs::read_to_string(note) {
        Ok(text) => {
            text.trim().parse().map_err(|_| Failure::usage(format!("{} holds no number", note.display())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(Failure::io(note.display(), &error)),
    }
}

/// Whoever is killed leaves the old note or the new one.
fn replace(note: &Path, text: &str) -> io::Result<()> {
    let fresh = note.with_extension("sent.new");
    let mut file = File::create(&fresh)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
    fs::rename(&fresh, note)
}
