//! A session that takes random steps, and the laws that must hold after each of them.
//!
//! The steps are read from octets, so that property tests and a fuzz target share them.

mod step;

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    sync::LazyLock,
    time::Duration,
};

use stomp_proto::{AckMode, Command, Frame, Version};
use stomp_session::{
    Action, AtLeastOnce, AttemptId, Config, Event, Input, Lost, Message, ReceiptId, Session, Subscribe,
    SubscriptionId, Timestamp, TransactionId,
};
use stomp_testkit::pair::Transcript;

use crate::sim::Random;

pub use step::Step;

/// Runs the steps that `octets` encode, then disconnects, and checks the laws of [`Player`] on the way.
///
/// It does so twice, the second time with the octets of the broker cut anywhere, and compares the two runs.
///
/// # Panics
/// Panics if a law does not hold or the runs differ.
pub fn play(octets: &[u8]) {
    let (steps, seed) = read(octets);
    let whole = Player::new(None).log().run(&steps);
    let cut = Player::new(Some(Random::new(seed))).log().run(&steps);
    assert_eq!(cut, whole, "events depend on how input was cut");
}

/// Runs the steps as [`play`] does, but for two of three lengths of `octets` only once, with whole or cut octets. This
/// allows about three times as many runs in the same time.
///
/// # Panics
/// Panics if a law does not hold or two runs differ.
pub fn play_quickly(octets: &[u8]) {
    let (steps, seed) = read(octets);
    match octets.len() % 3 {
        0 => _ = Player::new(None).run(&steps),
        1 => _ = Player::new(Some(Random::new(seed))).run(&steps),
        _ => play(octets),
    }
}

/// The steps, and from the octets that are left over the seed of the cuts.
fn read(octets: &[u8]) -> (Vec<Step>, u64) {
    let (triples, rest) = octets.as_chunks::<3>();
    let seed = rest.iter().fold(1, |seed, octet| seed * 256 + u64::from(*octet));
    (triples.iter().copied().map(Step::read).collect(), seed)
}

/// A session, and what is known of it from outside. After each step:
///
/// - what it wrote is STOMP, begins with CONNECT and ends with DISCONNECT;
/// - after the time was reported, the next deadline lies ahead;
/// - a connection begins with the subscriptions that live, in order, before anything else;
/// - no receipt is resolved twice, and none is left unresolved at the end;
/// - what is sent at least once is written once on a connection, and no more after it was resolved or taken back;
/// - a transaction stays on its connection;
/// - messages come in order, and what is acknowledged came on the same connection;
/// - nothing follows the end.
#[derive(Debug)]
pub struct Player {
    session: Session,
    now: Timestamp,
    input: Option<Input>,
    dialling: bool,
    attempt: Option<AttemptId>,
    /// Where the broker's octets are cut, if they are.
    cuts: Option<Random>,
    transcript: Transcript,
    messages: Vec<Message>,
    live: Vec<SubscriptionId>,
    /// The subscriptions with which this connection has yet to begin.
    replay: VecDeque<SubscriptionId>,
    /// Those that wait until they may be sent again.
    waiting: BTreeSet<SubscriptionId>,
    /// What came out of the input and was not looked at.
    pulled: VecDeque<Event>,
    transactions: Vec<TransactionId>,
    /// What is sent at least once and not resolved.
    kept: Vec<ReceiptId>,
    awaited: BTreeSet<ReceiptId>,
    connection: u64,
    /// Messages that the broker has sent.
    sent: u64,
    /// The number of the last message that came.
    came: Option<u64>,
    closed: bool,
    /// All that the session told and wrote, if somebody compares it.
    log: Option<Vec<String>>,
}

impl Player {
    /// Creates a player with a new session. `cuts` determines how the octets of the broker are cut; with `None` they
    /// are whole.
    #[must_use]
    pub fn new(cuts: Option<Random>) -> Self {
        Self {
            session: Session::new(CONFIG.clone(), Timestamp::ZERO),
            now: Timestamp::ZERO,
            input: None,
            dialling: false,
            attempt: None,
            cuts,
            transcript: Transcript::new(),
            messages: Vec::new(),
            live: Vec::new(),
            replay: VecDeque::new(),
            waiting: BTreeSet::new(),
            pulled: VecDeque::new(),
            transactions: Vec::new(),
            kept: Vec::new(),
            awaited: BTreeSet::new(),
            connection: 0,
            sent: 0,
            came: None,
            closed: false,
            log: None,
        }
    }

    /// Makes the player keep a log of everything that its session reports and writes.
    #[must_use]
    pub fn log(mut self) -> Self {
        self.log = Some(Vec::new());
        self
    }

    /// Runs all steps, then ends the session. Returns the log, if there is one.
    pub fn run(mut self, steps: &[Step]) -> Option<Vec<String>> {
        for step in steps {
            self.step(*step);
            self.collect();
        }
        self.finish();
        self.log
    }

    fn tell(&mut self, what: fmt::Arguments<'_>) {
        if let Some(log) = &mut self.log {
            log.push(what.to_string());
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Ack(which) => self.settle(which, false),
            Step::Dial => self.dial(),
            Step::Disconnect => self.disconnect(),
            Step::Hear(what, which) => self.hear(what, which),
            Step::Keep(which) => self.keep(which),
            Step::Lose => self.lose(),
            Step::Nack(which) => self.settle(which, true),
            Step::Pass(milliseconds) => self.pass(Duration::from_millis(milliseconds.into())),
            Step::Pause(true) => self.session.pause_input(),
            Step::Pause(false) => self.session.resume_input(self.now),
            Step::Send(confirmed) => self.send(confirmed),
            Step::Subscribe(which) => self.subscribe(which),
            Step::Transact(what) => self.transact(what),
            Step::Unsubscribe(which) => self.unsubscribe(which),
            Step::Wait => self.wait(),
            Step::Write => self.write(),
        }
    }

    /// Disconnects and lets time pass until the end.
    fn finish(&mut self) {
        self.disconnect();
        self.collect();
        for _ in 0..1000 {
            if self.session.is_closed() {
                break;
            }
            self.write();
            self.wait();
            self.collect();
        }
        assert!(self.closed, "the session does not end");
        assert!(self.awaited.is_empty(), "never resolved: {:?}", self.awaited);
        assert_eq!(self.session.poll_timeout(), None);
        assert_eq!(self.session.poll_transmit(self.now), None);
    }

    /// From here on no subscription is wanted.
    fn disconnect(&mut self) {
        self.session.disconnect();
        self.live.clear();
    }

    /// In the newest transaction, whose connection may have ended.
    fn transact(&mut self, what: u8) {
        let frame = Frame::new(Command::Send).with_header("destination", "/queue/t");
        let newest = self.transactions.last().copied().filter(|_| what % 8 > 1);
        let done = match (newest, what % 8) {
            (None, _) => self.session.begin().map(|transaction| self.transactions.push(transaction)),
            (Some(transaction), 2) => self.session.abort(transaction),
            (Some(transaction), 3 | 4) => {
                let committed = self.session.commit(transaction, Duration::from_secs(3));
                committed.map(|id| assert!(self.awaited.insert(id), "{id:?} was used before"))
            }
            (Some(transaction), 5) => match self.messages.last_mut() {
                Some(message) => self.session.ack_in(transaction, message),
                None => Ok(()),
            },
            (Some(transaction), _) => self.session.send_in(transaction, &frame),
        };
        self.tell(format_args!("{done:?}"));
    }

    fn keep(&mut self, which: u8) {
        if let Some(id) = self.kept.get(usize::from(which)).copied() {
            self.session.cancel(id);
            self.kept.retain(|kept| *kept != id);
            self.awaited.remove(&id);
        }
        let frame = Frame::new(Command::Send).with_header("destination", format!("/queue/{}", which % 2));
        let how = AtLeastOnce::new().timeout(Duration::from_secs(u64::from(which)));
        let how = if which % 4 < 2 { how } else { how.ordered() };
        if let Ok(id) = self.session.send_at_least_once(frame, how) {
            assert!(self.awaited.insert(id), "{id:?} was used before");
            self.kept.push(id);
        }
    }

    fn settle(&mut self, which: u8, nack: bool) {
        // The newest ones are the interesting ones.
        let back = 1 + usize::from(which % 16);
        let Some(at) = self.messages.len().checked_sub(back) else { return };
        let Some(message) = self.messages.get_mut(at) else { return };
        let settled = if nack { self.session.nack(message) } else { self.session.ack(message) };
        self.tell(format_args!("{settled:?}"));
    }

    fn dial(&mut self) {
        if self.input.is_none() && !self.dialling {
            self.wait();
            self.collect();
        }
        if std::mem::take(&mut self.dialling) {
            self.connection += 1;
            self.input = self.session.handle_connected(self.attempt.expect("a dial"), None, self.now);
            self.transcript = Transcript::new();
        }
    }

    fn lose(&mut self) {
        if self.input.take().is_some() || std::mem::take(&mut self.dialling) {
            self.session.handle_disconnected(self.attempt.expect("a dial"), Lost::Eof, self.now);
        }
    }

    fn pass(&mut self, duration: Duration) {
        self.now = self.now.after(duration);
        self.session.handle_timeout(self.now);
        let next = self.session.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "due at {next:?}, and it is {}", self.now);
    }

    fn wait(&mut self) {
        if let Some(next) = self.session.poll_timeout() {
            self.pass(next.since(self.now));
        }
    }

    fn send(&mut self, confirmed: bool) {
        let frame = Frame::new(Command::Send).with_header("destination", "/queue/a").with_body("x");
        if !confirmed {
            let sent = self.session.send(&frame);
            self.tell(format_args!("{sent:?}"));
        } else if let Ok(id) = self.session.send_confirmed(frame) {
            assert!(self.awaited.insert(id), "{id:?} was used before");
        }
    }

    fn subscribe(&mut self, which: u8) {
        let mode = [AckMode::Auto, AckMode::Client, AckMode::ClientIndividual][usize::from(which % 3)];
        let subscribe = Subscribe::new(format!("/queue/{which}")).ack(mode);
        self.live.extend(self.session.subscribe(subscribe));
    }

    fn unsubscribe(&mut self, which: u8) {
        let count = self.live.len().max(1);
        if let Some(id) = self.live.get(usize::from(which) % count).copied() {
            self.session.unsubscribe(id).expect("a subscription that lives");
            self.live.retain(|live| *live != id);
        }
    }

    fn hear(&mut self, what: u8, which: u8) {
        let octets = self.phrase(what, which);
        if self.session.connection().is_none() {
            self.replay = self.live.iter().copied().filter(|id| !self.waiting.contains(id)).collect();
        }
        let Some(input) = &mut self.input else { return };
        let mut rest = &octets[..];
        while !rest.is_empty() {
            let most = self.cuts.as_mut().map_or(usize::MAX, |cuts| 1 + cuts.below(9));
            let (now, later) = rest.split_at(most.min(rest.len()));
            input.feed(now);
            self.pulled.extend(core::iter::from_fn(|| self.session.next_event(input, self.now)));
            rest = later;
        }
    }

    /// What a broker might say.
    fn phrase(&mut self, what: u8, which: u8) -> Vec<u8> {
        let version = Version::ALL[usize::from(which) % 3];
        let header = ["receipt-id", "subscription", "x"][usize::from(what % 3)];
        match what % 32 {
            0..24 if self.session.connection().is_none() => {
                format!("CONNECTED\nversion:{version}\nheart-beat:{which}00,1000\n\n\0").into_bytes()
            }
            0..10 => self.message(which % 3),
            10..17 => format!("RECEIPT\nreceipt-id:{}\n\n\0", self.receipt(which)).into_bytes(),
            17 | 18 => format!("ERROR\nmessage:no\nreceipt-id:{}\n\n\0", self.receipt(which)).into_bytes(),
            19..22 => format!("ERROR\nmessage:no\n{header}:{}\n\n\0", which % 16).into_bytes(),
            22..25 => b"\n\n".to_vec(),
            25..28 => [self.message(which % 3), b"\n".to_vec(), self.message(which % 2)].concat(),
            28 if which < 64 => vec![which; 3],
            29 if which < 64 => [self.message(0), self.message(1), b"garbage\nx".to_vec()].concat(),
            30 => b"ERROR\nmessage:no\n\n\0RECEIPT\nreceipt-id:1\n\n\0".to_vec(),
            31 if which < 64 => b"CONNECTED\nversion:1.2\n\n\0\n\nRECEIPT\nreceipt-id:1\n\n\0".to_vec(),
            _ => [&b"MESSAGE\nsubscription:0\nmessage-id:0\n"[..], &self.message(0)].concat(),
        }
    }

    /// The receipt that one of the last frames asked for, or none that any has.
    fn receipt(&self, which: u8) -> String {
        let asked: Vec<_> =
            self.transcript.frames().iter().filter_map(|frame| frame.header("receipt")).collect();
        let at = asked.len().checked_sub(1 + usize::from(which % 8));
        at.and_then(|at| asked.get(at)).map_or_else(|| "99999".to_owned(), |text| text.to_string())
    }

    fn message(&mut self, subscription: u8) -> Vec<u8> {
        self.sent += 1;
        let id = format!("{}-{}", self.connection, self.sent);
        format!("MESSAGE\nsubscription:{subscription}\nmessage-id:{id}\nack:{id}\ndestination:a\n\nx\0")
            .into()
    }

    fn write(&mut self) {
        while let Some(octets) = self.session.poll_transmit(self.now) {
            assert!(self.input.is_some(), "there is no connection to write on");
            self.tell(format_args!("{}", octets.escape_ascii()));
            let version = self.session.connection().map(|connection| connection.version);
            let known = self.transcript.frames().len();
            self.transcript.note(&octets, version);
            for frame in &self.transcript.frames()[known..] {
                self.check_own(frame);
                self.check_copy(frame);
                self.check_begun(frame);
            }
            self.check_replay(known);
        }
    }

    /// The subscriptions come first, in order. One that has ended meanwhile may be among them.
    fn check_replay(&mut self, known: usize) {
        // An acknowledgement waits for nothing that is sent alone.
        let is_free =
            |frame: &&Frame| matches!(frame.command(), Command::Connect | Command::Ack | Command::Nack);
        for frame in self.transcript.frames()[known..].iter().filter(|frame| !is_free(frame)) {
            let id = frame.header("id").filter(|_| frame.command() == Command::Subscribe);
            let id = id.and_then(|id| self.waiting.iter().copied().find(|waiting| id == *number(*waiting)));
            if id.is_some_and(|id| self.waiting.remove(&id)) {
                continue;
            }
            while let Some(id) = self.replay.pop_front() {
                let named = frame.header("id").is_some_and(|text| text == *number(id));
                if named && frame.command() == Command::Subscribe {
                    break;
                }
                assert!(!self.live.contains(&id), "{frame:?} before {id:?}");
            }
        }
    }

    /// What is done in a transaction is done on the connection on which it began, and asks for a RECEIPT.
    fn check_begun(&self, frame: &Frame) {
        let Some(name) = frame.header("transaction").filter(|name| name.to_string().starts_with('t')) else {
            return;
        };
        let mut begins = self.transcript.frames().iter().filter(|other| other.command() == Command::Begin);
        assert!(begins.any(|begin| begin.header("transaction") == Some(name)), "{frame:?} without BEGIN");
        assert!(frame.headers().contains("receipt"), "{frame:?}");
    }

    /// A copy is one of what is not resolved, and the only one on this connection.
    fn check_copy(&self, frame: &Frame) {
        let Some(identity) = frame.header("_AMQ_DUPL_ID") else { return };
        let is_it = |id: &&ReceiptId| identity.to_string().ends_with(&format!("-{}", number(**id)));
        assert!(self.kept.iter().any(|id| is_it(&id)), "{identity} is over");
        let copies =
            self.transcript.frames().iter().filter(|other| other.header("_AMQ_DUPL_ID") == Some(identity));
        assert_eq!(copies.count(), 1, "{identity}");
    }

    /// What is acknowledged came on this connection.
    fn check_own(&self, frame: &Frame) {
        if matches!(frame.command(), Command::Ack | Command::Nack) {
            let id = frame
                .header("id")
                .or_else(|| frame.header("message-id"))
                .map_or_else(String::new, |id| id.to_string());
            assert!(
                id.starts_with(&format!("{}-", self.connection)),
                "{id} on connection {}",
                self.connection
            );
        }
    }

    fn collect(&mut self) {
        while let Some(event) = self.pulled.pop_front().or_else(|| self.session.poll_event()) {
            assert!(!self.closed, "after the end came {event:?}");
            self.tell(format_args!("{event:?}"));
            self.note(event);
        }
        while let Some(action) = self.session.poll_action() {
            self.tell(format_args!("{action:?}"));
            (self.input, self.dialling) = (None, matches!(action, Action::Connect(_)));
            if let Action::Connect(attempt) = action {
                self.attempt = Some(attempt.id);
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Closed(_) => self.closed = true,
            Event::Message(message) => self.note_message(message),
            Event::Receipt { id, .. } => {
                assert!(self.awaited.remove(&id), "{id:?} was resolved before");
                self.kept.retain(|kept| *kept != id);
            }
            Event::Resubscribing { id, .. } => {
                self.waiting.insert(id);
                self.replay.retain(|expected| *expected != id);
            }
            Event::Subscribed(id) => _ = self.waiting.remove(&id),
            Event::SubscriptionEnded { id, .. } => {
                self.live.retain(|live| *live != id);
            }
            _ => {}
        }
    }

    fn note_message(&mut self, message: Message) {
        let id = message.header("message-id").expect("it was sent with one").to_string();
        let number = id.split('-').next_back().and_then(|number| number.parse().ok());
        assert!(number > self.came, "{number:?} came after {:?}", self.came);
        self.came = number;
        self.messages.push(message);
    }
}

/// The number in the name that a receipt or a subscription has in a log.
fn number(id: impl fmt::Debug) -> String {
    format!("{id:?}").chars().filter(char::is_ascii_digit).collect()
}

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let uri = "failover:(tcp://a,tcp://b)?startupMaxReconnectAttempts=-1&reconnectDelayJitter=7";
    let mut config = Config::new(uri.parse().expect("a list of brokers"));
    (config.send_beat, config.receive_beat) = (Duration::from_secs(1), Duration::from_secs(2));
    config.receipt_timeout = Duration::from_secs(5);
    config.identity = Some(7);
    config.at_least_once_window = 3;
    config
});
