//! Answers that a test prescribes for certain frames, in place of what the broker would do.

use core::{fmt, time::Duration};
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use stomp_proto::{Command, Frame};

use super::{
    Broker, ConnectionId,
    matcher::Matcher,
    refusal::{ErrorClass, Refusal},
    value,
};

/// What the broker does with a frame in place of what it would do by itself.
///
/// ```
/// use std::time::Duration;
/// use stomp_testkit::broker::{Answer, Broker, BrokerConfig, Stub, send};
///
/// let mut broker = Broker::new(BrokerConfig::default());
/// // The first SEND is refused, the second is receipted after a second, and all others are as usual.
/// let script = [Answer::error("queue full"), Answer::delay_receipt(Duration::from_secs(1))];
/// broker.stub(Stub::new(send().to("/queue/a")).script(script));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it is handed to a stub"]
pub struct Answer(Deed);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    Close { stores: bool, reads_on: bool },
    DelayReceipt(Duration),
    DeliverTwice,
    Ignore,
    Proceed,
    Refuse { message: String, detail: String, closes: bool, receipts: bool },
    Respond(Bytes),
}

impl Answer {
    /// Closes the connection without an ERROR. The frame has no effect.
    pub const fn close() -> Self {
        Self::close_in_silence(false, false)
    }

    /// Closes the connection without an ERROR: once the message of a SEND is stored, or once all that has arrived is read.
    pub(super) const fn close_in_silence(stores: bool, reads_on: bool) -> Self {
        Self(Deed::Close { stores, reads_on })
    }

    /// Obeys the frame, and sends the RECEIPT for which it asks after this time.
    pub const fn delay_receipt(delay: Duration) -> Self {
        Self(Deed::DelayReceipt(delay))
    }

    /// Accepts the message of a SEND twice. A stub of other frames cannot have it.
    pub const fn deliver_twice() -> Self {
        Self(Deed::DeliverTwice)
    }

    /// Ignores the frame: it has no effect and is not answered.
    pub const fn ignore() -> Self {
        Self(Deed::Ignore)
    }

    /// Obeys the frame as usual. In a script, this leaves a frame out.
    pub const fn proceed() -> Self {
        Self(Deed::Proceed)
    }

    /// Sends an ERROR with this `message` header, and with the `receipt-id` of the frame where the other ERRORs of the
    /// broker have one. The frame has no effect, and the connection stays open; one that has not logged in is closed.
    pub fn error(message: &str) -> Self {
        Self::refuse(message.to_owned(), String::new(), false, false)
    }

    /// As [`error`](Self::error), and closes the connection.
    pub fn closing_error(message: &str) -> Self {
        Self::refuse(message.to_owned(), String::new(), true, false)
    }

    /// Sends an ERROR, and the RECEIPT behind it or not.
    pub(super) const fn refuse(message: String, detail: String, closes: bool, receipts: bool) -> Self {
        Self(Deed::Refuse { message, detail, closes, receipts })
    }

    /// Gives an ERROR this body. Other answers stay as they are.
    pub fn detail(mut self, text: &str) -> Self {
        if let Deed::Refuse { detail, .. } = &mut self.0 {
            text.clone_into(detail);
        }
        self
    }

    /// Takes a SEND for a request: it is receipted, its message is not stored, and a reply with this body and its
    /// `correlation-id` goes to the destination in its `reply-to` header. Without that header, nothing is replied. A stub of
    /// other frames cannot have it.
    pub fn respond(body: impl Into<Bytes>) -> Self {
        Self(Deed::Respond(body.into()))
    }
}

/// The id of a stub. Ids are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StubId(u64);

/// The frames that are not answered as usual, and how they are answered.
#[derive(Clone)]
#[must_use = "it is handed to `Broker::stub`"]
pub struct Stub {
    matcher: Matcher,
    script: VecDeque<Answer>,
    /// The answer when the script is over, and how often it is given.
    always: Option<Answer>,
    times: usize,
}

impl Stub {
    /// Creates a stub that does nothing yet with these frames.
    pub const fn new(matcher: Matcher) -> Self {
        Self { matcher, script: VecDeque::new(), always: None, times: usize::MAX }
    }

    /// Gives this answer to all frames, after those of the [script](Self::script).
    pub fn reply(mut self, answer: Answer) -> Self {
        self.always = Some(answer);
        self
    }

    /// Gives these answers in order, one a frame.
    pub fn script(mut self, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.script.extend(answers);
        self
    }

    /// Answers at most this number of frames. All others are obeyed as usual.
    ///
    /// # Panics
    /// Panics if `frames` is 0: the stub would never answer.
    pub const fn times(mut self, frames: usize) -> Self {
        assert!(frames > 0, "a stub that answers no frame has no effect");
        self.times = frames;
        self
    }

    /// Panics unless it can have an effect, and the effect that its answers name.
    fn check(&self) {
        let mut answers = self.script.iter().chain(&self.always).peekable();
        assert!(answers.peek().is_some(), "a stub needs an answer: {}", self.matcher);
        let of_send = |answer: &Answer| matches!(answer.0, Deed::DeliverTwice | Deed::Respond(_));
        assert!(
            self.matcher.is_of(Command::Send) || !answers.any(of_send),
            "only a SEND can be delivered twice, or be responded to: {}",
            self.matcher
        );
    }

    /// The answer to a frame, if it is about that and not over.
    fn answer(&mut self, frame: &Frame) -> Option<Answer> {
        if self.times == 0 || !self.matcher.meets(frame) {
            return None;
        }
        let answer = self.script.pop_front().or_else(|| self.always.clone())?;
        self.times -= 1;
        Some(answer)
    }
}

impl fmt::Debug for Stub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} in the script, then {:?}", self.matcher, self.script.len(), self.always)
    }
}

/// The stubs in force, and the receipts that they delay.
#[derive(Debug, Default)]
pub(super) struct Stubs {
    stubs: BTreeMap<StubId, Stub>,
    next: u64,
    delayed: BTreeMap<(Duration, u64), (ConnectionId, Vec<u8>)>,
    next_delayed: u64,
}

impl Stubs {
    /// When the next delayed receipt is due.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.delayed.keys().next().map(|(due, _)| *due)
    }

    fn delay(&mut self, due: Duration, connection: ConnectionId, receipt: Vec<u8>) {
        self.delayed.insert((due, self.next_delayed), (connection, receipt));
        self.next_delayed += 1;
    }

    fn pop_due(&mut self, now: Duration) -> Option<(ConnectionId, Vec<u8>)> {
        let first = self.delayed.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(first.remove())
    }
}

impl Broker {
    /// Puts a stub in force. If several have an answer to a frame, or [refusals](Self::deny) apply to it, the oldest counts.
    ///
    /// # Panics
    /// Panics if the stub has no answer, or one that the frames of its matcher cannot have.
    pub fn stub(&mut self, stub: Stub) -> StubId {
        stub.check();
        let id = StubId(self.stubs.next);
        self.stubs.next += 1;
        self.stubs.stubs.insert(id, stub);
        id
    }

    /// Removes a stub. Does nothing if it was removed before.
    pub fn remove_stub(&mut self, id: StubId) {
        self.stubs.stubs.remove(&id);
    }

    /// Answers a frame as a stub says. Returns whether there is nothing left to do with it.
    pub(super) fn is_stubbed(
        &mut self,
        connection: ConnectionId,
        frame: &Frame,
        receipt: &mut Option<Vec<u8>>,
    ) -> bool {
        let is_connect = matches!(frame.command(), Command::Connect | Command::Stomp);
        if is_connect == self.version(connection).is_some() {
            // It is refused anyway.
            return false;
        }
        let answer = self.stubs.stubs.values_mut().find_map(|stub| stub.answer(frame));
        let Some(Answer(deed)) = answer else { return false };
        match deed {
            Deed::Proceed => return false,
            Deed::DelayReceipt(delay) => {
                let due = self.now.saturating_add(delay);
                if let Some(receipt) = receipt.take() {
                    self.stubs.delay(due, connection, receipt);
                }
                return false;
            }
            Deed::DeliverTwice => {
                // The usual way answers for both.
                _ = self.obey(connection, frame, &mut None);
                return false;
            }
            Deed::Close { stores, reads_on } => {
                self.note_refused(connection, frame);
                self.close_by_script(connection, frame, stores, reads_on);
            }
            Deed::Ignore => {}
            Deed::Refuse { message, detail, closes, receipts } => {
                self.note_refused(connection, frame);
                let refusal =
                    Refusal { message: Some(message), ..Refusal::new(ErrorClass::Scripted, detail) };
                self.write_error(connection, receipt.as_deref(), &refusal);
                if receipts {
                    self.confirm(connection, receipt.as_deref());
                }
                if closes || is_connect {
                    self.end_refused(connection);
                }
            }
            Deed::Respond(body) => {
                self.confirm(connection, receipt.as_deref());
                self.respond(connection, frame, body);
            }
        }
        true
    }

    /// Closes a connection without an ERROR, now or behind what has arrived, and stores the message first or does not.
    fn close_by_script(&mut self, connection: ConnectionId, frame: &Frame, stores: bool, reads_on: bool) {
        if stores && frame.command() == Command::Send {
            // Nobody hears of a refusal, and no RECEIPT leaves.
            _ = self.obey(connection, frame, &mut None);
        }
        let peer = self.connections.get_mut(&connection).filter(|_| reads_on);
        match peer {
            Some(peer) => peer.doomed = true,
            None => self.finish(connection),
        }
    }

    fn respond(&mut self, connection: ConnectionId, request: &Frame, body: Bytes) {
        let Ok(Some(reply_to)) = value(request, "reply-to") else { return };
        let reply_to = self.reply_to(connection, &reply_to).unwrap_or(reply_to);
        if reply_to.is_empty() {
            return;
        }
        let correlation = value(request, "correlation-id").ok().flatten();
        let headers: Vec<_> = correlation.iter().map(|id| ("correlation-id", &**id)).collect();
        self.publish(&reply_to, body, &headers);
    }

    /// Sends the delayed receipts whose time has come.
    pub(super) fn confirm_delayed(&mut self) {
        while let Some((connection, receipt)) = self.stubs.pop_due(self.now) {
            self.confirm(connection, Some(&receipt));
        }
    }
}
