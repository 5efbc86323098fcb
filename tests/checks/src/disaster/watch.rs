//! What is known of one connection from its octets alone.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use stomp_proto::{Command, Frame, HeartBeat, Item, Limits, Parser, Sender, Version};
use stomp_session::{ConnectionId, Timestamp};
use stomp_testkit::pair::Transcript;

use super::{
    actor::{MARK, Mark},
    law::{Checked, Law, Violation, demand},
    plan::WHOLE,
    words::{self, Meaning},
};

/// A connection as an eavesdropper sees it, who reads strictly and believes nobody.
#[derive(Debug)]
pub(super) struct Watch {
    /// The session's number for it, once it is known.
    pub(super) id: Option<ConnectionId>,
    written: Transcript,
    heard: Option<Parser>,
    version: Option<Version>,
    /// MESSAGEs that came and were not handed out yet.
    pub(super) inbox: VecDeque<Came>,
    /// All MESSAGEs that came.
    came: Vec<Came>,
    /// Ids that can be acknowledged here.
    deliveries: BTreeSet<String>,
    /// The number of the newest delivery, where the broker numbers them, and the broker's name for the session.
    last: u64,
    session: String,
    /// Ids that the application has asked to be acknowledged, and those that were.
    asked: BTreeSet<String>,
    settled: BTreeSet<String>,
    /// Messages, by their keys, that what was asked covers.
    pub(super) allowed: BTreeSet<String>,
    /// Receipts that frames asked for, with what they were for.
    asked_receipts: BTreeMap<String, Asked>,
    asked_at: BTreeMap<String, Timestamp>,
    pub(super) receipts: BTreeSet<String>,
    /// ERRORs that named a receipt, by it, and what they meant.
    pub(super) refusals: BTreeMap<String, Meaning>,
    /// ERRORs that named a subscription, by it, and what they meant.
    pub(super) cancels: BTreeMap<String, Meaning>,
    /// Ids of subscriptions that were refused or cancelled here.
    pub(super) refused_ids: BTreeSet<String>,
    /// Those of them that were refused or cancelled at the time at which something was last heard.
    just_refused: BTreeSet<String>,
    /// Its client is leaving it, and has just heard something: what it says was decided before, or between two frames.
    pub(super) is_left_just_now: bool,
    /// What its owner had unsubscribed before a refusal came: the UNSUBSCRIBE may still leave.
    unsubscribed: BTreeSet<Mark>,
    /// Receipts of SUBSCRIBEs that only give back what was on its way to an earlier one of their id.
    pub(super) returning: BTreeSet<String>,
    /// ERRORs that named nobody: what they meant, and what was out when they came.
    pub(super) lone: Vec<(Meaning, Out)>,
    /// Ids of subscriptions whose messages have come, and receipts that need not come any more for that.
    proven: BTreeSet<String>,
    answered: BTreeSet<String>,
    /// Subscriptions that were taken.
    pub(super) taken: Vec<Mark>,
    /// An ERROR that names nobody was the last that counts.
    pub(super) deaf: bool,
    /// Subscriptions that must be written before anything else.
    pub(super) replay: VecDeque<Mark>,
    /// Subscriptions that were written, by their id here.
    pub(super) subscribed: BTreeMap<String, Mark>,
    /// The ids of those whose UNSUBSCRIBE was written.
    pub(super) left: BTreeSet<String>,
    transactions: BTreeSet<String>,
    /// The broker has closed it, or the network.
    pub(super) has_ended: bool,
    /// Whether an ERROR that names nobody is no end here.
    pub(super) stays_open: bool,
    /// Whether any subscription here is acknowledged cumulatively.
    pub(super) cumulative: bool,
    pub(super) agreed: HeartBeat,
    /// When something was last written; excused while nothing can be.
    pub(super) last_written: Timestamp,
    /// When something was last read; excused while nothing is.
    pub(super) last_heard: Timestamp,
    /// The client has said since then that it was late itself.
    pub(super) excused: bool,
}

/// A MESSAGE that came.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) id: String,
    pub(super) subscription: String,
}

/// What a receipt was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A SEND, by the key of its body.
    Send(String),
    /// A SUBSCRIBE, by its mark and its id.
    Subscribe(Mark, String),
    Other(Command),
}

/// The time within which a broker refuses a SUBSCRIBE.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What asked for a RECEIPT and was not answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Out {
    pub(super) sends: Vec<String>,
    pub(super) marks: Vec<Mark>,
}

impl Watch {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            id: None,
            written: Transcript::new(),
            heard: Some(Parser::new(Sender::Server, Limits::default())),
            version: None,
            inbox: VecDeque::new(),
            came: Vec::new(),
            deliveries: BTreeSet::new(),
            last: 0,
            session: String::new(),
            asked: BTreeSet::new(),
            settled: BTreeSet::new(),
            allowed: BTreeSet::new(),
            asked_receipts: BTreeMap::new(),
            asked_at: BTreeMap::new(),
            receipts: BTreeSet::new(),
            refusals: BTreeMap::new(),
            cancels: BTreeMap::new(),
            refused_ids: BTreeSet::new(),
            just_refused: BTreeSet::new(),
            is_left_just_now: false,
            unsubscribed: BTreeSet::new(),
            returning: BTreeSet::new(),
            lone: Vec::new(),
            proven: BTreeSet::new(),
            answered: BTreeSet::new(),
            taken: Vec::new(),
            deaf: false,
            replay: VecDeque::new(),
            subscribed: BTreeMap::new(),
            left: BTreeSet::new(),
            transactions: BTreeSet::new(),
            has_ended: false,
            stays_open: false,
            cumulative: false,
            agreed: HeartBeat::default(),
            last_written: now,
            last_heard: now,
            excused: false,
        }
    }

    /// The client has read that.
    pub(super) fn hear(&mut self, octets: &[u8], now: Timestamp) {
        if now > self.last_heard {
            self.just_refused.clear();
        }
        (self.last_heard, self.excused) = (now, false);
        let Some(parser) = &mut self.heard else { return };
        parser.feed(octets);
        loop {
            match self.heard.as_mut().map(Parser::next_item) {
                Some(Ok(Some(Item::Frame(frame)))) => self.note_heard(&frame),
                Some(Ok(Some(_))) => {}
                Some(Ok(None)) | None => break,
                // No STOMP any more, and the client's to notice.
                Some(Err(_)) => self.heard = None,
            }
        }
    }

    fn note_heard(&mut self, frame: &Frame) {
        let text = |name: &str| frame.header(name).map(|value| value.to_string());
        match frame.command() {
            Command::Connected => {
                let version =
                    text("version").and_then(|name| Version::from_name(&name)).unwrap_or(Version::V1_0);
                self.version = Some(version);
                self.session = text("session").unwrap_or_default();
                self.heard.iter_mut().for_each(|parser| parser.set_version(version));
            }
            Command::Message => {
                let id = text("ack").or_else(|| text("message-id")).unwrap_or_default();
                self.last =
                    id.rsplit_once("@@").and_then(|(_, number)| number.parse().ok()).unwrap_or(self.last);
                self.deliveries.insert(id.clone());
                let came = Came { id, subscription: text("subscription").unwrap_or_default() };
                self.note_taken_by(&came.subscription);
                self.came.push(came.clone());
                self.inbox.push_back(came);
            }
            Command::Receipt => self.note_receipt(text("receipt-id").unwrap_or_default()),
            Command::Error => self.note_error(frame),
            _ => {}
        }
    }

    /// A MESSAGE says that its subscription stands, whether a RECEIPT has come or not.
    fn note_taken_by(&mut self, id: &str) {
        let Some(mark) = self.subscribed.get(id).copied().filter(|_| !self.deaf) else { return };
        if self.proven.contains(id) || self.refused_ids.contains(id) {
            return;
        }
        self.proven.insert(id.to_owned());
        self.taken.push(mark);
        self.note_answered(id);
    }

    /// What a MESSAGE or an ERROR has answered needs no RECEIPT any more.
    fn note_answered(&mut self, id: &str) {
        let is_this = |asked: &Asked| matches!(asked, Asked::Subscribe(_, other) if other == id);
        let of_this = self.asked_receipts.iter().filter(|(_, asked)| is_this(asked));
        self.answered.extend(of_this.map(|(receipt, _)| receipt.clone()));
    }

    fn note_receipt(&mut self, id: String) {
        // One that is repeated after the broker has cancelled the subscription says nothing.
        if let Some(Asked::Subscribe(mark, name)) = self.asked_receipts.get(&id)
            && !self.deaf
            && !self.refused_ids.contains(name)
            && !self.refusals.contains_key(&id)
        {
            self.taken.push(*mark);
        }
        self.receipts.insert(id);
    }

    fn note_error(&mut self, error: &Frame) {
        let text = |name: &str| error.header(name).map(|value| value.to_string());
        let meaning = words::meaning(error);
        if let Some(receipt) = text("receipt-id") {
            if let Some(Asked::Subscribe(_, id)) = self.asked_receipts.get(&receipt) {
                self.refused_ids.insert(id.clone());
                self.just_refused.insert(id.clone());
            }
            self.refusals.insert(receipt, meaning);
        } else if let Some(id) = text("subscription") {
            self.note_answered(&id);
            self.refused_ids.insert(id.clone());
            self.just_refused.insert(id.clone());
            self.cancels.insert(id, meaning);
        } else if !self.note_stray(error) {
            self.lone.push((meaning, self.out(self.last_heard)));
            self.deaf |= !self.stays_open;
        }
    }

    pub(super) fn note_unsubscribed(&mut self, mark: Mark) {
        let mut ids = self.subscribed.iter().filter(|(_, of)| **of == mark);
        if !ids.any(|(id, _)| self.refused_ids.contains(id)) {
            self.unsubscribed.insert(mark);
        }
    }

    /// What has not been answered.
    pub(super) fn out(&self, now: Timestamp) -> Out {
        let is_open = |receipt: &&String| {
            !self.receipts.contains(*receipt)
                && !self.refusals.contains_key(*receipt)
                && !self.answered.contains(*receipt)
        };
        let open = self.asked_receipts.iter().filter(|(receipt, _)| is_open(receipt));
        let mut out = Out::default();
        let mut marks = Vec::new();
        for (receipt, asked) in open {
            match asked {
                Asked::Send(key) => out.sends.push(key.clone()),
                Asked::Subscribe(mark, _) => marks.push((self.asked_at.get(receipt).copied(), *mark)),
                Asked::Other(_) => {}
            }
        }
        // A broker that refuses a SUBSCRIBE says so at once: it means the newest, or what came shortly before.
        let newest = marks.iter().map(|(at, _)| *at).max().flatten();
        let counts = |at: Option<Timestamp>| at == newest || at.is_some_and(|at| now.since(at) < AT_ONCE);
        out.marks = marks.into_iter().filter(|(at, _)| counts(*at)).map(|(_, mark)| mark).collect();
        out
    }

    /// An ERROR that stands for a message which an UNSUBSCRIBE has overtaken: it can be given back.
    fn note_stray(&mut self, error: &Frame) -> bool {
        let body = String::from_utf8_lossy(error.body());
        let tag = body.strip_prefix("There is no current subscription with tag '");
        if let Some(tag) = tag.and_then(|rest| rest.strip_suffix("'\n")) {
            self.last += 1;
            self.deliveries.insert(format!("{tag}@@{}@@{}", self.session, self.last));
            return true;
        }
        false
    }

    /// The client has written that: gives the frames that it completes.
    pub(super) fn write(&mut self, octets: &[u8], now: Timestamp) -> Checked<Vec<Frame>> {
        self.last_written = now;
        let known = self.written.frames().len();
        let wrong = |what| Violation { law: Law::Wire, what };
        self.written.try_note(octets, self.version).map_err(wrong)?;
        Ok(self.written.frames().get(known..).unwrap_or_default().to_vec())
    }

    /// What the frames that the client writes have to do with each other.
    pub(super) fn check_written(&mut self, frame: &Frame) -> Checked {
        let text = |name: &str| frame.header(name).map(|value| value.to_string());
        if let Some(receipt) = text("receipt") {
            let asked = match frame.command() {
                Command::Send => Asked::Send(super::accounts::key(frame.body())),
                Command::Subscribe if !self.returning.contains(&receipt) => {
                    let mark = text(MARK).and_then(|mark| mark.parse().ok()).unwrap_or(Mark::MAX);
                    Asked::Subscribe(mark, text("id").unwrap_or_default())
                }
                other => Asked::Other(other),
            };
            self.asked_at.insert(receipt.clone(), self.last_written);
            let before = self.asked_receipts.insert(receipt.clone(), asked);
            demand(before.is_none(), Law::RightResult, || {
                format!("the receipt {receipt} was asked for twice")
            })?;
        }
        match frame.command() {
            Command::Nack if text("transaction").is_some_and(|name| name.starts_with("unsubscribe-")) => {
                self.check_returned(&text("id").or_else(|| text("message-id")).unwrap_or_default())
            }
            Command::Ack | Command::Nack => {
                self.check_settled(&text("id").or_else(|| text("message-id")).unwrap_or_default())
            }
            Command::Begin => {
                self.transactions.extend(text("transaction"));
                Ok(())
            }
            Command::Commit | Command::Abort | Command::Send => self.check_transaction(text("transaction")),
            // Nothing may follow, and no heart-beat either.
            Command::Disconnect => {
                self.agreed.outgoing = 0;
                Ok(())
            }
            Command::Unsubscribe => {
                let id = text("id").unwrap_or_default();
                let mark = self.subscribed.get(&id);
                let may_leave = mark.is_some_and(|mark| self.unsubscribed.contains(mark));
                let is_late = self.is_left_just_now && self.just_refused.contains(&id);
                let is_there = may_leave || is_late || !self.refused_ids.contains(&id) || !WHOLE;
                let stands = is_there && mark.is_some() && self.left.insert(id.clone());
                demand(stands, Law::Wire, || format!("UNSUBSCRIBE of {id}, which is not subscribed here"))
            }
            _ => Ok(()),
        }?;
        self.check_transaction(text("transaction"))
    }

    fn check_settled(&mut self, id: &str) -> Checked {
        demand(self.deliveries.contains(id), Law::NoStaleAck, || {
            format!("{id} was not delivered on this connection")
        })?;
        demand(self.asked.contains(id), Law::NoSilentAck, || format!("nobody has settled {id}"))?;
        demand(self.settled.insert(id.to_owned()), Law::NoSilentAck, || format!("{id} is settled twice"))
    }

    /// What nobody has taken goes back around an UNSUBSCRIBE.
    fn check_returned(&mut self, id: &str) -> Checked {
        demand(self.deliveries.contains(id), Law::NoStaleAck, || {
            format!("{id} was not delivered on this connection")
        })?;
        demand(!self.asked.contains(id), Law::NoSilentAck, || format!("{id} was settled, and goes back"))?;
        demand(self.settled.insert(id.to_owned()), Law::NoSilentAck, || format!("{id} is settled twice"))
    }

    /// The application asks for a message to be settled, and in the cumulative mode for all of its subscription before it.
    pub(super) fn ask(&mut self, id: &str, is_cumulative: bool) {
        self.asked.insert(id.to_owned());
        let Some(at) = self.came.iter().position(|came| came.id == id).filter(|_| is_cumulative) else {
            return;
        };
        let Some((last, before)) = self.came.get(..=at).and_then(<[_]>::split_last) else { return };
        let before = before.iter().filter(|came| came.subscription == last.subscription);
        self.asked.extend(before.map(|came| came.id.clone()));
    }

    fn check_transaction(&self, name: Option<String>) -> Checked {
        let known = name.as_ref().is_none_or(|name| self.transactions.contains(name));
        demand(known, Law::Transaction, || format!("{name:?} did not begin on this connection"))
    }

    /// What receipts were asked for.
    pub(super) fn asked(&self) -> impl Iterator<Item = (&String, &Asked)> {
        self.asked_receipts.iter()
    }

    /// The receipts that copies of a SEND asked for.
    pub(super) fn receipts_of(&self, body: &str) -> impl Iterator<Item = &String> {
        let is_copy = move |asked: &Asked| matches!(asked, Asked::Send(key) if key == body);
        self.asked_receipts.iter().filter(move |(_, asked)| is_copy(asked)).map(|(receipt, _)| receipt)
    }

    /// Whether an ERROR has named what asked for that RECEIPT.
    pub(super) fn is_refused(&self, receipt: &str) -> bool {
        self.refusals.contains_key(receipt)
    }

    /// What ERRORs said that named a copy of a SEND.
    pub(super) fn refusals_of(&self, body: &str) -> Vec<Meaning> {
        self.receipts_of(body).filter_map(|receipt| self.refusals.get(receipt)).copied().collect()
    }

    /// Receipts that frames of that command asked for.
    pub(super) fn receipts_for(&self, command: Command) -> impl Iterator<Item = &String> {
        let of_command = move |asked: &Asked| *asked == Asked::Other(command);
        self.asked_receipts.iter().filter(move |(_, asked)| of_command(asked)).map(|(receipt, _)| receipt)
    }
}
