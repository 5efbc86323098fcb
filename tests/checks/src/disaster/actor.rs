//! A client: its session, the user behind it, and what the user knows.

use std::{collections::BTreeMap, time::Duration};

use stomp_proto::{AckMode, Command, Frame};
use stomp_session::{
    AtLeastOnce, AttemptId, Closed, CommandError, Config, ConnectionId, Endpoint, Message, ReceiptId, Retry,
    Session, Subscribe, SubscriptionId, Timestamp, TransactionId,
};

use super::{
    accounts::Accounts,
    blows::Blow,
    course::Course,
    deed::Act,
    going::Going,
    law::{Checked, Law, demand},
    plan::{Setting, WHOLE},
    subscribed::Subscribed,
    trouble::queue,
    watch::Watch,
};

/// Names a subscription for the simulator; a header of its SUBSCRIBE carries it.
pub(super) type Mark = u32;

/// The header that carries the mark.
pub(super) const MARK: &str = "mark";

/// A header of every SEND that needs escapes.
pub(super) const NOTE: (&str, &str) = ("note", r"a:b\c");

/// A client.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) number: usize,
    pub(super) session: Session,
    pub(super) link: Option<u64>,
    pub(super) dial: Option<Dial>,
    /// The newest attempt, and one before it, of which a slow owner may still report.
    pub(super) attempt: Option<AttemptId>,
    pub(super) former: Option<AttemptId>,
    /// Messages that the user has, oldest first.
    pub(super) held: Vec<Held>,
    /// Messages that the user has put aside unsettled, for good or until the end.
    pub(super) dropped: Vec<Held>,
    /// Subscriptions that live.
    pub(super) subscriptions: BTreeMap<Mark, Subscribed>,
    pub(super) operations: BTreeMap<ReceiptId, Operation>,
    /// What was handed out on the connection that stands.
    pub(super) handed: Vec<(Mark, String)>,
    /// What has ended connections, or said so.
    pub(super) blows: Vec<Blow>,
    pub(super) course: Course,
    /// Where it moves to.
    pub(super) going: Option<Going>,
    /// The broker to which the network drops its octets, and until when.
    pub(super) cut_off: Option<(usize, Timestamp)>,
    /// When it was last told that something was confirmed, or given a message.
    pub(super) served_at: Timestamp,
    /// The brokers of its list.
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) stalled_until: Timestamp,
    pub(super) was_stalled: bool,
    pub(super) paused: bool,
    pub(super) disconnected_at: Option<Timestamp>,
    pub(super) closed: Option<Closed>,
    /// The one that is open, with what is sent in it.
    pub(super) transaction: Option<(TransactionId, Vec<String>)>,
    timeout: Duration,
    prefetch: u32,
    /// Whether it promises heart-beats.
    beats: bool,
    next_mark: Mark,
    next_send: u32,
}

/// A dial on its way.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) attempt: AttemptId,
    pub(super) broker: usize,
    /// None if it never ends.
    pub(super) ends_at: Option<Timestamp>,
}

/// A message that the user has.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) message: Message,
    pub(super) mark: Mark,
    pub(super) key: String,
    /// The mode of its subscription, which may be over, and how often that had been sent again.
    pub(super) ack_mode: Option<AckMode>,
    pub(super) retries: u32,
}

impl Held {
    /// Whether its user means all messages before it too. 1.0 knows no other ACK, and its user may yet ask for the other.
    fn is_cumulative(&self) -> bool {
        self.ack_mode == Some(AckMode::Client)
    }
}

/// Something that a result is awaited of.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) key: String,
    /// What is sent in the transaction, if it is the COMMIT of one.
    pub(super) commits: Vec<String>,
    pub(super) since: Timestamp,
}

impl Operation {
    pub(super) fn is_commit(&self) -> bool {
        self.key.starts_with("commit")
    }
}

/// What the queues begin with that are for one connection alone.
const EXCLUSIVE: &str = "/queue/x";

/// How long some subscriptions are made again.
const WITHIN: Duration = Duration::from_secs(20);

/// The destination that no broker has.
pub(super) const IMPOSSIBLE: &str = "/impossible/x";

impl Actor {
    pub(super) fn new(number: usize, config: Config, setting: &Setting) -> Self {
        Self {
            number,
            course: Course::new(&config),
            going: None,
            cut_off: None,
            served_at: Timestamp::ZERO,
            endpoints: config.brokers.endpoints.clone(),
            session: Session::new(config, Timestamp::ZERO),
            link: None,
            dial: None,
            attempt: None,
            former: None,
            held: Vec::new(),
            dropped: Vec::new(),
            subscriptions: BTreeMap::new(),
            operations: BTreeMap::new(),
            handed: Vec::new(),
            blows: Vec::new(),
            stalled_until: Timestamp::ZERO,
            was_stalled: false,
            paused: false,
            disconnected_at: None,
            closed: None,
            transaction: None,
            timeout: setting.timeout,
            prefetch: setting.prefetch,
            beats: !setting.beats.0.is_zero(),
            next_mark: 0,
            next_send: 0,
        }
    }

    /// Whether the user has said goodbye.
    pub(super) const fn is_leaving(&self) -> bool {
        self.disconnected_at.is_some()
    }

    /// Does what the user does. `watch` is that of the connection that stands.
    pub(super) fn act(
        &mut self,
        act: Act,
        watch: Option<&mut Watch>,
        accounts: &mut Accounts,
        now: Timestamp,
    ) -> Checked {
        match act {
            Act::Ack(which) => self.settle(usize::from(which), false, watch),
            Act::AckAll => self.settle_all(watch),
            Act::Cancel(which) => {
                self.cancel(usize::from(which), accounts);
                Ok(())
            }
            Act::Disconnect => self.disconnect(now),
            Act::Drop(which) => {
                if let Some(at) = self.pick(usize::from(which)) {
                    let dropped = self.held.remove(at);
                    self.session.give_back(&dropped.message);
                    self.dropped.push(dropped);
                }
                Ok(())
            }
            Act::Foreign(_) => Ok(()), // It takes two: see `foreign`.
            Act::SendToNobody => self.send_to_nobody(accounts),
            Act::Move(how) => self.move_on(how, now),
            Act::Nack(which) => self.settle(usize::from(which), true, watch),
            Act::Pause => {
                self.paused = true;
                self.session.pause_input();
                Ok(())
            }
            Act::Resume => {
                self.resume(watch, now);
                Ok(())
            }
            Act::Send { to, how } => self.send(to, how, accounts, now),
            Act::Subscribe(how) => self.subscribe(how),
            Act::Transact(how) => self.transact(how, accounts, now),
            Act::Unsubscribe(which) => self.unsubscribe(which, watch),
        }
    }

    pub(super) fn disconnect(&mut self, now: Timestamp) -> Checked {
        self.disconnected_at.get_or_insert(now);
        self.forget_going();
        self.session.disconnect();
        Ok(())
    }

    pub(super) fn resume(&mut self, watch: Option<&mut Watch>, now: Timestamp) {
        if std::mem::take(&mut self.paused) {
            self.session.resume_input(now);
            watch.into_iter().for_each(|watch| watch.last_heard = now);
        }
    }

    fn pick(&self, which: usize) -> Option<usize> {
        which.checked_rem(self.held.len())
    }

    pub(super) fn settle_all(&mut self, mut watch: Option<&mut Watch>) -> Checked {
        while !self.held.is_empty() {
            self.settle(0, false, watch.as_deref_mut())?;
        }
        Ok(())
    }

    /// Settles a message; it is gone from the user afterwards, whatever came of it.
    fn settle(&mut self, which: usize, nack: bool, watch: Option<&mut Watch>) -> Checked {
        let Some(at) = self.pick(which) else { return Ok(()) };
        let mut held = self.held.remove(at);
        let message = &mut held.message;
        let settled = if nack { self.session.nack(message) } else { self.session.ack(message) };
        if settled.is_err() {
            check_refusal(&settled, &held, watch.as_deref().filter(|_| !self.is_moving()))?;
            // 1.0 knows no NACK, and Artemis's destroys: the message is still the user's.
            self.session.give_back(&held.message);
            self.dropped.extend(Some(held).filter(|_| nack));
            return Ok(());
        }
        let standing = watch.as_ref().and_then(|watch| watch.id);
        demand(standing == Some(held.message.connection()), Law::NoStaleAck, || {
            format!(
                "{} of {} was taken, and the connection is {standing:?}",
                held.key,
                held.message.connection()
            )
        })?;
        let again = self.session.ack(&mut held.message);
        demand(again == Err(CommandError::AlreadySettled), Law::NoSilentAck, || {
            format!("{} was settled, and settled again: {again:?}", held.key)
        })?;
        let Some(watch) = watch else { return Ok(()) };
        watch.ask(&ack_id(&held.message), held.is_cumulative());
        self.note_settled(&held, watch);
        Ok(())
    }

    /// What an ACK covers: the message, or in the cumulative mode all of its subscription up to it.
    fn note_settled(&self, held: &Held, watch: &mut Watch) {
        watch.allowed.insert(held.key.clone());
        if held.is_cumulative() {
            let upto = self.handed.iter().rposition(|(mark, key)| *mark == held.mark && *key == held.key);
            let covered = self.handed.iter().take(upto.map_or(0, |upto| upto + 1));
            watch.allowed.extend(covered.filter(|(mark, _)| *mark == held.mark).map(|(_, key)| key.clone()));
        }
    }

    fn send(&mut self, to: u8, how: u8, accounts: &mut Accounts, now: Timestamp) -> Checked {
        let key = format!("c{}.{}", self.number, self.next_send);
        self.next_send += 1;
        let (persistent, padding) = (how >= 4 && how != 13, if how == 15 { 5000 } else { 0 });
        let destination = if how == 14 { IMPOSSIBLE.to_owned() } else { queue(to) };
        let mut frame = Frame::new(Command::Send)
            .with_header("destination", destination)
            .with_header(NOTE.0, NOTE.1)
            .with_body(format!("{key} {:padding$}", ""));
        if persistent {
            frame.headers_mut().push("persistent", "true");
        }
        let entry = accounts.entry(&key);
        (entry.persistent, entry.repeats) = (persistent, matches!(how, 8..=10));
        let sent = match how {
            8 | 9 => self.session.send_at_least_once(frame, AtLeastOnce::new()).map(Some).map_err(Into::into),
            10 => self
                .session
                .send_at_least_once(frame, AtLeastOnce::new().ordered())
                .map(Some)
                .map_err(Into::into),
            6.. => self.session.send_confirmed(frame).map(Some).map_err(Into::into),
            _ => self.session.send(&frame).map(|()| None),
        };
        match sent {
            Ok(Some(id)) => self.await_result(id, key, Vec::new(), now),
            Ok(None) => Ok(()),
            Err(error) => check_closed(&error),
        }
    }

    fn await_result(&mut self, id: ReceiptId, key: String, commits: Vec<String>, now: Timestamp) -> Checked {
        let before = self.operations.insert(id, Operation { key, commits, since: now });
        demand(before.is_none(), Law::RightResult, || format!("{id:?} was given out twice"))
    }

    /// Begins a transaction, sends in it, and commits or aborts it, one step at a time.
    fn transact(&mut self, how: u8, accounts: &mut Accounts, now: Timestamp) -> Checked {
        let Some((transaction, keys)) = self.transaction.take() else {
            self.transaction = self.session.begin().ok().map(|transaction| (transaction, Vec::new()));
            return Ok(());
        };
        match how % 8 {
            0 => self.session.abort(transaction).map_or_else(|error| check_closed(&error), Ok),
            1..=4 => self.send_in(transaction, keys, how, accounts),
            _ => match self.session.commit(transaction, self.timeout) {
                Ok(id) => {
                    keys.iter().for_each(|key| accounts.entry(key).rejected = false);
                    self.await_result(id, format!("commit of {transaction:?}"), keys, now)
                }
                Err(error) => check_closed(&error),
            },
        }
    }

    /// Aborts what is open. If it is lost, it is over anyway.
    pub(super) fn give_up_transaction(&mut self) {
        if let Some((transaction, _)) = self.transaction.take() {
            _ = self.session.abort(transaction);
        }
    }

    fn send_in(
        &mut self,
        transaction: TransactionId,
        mut keys: Vec<String>,
        to: u8,
        accounts: &mut Accounts,
    ) -> Checked {
        let key = format!("c{}.{}", self.number, self.next_send);
        self.next_send += 1;
        let frame = Frame::new(Command::Send)
            .with_header("destination", queue(to))
            .with_header(NOTE.0, NOTE.1)
            .with_header("persistent", "true")
            .with_body(key.clone());
        let entry = accounts.entry(&key);
        // Nowhere, unless it is committed.
        (entry.persistent, entry.rejected) = (true, true);
        match self.session.send_in(transaction, &frame) {
            Ok(()) => {
                keys.push(key);
                self.transaction = Some((transaction, keys));
                Ok(())
            }
            Err(error) => check_closed(&error),
        }
    }

    /// Whoever waited is gone; nothing may come for it any more.
    fn cancel(&mut self, which: usize, accounts: &mut Accounts) {
        // A COMMIT is not cancelled.
        let sends = self.operations.iter().filter(|(_, operation)| !operation.is_commit());
        let ids: Vec<_> = sends.map(|(id, _)| *id).collect();
        let Some(id) = which.checked_rem(ids.len()).and_then(|at| ids.get(at)).copied() else { return };
        let withdrawn = self.session.cancel(id);
        if let Some(operation) = self.operations.remove(&id) {
            accounts.entry(&operation.key).withdrawn |= withdrawn;
        }
    }

    fn subscribe(&mut self, how: u8) -> Checked {
        let mark = self.next_mark;
        self.next_mark += 1;
        let (destination, retry) = self.wish(how);
        let ack_mode = [AckMode::ClientIndividual, AckMode::ClientIndividual, AckMode::Client, AckMode::Auto];
        let ack_mode = ack_mode[usize::from(how / 4) % 4];
        let subscribe = Subscribe::new(&destination).ack(ack_mode).prefetch(self.prefetch);
        let subscribe = subscribe.header(MARK, mark.to_string()).retry(retry);
        let is_exclusive = destination.starts_with(EXCLUSIVE);
        let subscribe = if is_exclusive { subscribe.header("exclusive", "true") } else { subscribe };
        match self.session.subscribe(subscribe) {
            Ok(id) => {
                self.subscriptions.insert(mark, Subscribed::new(id, destination, ack_mode, retry));
                Ok(())
            }
            Err(error) => {
                demand(is_expected(&error), Law::Wire, || format!("a SUBSCRIBE was refused: {error}"))
            }
        }
    }

    /// Where a subscription is to, and whether it is made again.
    fn wish(&self, how: u8) -> (String, Retry) {
        match how / 16 % 8 {
            _ if how >= 248 => (IMPOSSIBLE.to_owned(), Retry::Always),
            // Without heart-beats no broker would notice that the old owner is dead.
            5 if WHOLE && self.beats => (format!("{EXCLUSIVE}{}", self.number), Retry::Always),
            6 if WHOLE => (queue(how), Retry::Never),
            7 if WHOLE => (queue(how), Retry::Within(WITHIN)),
            _ => (queue(how), Retry::Always),
        }
    }

    fn send_to_nobody(&mut self, accounts: &mut Accounts) -> Checked {
        let key = format!("c{}.{}", self.number, self.next_send);
        self.next_send += 1;
        accounts.entry(&key);
        let frame = Frame::new(Command::Send)
            .with_header("destination", "/remote-temp-queue/ID:gone")
            .with_header(NOTE.0, NOTE.1)
            .with_body(key);
        self.session.send(&frame).or_else(|error| check_closed(&error))
    }

    fn unsubscribe(&mut self, which: u8, watch: Option<&mut Watch>) -> Checked {
        let Some(at) = usize::from(which).checked_rem(self.subscriptions.len()) else { return Ok(()) };
        let Some(mark) = self.subscriptions.keys().nth(at).copied() else { return Ok(()) };
        let Some(subscribed) = self.subscriptions.remove(&mark) else { return Ok(()) };
        watch.into_iter().for_each(|watch| watch.note_unsubscribed(mark));
        let done = self.session.unsubscribe(subscribed.id);
        let expected = done.is_ok() || self.closed.is_some();
        demand(expected, Law::Wire, || format!("an UNSUBSCRIBE of what lives was refused: {done:?}"))
    }

    /// Gives a message to the user.
    pub(super) fn hand(&mut self, message: Message, mark: Mark) {
        let key = super::accounts::key(message.body());
        self.handed.push((mark, key.clone()));
        if message.needs_ack() {
            let held = self.subscriptions.get(&mark);
            let (ack_mode, retries) = (held.map(|held| held.ack_mode), held.map_or(0, |held| held.retries));
            self.held.push(Held { message: message.into_owned(), mark, key, ack_mode, retries });
        }
    }

    /// The mark of a subscription that lives.
    pub(super) fn mark_of(&self, id: SubscriptionId) -> Option<Mark> {
        self.subscriptions.iter().find(|(_, subscribed)| subscribed.id == id).map(|(mark, _)| *mark)
    }

    /// Whether any result is overdue.
    pub(super) fn check_operations(&self, now: Timestamp, setting: &Setting) -> Checked {
        let overdue = self.operations.values().find(|operation| {
            let end = operation.since.after(setting.timeout);
            // The RECEIPTs of a transaction's other frames have a time of their own, from when that of the COMMIT is read: at the
            // end of the COMMIT's time, or of a stall that reaches beyond it, since what waits in the socket is read before the
            // clock is.
            let end = if operation.is_commit() {
                end.max(self.stalled_until).after(setting.receipt_timeout)
            } else {
                end
            };
            now > end
        });
        demand(overdue.is_none(), Law::Ends, || format!("{overdue:?} has not ended at {now}"))
    }
}

/// The id that an acknowledgement of the message names.
pub(super) fn ack_id(message: &Message) -> String {
    message
        .header("ack")
        .or_else(|| message.header("message-id"))
        .map_or_else(String::new, |id| id.to_string())
}

/// Whether a SUBSCRIBE may be refused for that.
fn is_expected(error: &CommandError) -> bool {
    match error {
        CommandError::Prefetch { wanted, left } => wanted > left,
        error => *error == CommandError::Closed,
    }
}

/// What is refused without a connection, or at the end.
fn check_closed(error: &CommandError) -> Checked {
    let expected = matches!(
        error,
        CommandError::NotConnected | CommandError::Closed | CommandError::TransactionLost { .. }
    );
    demand(expected, Law::Wire, || format!("a command was refused: {error}"))
}

/// A message of the connection that stands and of a subscription that lives can be settled.
fn check_refusal(settled: &Result<(), CommandError>, held: &Held, watch: Option<&Watch>) -> Checked {
    let standing: Option<ConnectionId> = watch.and_then(|watch| watch.id);
    let is_stale = matches!(settled, Err(CommandError::Stale { .. }));
    demand(!is_stale || standing != Some(held.message.connection()), Law::NoStaleAck, || {
        format!("{} is of the connection that stands, and was called stale", held.key)
    })
}
