//! The application of a check: it gives the commands of a plan, and keeps account of what it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use stomp_proto::{Command, Frame};
use stomp_session::{
    AtLeastOnce, Closed, CommandError, Event, Lost, Message, Outcome, ReceiptId, Session, Subscribe,
    SubscriptionId, TransactionId, Unknown,
};

use super::{law::Law, plan::Operation};

/// The time limit of a COMMIT.
const COMMIT: Duration = Duration::from_secs(5);

/// What an application knows of its session.
#[derive(Default)]
pub(super) struct Application {
    /// Messages that were sent.
    sent: u64,
    messages: Vec<Message>,
    subscriptions: Vec<SubscriptionId>,
    transactions: Vec<(TransactionId, Vec<Bytes>)>,
    awaited: BTreeMap<ReceiptId, Awaited>,
    /// The bodies that the session has said not to have sent.
    pub(super) not_sent: BTreeSet<Bytes>,
    pub(super) closed: Option<Closed>,
}

/// A frame that asked for a RECEIPT.
struct Awaited {
    what: String,
    /// The messages that a RECEIPT confirms.
    bodies: Vec<Bytes>,
    /// Whether the RECEIPT has the id of the frame.
    is_plain: bool,
}

impl Application {
    /// The subscriptions that were made and not ended.
    pub(super) fn subscriptions(&self) -> &[SubscriptionId] {
        &self.subscriptions
    }

    /// What waits for its outcome, in words.
    pub(super) fn awaited(&self) -> Option<String> {
        let mut awaited = self.awaited.values();
        let first = awaited.next()?;
        Some(match awaited.count() {
            0 => format!("{} has no outcome", first.what),
            more => format!("{} and {more} more have no outcome", first.what),
        })
    }

    /// Does what a plan says. What the session refuses, and what there is nothing for, has no effect.
    pub(super) fn perform(&mut self, operation: &Operation, session: &mut Session) {
        match operation {
            Operation::Subscribe { destination, ack } => {
                let subscribe = Subscribe::new(queue(*destination)).ack(*ack);
                self.subscriptions.extend(session.subscribe(subscribe));
            }
            Operation::Unsubscribe { subscription } => {
                if let Some(at) = newest(&self.subscriptions, *subscription) {
                    _ = session.unsubscribe(self.subscriptions.remove(at));
                }
            }
            Operation::Disconnect => self.disconnect(session),
            Operation::Send { .. } | Operation::SendConfirmed { .. } | Operation::SendAtLeastOnce { .. } => {
                self.send(operation, session);
            }
            Operation::Ack { message } => _ = self.settle(*message, |message| session.ack(message)),
            Operation::Nack { message } => _ = self.settle(*message, |message| session.nack(message)),
            Operation::AckConfirmed { message } => {
                let confirmed = self.settle(*message, |message| session.ack_confirmed(message));
                self.wait_for(confirmed, operation, Vec::new(), false);
            }
            _ => self.transact(operation, session),
        }
    }

    /// From here on no subscription is wanted.
    pub(super) fn disconnect(&mut self, session: &mut Session) {
        session.disconnect();
        self.subscriptions.clear();
    }

    fn send(&mut self, operation: &Operation, session: &mut Session) {
        let (Operation::Send { destination, length }
        | Operation::SendConfirmed { destination, length }
        | Operation::SendAtLeastOnce { destination, length }) = *operation
        else {
            return;
        };
        let frame = self.message(destination, length);
        let body = frame.body_bytes();
        match operation {
            Operation::Send { .. } => _ = session.send(&frame),
            Operation::SendConfirmed { .. } => {
                self.wait_for(session.send_confirmed(frame).ok(), operation, vec![body], true);
            }
            _ => {
                let sent = session.send_at_least_once(frame, AtLeastOnce::new()).ok();
                self.wait_for(sent, operation, vec![body], false);
            }
        }
    }

    fn transact(&mut self, operation: &Operation, session: &mut Session) {
        match *operation {
            Operation::Begin => self.transactions.extend(session.begin().map(|id| (id, Vec::new()))),
            Operation::SendIn { transaction, destination } => {
                let frame = self.message(destination, 0);
                let Some(at) = newest(&self.transactions, transaction) else { return };
                let (id, bodies) = &mut self.transactions[at];
                bodies.extend(session.send_in(*id, &frame).map(|()| frame.body_bytes()));
            }
            Operation::AckIn { transaction, message } => {
                let Some(at) = newest(&self.transactions, transaction) else { return };
                let id = self.transactions[at].0;
                self.settle(message, |message| session.ack_in(id, message));
            }
            Operation::Commit { transaction } => {
                let Some(at) = newest(&self.transactions, transaction) else { return };
                let (id, bodies) = self.transactions.remove(at);
                self.wait_for(session.commit(id, COMMIT).ok(), operation, bodies, false);
            }
            Operation::Abort { transaction } => {
                let Some(at) = newest(&self.transactions, transaction) else { return };
                _ = session.abort(self.transactions.remove(at).0);
            }
            _ => {}
        }
    }

    /// A SEND with a body of its own.
    fn message(&mut self, destination: usize, length: usize) -> Frame {
        self.sent += 1;
        let number = format!("{}:", self.sent).into_bytes();
        let filler = (0..length).map(|at| at as u8);
        let body: Vec<u8> = number.into_iter().chain(filler).collect();
        Frame::new(Command::Send).with_header("destination", queue(destination)).with_body(body)
    }

    /// Settles a message, and forgets it whether that was possible or not.
    fn settle<R>(
        &mut self,
        back: usize,
        settle: impl FnOnce(&mut Message) -> Result<R, CommandError>,
    ) -> Option<R> {
        let at = newest(&self.messages, back)?;
        settle(&mut self.messages.remove(at)).ok()
    }

    fn wait_for(&mut self, id: Option<ReceiptId>, operation: &Operation, bodies: Vec<Bytes>, is_plain: bool) {
        let awaited =
            |id| (id, Awaited { what: format!("\"the application {operation}\""), bodies, is_plain });
        self.awaited.extend(id.map(awaited));
    }

    /// Takes an event. `stored` are the bodies that the broker has stored, and `read` the RECEIPTs that the loop has read.
    pub(super) fn note(
        &mut self,
        event: Event,
        stored: &BTreeSet<Bytes>,
        read: &BTreeSet<String>,
    ) -> Result<(), (Law, String)> {
        if let Some(closed) = &self.closed {
            return Err((Law::End, format!("{event:?} came after the end ({closed})")));
        }
        match event {
            Event::Closed(closed) => self.closed = Some(closed),
            Event::Message(message) => self.messages.push(message.into_owned()),
            Event::Receipt { id, outcome } => return self.note_outcome(id, &outcome, stored, read),
            Event::SubscriptionEnded { id, .. } => self.subscriptions.retain(|live| *live != id),
            Event::Disconnected { reason: reason @ Lost::Protocol(_), .. }
            | Event::ConnectFailed { reason: reason @ Lost::Protocol(_), .. } => {
                return Err((Law::Read, format!("the broker has written STOMP, but {reason}")));
            }
            _ => {}
        }
        Ok(())
    }

    fn note_outcome(
        &mut self,
        id: ReceiptId,
        outcome: &Outcome,
        stored: &BTreeSet<Bytes>,
        read: &BTreeSet<String>,
    ) -> Result<(), (Law, String)> {
        let Some(Awaited { what, bodies, is_plain }) = self.awaited.remove(&id) else {
            return Err((Law::Outcome, format!("receipt {id} has a second outcome: {outcome:?}")));
        };
        match outcome {
            Outcome::Confirmed if bodies.iter().any(|body| !stored.contains(body)) => {
                Err((Law::Confirmed, format!("{what} is confirmed, and the broker does not have it")))
            }
            Outcome::Unknown(Unknown::Lost(lost)) if is_plain && read.contains(&id.to_string()) => Err((
                Law::Read,
                format!(
                    "{what} has its RECEIPT, which the loop has read, and its outcome is unknown ({lost})"
                ),
            )),
            Outcome::NotSent(_) => {
                self.not_sent.extend(bodies);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn queue(destination: usize) -> String {
    format!("/queue/{destination}")
}

/// Where the newest one is, or one before it.
fn newest<T>(all: &[T], back: usize) -> Option<usize> {
    all.len().checked_sub(1 + back.checked_rem(all.len())?)
}
