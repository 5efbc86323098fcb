//! `stomp move`: moves messages from one queue to another, and loses none of them, whatever happens.
//!
//! A copy is sent at least once, and the message is acknowledged when the broker has confirmed the copy. Whoever is killed in
//! between has left the message where it was, and perhaps its copy as well.

use clap::Args;
use serde_json::json;
use stomp_tokio::{
    ConnectionId, Message, Oversized, Profile, SendBuilder, Subscription, SubscriptionItem,
    application_headers,
};

use crate::{
    arrivals::{self, Arrival},
    exit::{Code, Failure, Outcome},
    flights::Flights,
    options::{Condition, Header, Span},
    output::{Progress, counted},
    run::{Link, Run},
};

/// So many messages may be on their way.
const WINDOW: u32 = 100;
/// So many can be looked at and left.
const LOOKED_AT: u32 = 1000;

/// Move messages to another queue, such as dead letters back
#[derive(Args)]
pub(crate) struct Move {
    /// The queue that is emptied
    from: String,
    /// Where its messages go
    to: String,
    /// Only those with this header, or all of these
    #[arg(long = "where", value_name = "NAME[=VALUE]")]
    conditions: Vec<Condition>,
    /// Only what the broker selects, if it can
    #[arg(long, value_name = "SQL")]
    selector: Option<String>,
    /// End after this number
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
    /// End after that quiet
    #[arg(long, default_value = "2s", value_name = "TIME")]
    idle: Span,
    /// Set a header of the copies
    #[arg(short = 'H', long, value_name = "NAME:VALUE")]
    header: Vec<Header>,
    /// How many may be on their way
    #[arg(long, value_name = "N")]
    prefetch: Option<u32>,
    /// Count what would be moved, and leave it
    #[arg(long)]
    dry_run: bool,
    /// Allow a topic, where messages may be lost
    #[arg(long)]
    to_topic: bool,
}

/// What became of one message.
enum Moved {
    Done,
    /// It is in both queues, or its ACK is under way.
    CopiedOnly(String),
    Left(Failure),
}

/// How it went.
#[derive(Default)]
struct Tally {
    moved: u64,
    copied_only: u64,
    /// They do not meet the conditions.
    others: u64,
    too_large: u64,
    held_octets: usize,
    held_on: Option<ConnectionId>,
    failed: u64,
    failure: Option<Failure>,
    code: Option<Code>,
    /// All that may be out is out: there may be more in the queue.
    is_full: bool,
}

impl Tally {
    fn note(&mut self, moved: Moved, run: &Run) {
        match moved {
            Moved::Done => self.moved += 1,
            Moved::CopiedOnly(why) => {
                // After an outage they are many, for the same reason.
                if self.copied_only == 0 {
                    run.output.news(format_args!("a message may come a second time: {why}"));
                }
                self.copied_only += 1;
            }
            Moved::Left(failure) => {
                self.failed += 1;
                self.failure.get_or_insert(failure);
            }
        }
    }

    /// It stays, and the broker waits for word of it.
    fn hold(&mut self, message: &Message, is_meant: bool, dry_run: bool) {
        // On the next connection all of it comes again.
        if self.held_on.replace(message.connection()) != Some(message.connection()) {
            (self.others, self.too_large, self.held_octets) = (0, 0, 0);
            self.moved = if dry_run { 0 } else { self.moved };
        }
        self.others += 1;
        self.moved += u64::from(is_meant);
        self.held_octets += message.size();
    }

    /// Whether there may be more behind what is held. RabbitMQ counts messages; others count octets, or read their queues by
    /// pages of 200, whatever they were asked for.
    fn may_hide_others(&self, source: &Link, window: u32) -> bool {
        let connection = source.client.connection();
        let counts = connection.is_some_and(|connection| connection.profile.name == Profile::RABBITMQ.name);
        let held = self.held();
        held >= u64::from(window) || !counts && (held >= 200 || self.held_octets >= window as usize * 512)
    }

    /// Those that are kept from moving until the end.
    const fn held(&self) -> u64 {
        self.others + self.too_large
    }
}

impl Move {
    pub(crate) async fn run(self, run: &Run) -> Result<Outcome, Failure> {
        self.check()?;
        // Two connections: a broker that reads no more of one that publishes still reads the acknowledgements.
        let builder = run.prepare()?;
        let source = run.connect_by(builder.clone()).await?;
        let target = run.connect_by(builder).await?;
        let mut subscription = self.subscribe(run, &source).await?;
        let mut tally = Tally::default();
        let progress = run.output.progress(self.count);
        self.move_all(run, (&source, &target), &mut subscription, &mut tally, &progress).await;
        drop(progress);
        drop(subscription);
        for link in [source, target] {
            if let Err(closed) = link.leave().await {
                run.output.news(closed);
            }
        }
        self.outcome(tally)
    }

    fn check(&self) -> Result<(), Failure> {
        if self.from == self.to {
            return Err(Failure::usage("FROM and TO are the same: it would never end"));
        }
        if self.to.starts_with("/topic/") && !self.to_topic {
            return Err(Failure::usage(
                "TO is a topic, where a message is lost if nobody subscribes: --to-topic allows it",
            ));
        }
        Ok(())
    }

    fn window(&self) -> u32 {
        let default = if self.dry_run || !self.conditions.is_empty() { LOOKED_AT } else { WINDOW };
        // What the broker sends beyond the number that is wanted goes back, and may count as delivered.
        let wanted =
            self.count.filter(|_| self.conditions.is_empty()).and_then(|count| u32::try_from(count).ok());
        self.prefetch.unwrap_or_else(|| wanted.map_or(default, |wanted| wanted.min(default))).max(1)
    }

    async fn subscribe(&self, run: &Run, source: &Link) -> Result<Subscription, Failure> {
        let subscribe =
            source.client.subscribe(&self.from).oversized(Oversized::Deliver).prefetch(self.window());
        let subscribe = self.selector.iter().fold(subscribe, |it, condition| it.selector(condition));
        Ok(run.unless_stopped(source.subscribe_to_queue(subscribe)).await??)
    }

    async fn move_all(
        &self,
        run: &Run,
        (source, target): (&Link, &Link),
        subscription: &mut Subscription,
        tally: &mut Tally,
        progress: &Progress,
    ) {
        let mut flights = Flights::new(self.window() as usize);
        let mut begun = 0;
        while tally.failure.is_none() && self.wants_more(begun, tally) {
            if tally.held() >= u64::from(self.window()) {
                break;
            }
            let arrival = tokio::select! {
                biased;
                Some(moved) = flights.landed(), if !flights.is_empty() => {
                    tally.note(moved, run);
                    progress.step();
                    continue;
                }
                arrival = arrivals::next(run, source, subscription, Some(self.idle.0)), if !flights.is_full() => arrival,
            };
            match arrival {
                Arrival::Item(SubscriptionItem::Message(message)) => {
                    let is_meant = self.is_meant(&message);
                    begun += u64::from(is_meant);
                    if is_meant && !self.dry_run {
                        flights.begin(message.size(), carry(self.copy(target, &message), message)).await;
                    } else {
                        tally.hold(&message, is_meant, self.dry_run);
                    }
                }
                Arrival::Item(_) => tally.too_large += 1,
                Arrival::Quiet if flights.is_empty() => break,
                Arrival::Quiet => {}
                Arrival::Stopped(code) => {
                    tally.code = Some(code);
                    break;
                }
                Arrival::Ended(failure) => tally.failure = Some(failure),
            }
        }
        while let Some(moved) = flights.landed().await {
            tally.note(moved, run);
            progress.step();
        }
        tally.is_full = self.wants_more(begun, tally) && tally.may_hide_others(source, self.window());
    }

    fn wants_more(&self, begun: u64, tally: &Tally) -> bool {
        let done = if self.dry_run { tally.moved } else { begun };
        self.count.is_none_or(|count| done < count)
    }

    fn is_meant(&self, message: &Message) -> bool {
        self.conditions.iter().all(|condition| {
            match (message.header_str(&condition.name), &condition.value) {
                (Some(found), Some(value)) => found == *value,
                (found, None) => found.is_some(),
                (None, Some(_)) => false,
            }
        })
    }

    fn copy(&self, target: &Link, message: &Message) -> SendBuilder {
        let copy = target.client.send(&self.to, message.body_bytes());
        let copy = copy.headers(&application_headers(message.headers())).persistent();
        let copy = self.header.iter().fold(copy, |copy, header| copy.header(&header.name, &header.value));
        let copy = if self.to_topic { copy } else { target.to_queue(copy) };
        copy.at_least_once()
    }

    fn outcome(&self, tally: Tally) -> Result<Outcome, Failure> {
        let others = if self.dry_run { tally.others - tally.moved } else { tally.others };
        let told = json!({
            "moved": tally.moved, "dry_run": self.dry_run, "copied_only": tally.copied_only, "others": others,
            "too_large": tally.too_large, "failed": tally.failed, "window_full": tally.is_full,
            "error": tally.failure.as_ref().map(|failure| &failure.words),
        });
        let what = if self.dry_run { "would be moved" } else { "moved" };
        let mut words =
            format!("{} {what} from {} to {}", counted(tally.moved, "message"), self.from, self.to);
        let notes = [
            (tally.copied_only, "copied and perhaps not removed"),
            (others, "left, as the conditions say"),
            (tally.too_large, "left that are larger than --max-body"),
            (tally.failed, "left that were not copied"),
        ];
        for (number, note) in notes.iter().filter(|(number, _)| *number > 0) {
            words += &format!("; {number} {note}");
        }
        if tally.is_full {
            words += "; there may be more behind those that are left: use --selector or a larger --prefetch";
        }
        let done = tally.moved + tally.copied_only;
        let code = match (&tally.failure, tally.code) {
            (Some(failure), _) => {
                words += &format!("; {}", failure.words);
                failure.code_after(done)
            }
            (None, Some(code)) => code,
            (None, None) if tally.is_full && !self.dry_run || tally.too_large + tally.copied_only > 0 => {
                Code::Partly
            }
            (None, None) => Code::Done,
        };
        Ok(Outcome::new(code, words, told))
    }
}

/// Carries one message. Dropped at any point it leaves the message, a copy, or both.
async fn carry(copy: SendBuilder, message: Message) -> Moved {
    if let Err(error) = copy.await {
        return Moved::Left(error.into());
    }
    match message.ack_confirmed().await {
        Ok(()) => Moved::Done,
        Err(error) => Moved::CopiedOnly(error.to_string()),
    }
}
