//! What a client's frame asks for, and the RECEIPT or ERROR that answers it.

use std::sync::Arc;

use bytes::BytesMut;
use stomp_proto::{Command, EncodeError, Frame, Version};

use super::{
    Broker, ConnectionId, CrashPoint, Feature, Return, SubscriptionKey, Verdict,
    connection::Connection,
    consumers::Wishes,
    destination::possible,
    dialect::Dialect,
    feature::not_done,
    refusal::{ErrorClass, Refusal},
    selector::Selector,
    subscription::{self, Subscription, SubscriptionName, Terms},
    temporary::is_local,
    wildcard::Target,
    words::Receipt,
    write,
};

impl Broker {
    pub(super) fn handle_frame(&mut self, connection: ConnectionId, frame: &Frame) {
        self.records.note_frame(connection, frame, self.config.records);
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
        if self.is_stubbed(connection, frame, &mut receipt) {
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
                self.refuse_frame(connection, frame, receipt.as_deref(), refusal);
            }
        }
        if is_connect(command) && self.version(connection).is_some() {
            self.end_handshake(connection, before);
        }
        self.write_browsed(connection);
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

    fn subscribe(
        &mut self,
        connection: ConnectionId,
        frame: &Frame,
        version: Version,
    ) -> Result<(), Refusal> {
        let mut terms = Terms::of(frame, version, self.config.dialect)?;
        let wishes = self.wishes(connection, frame, &mut terms)?;
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
        if terms.browses {
            self.browsed_afterwards = Some((key, wishes));
        } else {
            self.store.add_consumer(wishes, key);
        }
        for source in self.store.sources(key) {
            self.catch_up(connection, &source);
        }
        self.subscriptions.insert(key, Subscription { connection, terms, in_flight: 0 });
        Ok(())
    }

    /// What a SUBSCRIBE wants to be served from, as far as this broker does that.
    fn wishes(
        &mut self,
        connection: ConnectionId,
        frame: &Frame,
        terms: &mut Terms,
    ) -> Result<Wishes, Refusal> {
        let names = self.destinations_of(connection, frame, &terms.destination)?;
        for name in &names {
            possible(name)?;
        }
        if let [only] = &*names {
            terms.destination = only.clone();
        }
        let targets = self.targets(names)?;
        let is_topic = targets.iter().any(Target::is_of_topics);
        let selector = self.selector(terms.selector.as_deref(), is_topic)?;
        terms.browses = terms.browses && !is_topic && self.config.admit(Feature::Browsing)?;
        Ok(Wishes { targets, selector, durable: terms.durable.clone() })
    }

    fn selector(&self, text: Option<&str>, is_topic: bool) -> Result<Option<Arc<Selector>>, Refusal> {
        let Some(text) = text else { return Ok(None) };
        if !self.config.admit(Feature::Selectors)? {
            return Ok(None);
        }
        match Selector::new(text, self.config.typing()) {
            Ok(selector) => match selector.unknown_name() {
                Some(name) => Err(not_done(&format!("selectors with {name}"))),
                None => Ok(Some(Arc::new(selector))),
            },
            Err(error) => Err(self.config.dialect.without_selector(text, is_topic, error)),
        }
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
        let name = SubscriptionName::of(frame, version, self.config.dialect)?;
        if self.config.dialect == Dialect::RabbitMq && name.id().is_some_and(is_local) {
            let detail = "UNSUBSCRIBE 'id' may not start with /temp-queue/\n";
            return Err(Refusal::bad("id").saying("Invalid id", detail));
        }
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
        if self.subscriptions.remove(&key).is_some() {
            self.store.remove_consumer(key);
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

    /// Answers a frame with an ERROR in the words of the broker, and with a RECEIPT where that says both.
    fn refuse_frame(
        &mut self,
        connection: ConnectionId,
        frame: &Frame,
        receipt: Option<&[u8]>,
        refusal: Refusal,
    ) {
        let dialect = self.config.dialect;
        let refusal = dialect.worded(frame, refusal);
        match dialect.receipts_refused(frame.command(), refusal.class) {
            Receipt::After => {
                self.write_error(connection, receipt, &refusal);
                self.confirm(connection, receipt);
                if self.config.errors.closes(refusal.class) {
                    self.end_refused(connection);
                }
            }
            Receipt::Before => {
                self.confirm(connection, receipt);
                self.refuse(connection, receipt, &refusal);
            }
            Receipt::Never => {
                let receipt = receipt.filter(|_| dialect.names_receipt(frame.command()));
                self.refuse(connection, receipt, &refusal);
            }
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
        let versions = (self.config.dialect == Dialect::RabbitMq).then(|| "1.0,1.1,1.2".to_owned());
        let unannounced = refusal.unannounced || self.config.dialect == Dialect::ActiveMq;
        let version = refusal.version.clone().or(versions);
        let refusal = &Refusal { version, unannounced, ..refusal.clone() };
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

fn locked(destination: &str) -> Refusal {
    let name = destination.strip_prefix("/queue/").unwrap_or(destination).escape_debug();
    let detail = format!(
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'. It could be originally \
         declared on another connection or the exclusive property value does not match that of the original declaration.\n"
    );
    Refusal::new(ErrorClass::Locked, detail)
}
