//! What a client's frame asks for, and the RECEIPT or ERROR that answers it.

use bytes::{Bytes, BytesMut};
use stomp_proto::{Command, EncodeError, Frame, Headers, Version};

use super::{
    Broker, ConnectionId, CrashPoint, Return, SubscriptionKey, Verdict,
    connection::Connection,
    deferred::Work,
    habits::Habits,
    refusal::{ErrorClass, Refusal},
    store::Content,
    subscription::{self, Subscription, SubscriptionName, Terms},
    transaction::Step,
    value, write,
};

impl Broker {
    pub(super) fn handle_frame(&mut self, connection: ConnectionId, frame: &Frame) {
        if self.config.records {
            self.records.note_frame(connection, frame);
        }
        if self.connections.get(&connection).is_none_or(|peer| !peer.is_open()) {
            return;
        }
        self.expectations.note(frame);
        let command = frame.command();
        if self.reach_any(CrashPoint::before(command)) {
            return;
        }
        let before = self.connections.get(&connection).map_or(0, Connection::output_len);
        let mut receipt = receipt(frame);
        if self.is_denied(connection, frame) || self.is_stubbed(connection, frame, &mut receipt) {
            return;
        }
        let obeyed = self.obey(connection, frame, &mut receipt);
        if self.reach_any(CrashPoint::within(command)) {
            return;
        }
        match obeyed {
            Ok(()) => {
                let is_mum = command == Command::Subscribe && self.config.habits.receipts_no_subscribe;
                let receipt = receipt.filter(|_| !is_mum);
                let receipt = receipt.and_then(|receipt| self.withhold(connection, frame, receipt));
                self.confirm(connection, receipt.as_deref());
            }
            Err(refusal) => {
                self.note_refused(connection, frame);
                self.refuse(connection, receipt.as_deref(), &refusal);
            }
        }
        if is_connect(command) && self.version(connection).is_some() {
            self.end_handshake(connection, before);
        }
        self.follow_up(connection);
        if !self.reach_any(CrashPoint::after(command)) && command == Command::Disconnect {
            self.leave(connection);
        }
    }

    /// Does what a frame says. Takes the receipt away if its time has not come.
    pub(super) fn obey(
        &mut self,
        connection: ConnectionId,
        frame: &Frame,
        receipt: &mut Option<Vec<u8>>,
    ) -> Result<(), Refusal> {
        let version = self.connections.get(&connection).and_then(|peer| peer.version);
        let command = frame.command();
        match (command, version) {
            (Command::Connect | Command::Stomp, _) => self.handshake(connection, frame),
            (_, None) => {
                let detail = format!("You must log in using CONNECT before {command}\n");
                Err(Refusal::new(ErrorClass::NotConnected, detail))
            }
            (Command::Abort, _) => self.abort(connection, frame),
            (Command::Ack, Some(version)) => {
                self.acknowledge(connection, frame, version, Verdict::Acknowledge)
            }
            (Command::Begin, _) => self.begin(connection, frame),
            (Command::Commit, _) => self.commit(connection, frame),
            (Command::Nack, Some(version)) => {
                let verdict = Verdict::of_nack(frame, self.config.nack);
                self.acknowledge(connection, frame, version, verdict)
            }
            (Command::Send, _) => self.accept(connection, frame, receipt),
            (Command::Subscribe, Some(version)) => self.subscribe(connection, frame, version),
            (Command::Unsubscribe, Some(version)) => self.unsubscribe(connection, frame, version),
            // DISCONNECT asks for its receipt alone; the parser lets no frame of a server pass.
            _ => Ok(()),
        }
    }

    fn accept(
        &mut self,
        connection: ConnectionId,
        send: &Frame,
        receipt: &mut Option<Vec<u8>>,
    ) -> Result<(), Refusal> {
        let destination = value(send, "destination")?.ok_or_else(|| Refusal::missing("destination"))?;
        self.check_destination(send, &destination)?;
        let content = Content {
            destination,
            headers: relayed(send.headers(), self.config.relays_all),
            body: unshared(send),
            persistent: send.header("persistent").is_some_and(|value| value == "true"),
        };
        let Habits { defers, forgives_unknown_transactions, .. } = self.config.habits;
        let Some(peer) = self.connections.get_mut(&connection) else { return Ok(()) };
        let transaction = match peer.transaction(send) {
            Err(_) if forgives_unknown_transactions => return Ok(()),
            transaction => transaction?,
        };
        if let Some(transaction) = transaction {
            let receipt = receipt.take_if(|_| defers);
            transaction.steps.push(Step::Publish { content: Box::new(content), receipt });
            return Ok(());
        }
        possible(&content)?;
        if self.config.habits.refuses_dead_replies && content.destination.starts_with(DEAD) {
            return Err(dead(&content.destination));
        }
        if self.is_repeated(send)? {
            return Ok(());
        }
        let places = self.keep(content);
        if defers {
            self.defer(connection, Work::Sync { places, receipt: receipt.take() });
        }
        Ok(())
    }

    /// Whether a message with that de-duplication id came before, on any connection.
    fn is_repeated(&mut self, send: &Frame) -> Result<bool, Refusal> {
        let id = value(send, "_AMQ_DUPL_ID")?.filter(|_| self.config.habits.remembers_duplicates);
        Ok(id.is_some_and(|id| !self.duplicates.insert(id)))
    }

    fn subscribe(
        &mut self,
        connection: ConnectionId,
        frame: &Frame,
        version: Version,
    ) -> Result<(), Refusal> {
        let terms = Terms::of(frame, version)?;
        self.check_destination(frame, &terms.destination)?;
        if terms.destination.starts_with(IMPOSSIBLE) {
            return Err(impossible(&terms.destination));
        }
        if !write::can_serve(&terms, version) {
            return Err(Refusal::bad("id or destination"));
        }
        if self.is_locked(connection, &terms) {
            return Err(locked(&terms.destination));
        }
        let key = SubscriptionKey(self.next_subscription);
        let Some(peer) = self.connections.get_mut(&connection) else { return Ok(()) };
        if peer.subscriptions.contains_key(&terms.name) {
            let detail = format!("The subscription '{}' exists already", terms.name);
            return Err(Refusal::new(ErrorClass::DuplicateSubscription, detail));
        }
        peer.subscriptions.insert(terms.name.clone(), key);
        self.next_subscription += 1;
        let source = self.store.add_consumer(&terms.destination, terms.durable.as_ref(), key);
        self.catch_up(connection, &source);
        self.subscriptions.insert(key, Subscription { connection, terms, source, in_flight: 0 });
        Ok(())
    }

    /// Whether a destination can be one at all.
    fn check_destination(&self, frame: &Frame, destination: &str) -> Result<(), Refusal> {
        if destination.is_empty() {
            return Err(self.config.dialect.without_destination(frame.command()));
        }
        Ok(())
    }

    /// RabbitMQ: an exclusive queue belongs to the connection that has made it, until the broker knows that this is dead.
    fn is_locked(&self, connection: ConnectionId, terms: &Terms) -> bool {
        let mut others = self.subscriptions.values().filter(|other| other.connection != connection);
        let clashes = |other: &Subscription| {
            other.terms.destination == terms.destination && (other.terms.exclusive || terms.exclusive)
        };
        self.config.habits.exclusive_queues && others.any(clashes)
    }

    fn unsubscribe(
        &mut self,
        connection: ConnectionId,
        frame: &Frame,
        version: Version,
    ) -> Result<(), Refusal> {
        let name = SubscriptionName::of(frame, version)?;
        self.catch_up_with(connection, &name);
        self.prepare_afterwards(connection, &name, version);
        let is_removed = self.remove_subscription(connection, &name, Return::Unsubscribe);
        let is_deleted = subscription::durable(frame, &name)?.is_some_and(|name| self.store.delete(&name));
        if is_removed || is_deleted {
            return Ok(());
        }
        Err(Refusal::new(ErrorClass::UnknownSubscription, format!("There is no subscription '{name}'")))
    }

    /// Removes a subscription, if there is one. What it has not acknowledged goes back, now or with its connection.
    pub(super) fn remove_subscription(
        &mut self,
        connection: ConnectionId,
        name: &SubscriptionName,
        by: Return,
    ) -> bool {
        let peer = self.connections.get_mut(&connection);
        let Some(key) = peer.and_then(|peer| peer.subscriptions.remove(name)) else { return false };
        if let Some(subscription) = self.subscriptions.remove(&key) {
            self.store.remove_consumer(&subscription.terms.destination, &subscription.source, key);
            if !self.config.habits.unsubscribe_keeps {
                self.take_back(connection, by, |unacked| unacked.subscription == key);
            }
        }
        true
    }

    /// Keeps the receipt of a SEND to a full queue back, as ActiveMQ's producer flow control does.
    fn withhold(&mut self, connection: ConnectionId, frame: &Frame, receipt: Vec<u8>) -> Option<Vec<u8>> {
        let destination = frame.header("destination").filter(|_| frame.command() == Command::Send);
        match (self.config.flow_control, destination.and_then(|name| name.text().ok())) {
            (Some(limit), Some(name)) => self.store.withhold(&name, limit, connection, receipt),
            _ => Some(receipt),
        }
    }

    pub(super) fn confirm(&mut self, connection: ConnectionId, receipt: Option<&[u8]>) {
        let Some(id) = receipt.filter(|_| !self.drops_receipts) else { return };
        if !self.write(connection, |version, out| write::receipt(id, version, out)) {
            self.refuse(connection, None, &Refusal::bad("receipt"));
        }
    }

    /// Answers with an ERROR, and closes where the policy says so.
    pub(super) fn refuse(&mut self, connection: ConnectionId, receipt: Option<&[u8]>, refusal: &Refusal) {
        let Some(peer) = self.connections.get(&connection) else { return };
        if !peer.is_open() {
            return;
        }
        if refusal.silent {
            return self.end_refused(connection);
        }
        self.write_error(connection, receipt, refusal);
        if self.config.errors.closes(refusal.class) {
            self.end_refused(connection);
        }
    }

    /// Sends an ERROR, with the receipt that its frame asked for where the policy says so.
    pub(super) fn write_error(
        &mut self,
        connection: ConnectionId,
        receipt: Option<&[u8]>,
        refusal: &Refusal,
    ) {
        let receipt = receipt.filter(|_| self.config.errors.receipt_id);
        let complete = self.write(connection, |version, out| write::error(refusal, receipt, version, out));
        if !complete {
            // 1.0 cannot say some words; then there are none.
            let silent = Refusal::new(refusal.class, String::new());
            self.write(connection, |version, out| write::error(&silent, None, version, out));
        }
    }

    /// Ends a connection behind an ERROR: at once, or when all that has arrived was read.
    pub(super) fn end_refused(&mut self, connection: ConnectionId) {
        let reads_on = self.config.habits.reads_on && self.version(connection).is_some();
        let Some(peer) = self.connections.get_mut(&connection).filter(|_| reads_on) else {
            return self.finish(connection);
        };
        peer.doomed = true;
    }

    /// Ends a connection now that has had its last ERROR.
    pub(super) fn finish_doomed(&mut self, connection: ConnectionId) {
        if self.connections.get(&connection).is_some_and(|peer| peer.doomed) {
            self.finish(connection);
        }
    }

    /// Writes a frame to a connection that is open. False when its version has no way to say it.
    pub(super) fn write(
        &mut self,
        connection: ConnectionId,
        frame: impl FnOnce(Version, &mut BytesMut) -> Result<(), EncodeError>,
    ) -> bool {
        let Some(peer) = self.connections.get_mut(&connection).filter(|peer| peer.is_open()) else {
            return true;
        };
        self.outputs.insert(connection);
        peer.write(self.now, frame).is_ok()
    }
}

/// What destinations begin with that cannot exist.
const IMPOSSIBLE: &str = "/impossible/";

/// Whether a message can be stored where it is meant to be.
pub(super) fn possible(content: &Content) -> Result<(), Refusal> {
    if content.destination.starts_with(IMPOSSIBLE) { Err(impossible(&content.destination)) } else { Ok(()) }
}

/// The queues of requesters that are gone, as ActiveMQ names them to others.
const DEAD: &str = "/remote-temp-queue/";

fn dead(destination: &str) -> Refusal {
    let name = destination.strip_prefix(DEAD).unwrap_or_default();
    let message = format!("Cannot publish to a deleted Destination: temp-queue://{name}");
    Refusal { message: Some(message), ..Refusal::new(ErrorClass::Impossible, String::new()) }
}

fn impossible(destination: &str) -> Refusal {
    Refusal::new(ErrorClass::Impossible, format!("there is no '{}'\n", destination.escape_debug()))
}

const fn is_connect(command: Command) -> bool {
    matches!(command, Command::Connect | Command::Stomp)
}

/// The receipt that a frame asks for. 1.0 to 1.2, "receipt": any client frame other than CONNECT.
pub(super) fn receipt(frame: &Frame) -> Option<Vec<u8>> {
    if is_connect(frame.command()) {
        return None;
    }
    frame.header("receipt").map(|id| id.octets().into_owned())
}

/// Headers that a MESSAGE has of its own.
const OWN: [&str; 6] = ["ack", "content-length", "destination", "message-id", "redelivered", "subscription"];
/// Headers that were for the broker. Real ones relay them nevertheless.
const FOR_THE_BROKER: [&str; 2] = ["receipt", "transaction"];

/// The headers that consumers see, and of repeated ones the first, as RabbitMQ and ActiveMQ do.
fn relayed(headers: &Headers, relays_all: bool) -> Headers {
    let mut relayed = Headers::new();
    for (name, value) in headers.iter() {
        let is_own = OWN.into_iter().any(|own| name == own);
        let is_for_us = !relays_all && FOR_THE_BROKER.into_iter().any(|ours| name == ours);
        let is_repeated = relayed.iter().any(|(known, _)| known == name);
        if !is_own && !is_for_us && !is_repeated {
            relayed.push(name.octets(), value.octets());
        }
    }
    relayed
}

/// A body that does not keep a whole read buffer alive, unless it is most of one.
fn unshared(frame: &Frame) -> Bytes {
    let body = frame.body();
    if body.len() < 32 * 1024 { Bytes::copy_from_slice(body) } else { frame.body_bytes() }
}

fn locked(destination: &str) -> Refusal {
    let name = destination.strip_prefix("/queue/").unwrap_or(destination).escape_debug();
    let detail = format!(
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'. It could be originally \
         declared on another connection or the exclusive property value does not match that of the original declaration.\n"
    );
    Refusal::new(ErrorClass::Locked, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_consumers_see_of_a_send() {
        let headers =
            "destination:a receipt:1 x:1 transaction:t content-length:3 x:2 content-type:c y:z ack:1";
        let headers = headers.split(' ').filter_map(|header| header.split_once(':'));
        let mut sent = Headers::new();
        headers.for_each(|(name, value)| sent.push(name, value));
        for (relays_all, expected) in
            [(false, "x:1 content-type:c y:z "), (true, "receipt:1 x:1 transaction:t content-type:c y:z ")]
        {
            let seen = relayed(&sent, relays_all);
            let seen: String = seen.iter().map(|(name, value)| format!("{name}:{value} ")).collect();
            assert_eq!(seen, expected);
        }
    }
}
