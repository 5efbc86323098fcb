//! The table of subscriptions. Each connection begins by sending it: the first time is no special case.

use alloc::{
    borrow::Cow,
    boxed::Box,
    collections::BTreeMap,
    string::{String, ToString},
};
use core::time::Duration;

use stomp_proto::{AckMode, Command, Frame, Headers, Version};

use super::{
    names::Names,
    strikes::{Close, Sentence, Strikes},
    suspects::{Clock, Wait, Waiting},
};
use crate::model::{
    error::CommandError,
    frames,
    ids::{Number, Owner, ReceiptId, SubscriptionId},
    profile::{Cumulative, Profile},
    subscribe::{Retry, Subscribe},
    time::Timestamp,
};

/// Headers that the table writes by itself.
const RESERVED: [&str; 4] = ["destination", "id", "ack", "receipt"];

/// A subscription in the table.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    /// The `id` on the wire.
    pub(crate) wire_id: String,
    pub(crate) subscribe: Subscribe,
    /// Messages of the budget that are reserved for it.
    reserved: u64,
    /// The RECEIPT that its SUBSCRIBE on this connection waits for.
    pub(crate) asked: Option<ReceiptId>,
    has_stood: bool,
    /// Whether it was sent before and has ended since: the next SUBSCRIBE is a replay.
    is_replayed: bool,
    /// The time since which it is active.
    since: Option<Timestamp>,
    trouble: Option<Box<Trouble>>,
}

/// What has kept a subscription from being active, since it was last active for a while.
#[derive(Clone, Debug)]
struct Trouble {
    since: Timestamp,
    refusals: u32,
    strikes: Strikes,
}

/// The time for which a subscription must be active to have no trouble any more.
const STABLE: Duration = Duration::from_secs(60);

impl Subscription {
    /// Whether the broker has accepted it once.
    pub(crate) const fn has_stood(&self) -> bool {
        self.has_stood
    }

    /// A broker that cancels it had taken it, whether its RECEIPT came or not.
    pub(crate) const fn note_cancelled(&mut self, is_cancelled: bool) {
        self.has_stood |= is_cancelled;
    }

    /// Whether it was refused or met the end of a connection, and has not been active for a while since.
    pub(crate) const fn is_suspect(&self) -> bool {
        self.trouble.is_some()
    }

    /// Whether it has one of the headers that make it durable on this broker.
    pub(crate) fn is_durable(&self, profile: &Profile) -> bool {
        profile.durable.iter().any(|name| self.subscribe.headers.contains(name))
    }

    /// Whether messages are gone that come while no connection stands, or that the broker has sent and nobody has read.
    pub(crate) fn is_at_risk(&self, profile: &Profile) -> bool {
        let Subscribe { destination, ack_mode, expected, .. } = &self.subscribe;
        *expected
            || *ack_mode == AckMode::Auto
            || ["/temp-", "temp-"].iter().any(|prefix| destination.starts_with(prefix))
            || self.is_temporary(profile)
            || (self.is_of_topic(profile) && !self.is_durable(profile))
    }

    /// Whether the queue disappears with its last consumer.
    pub(crate) fn is_temporary(&self, profile: &Profile) -> bool {
        profile.temporary.iter().any(|header| self.has(header))
    }

    fn is_of_topic(&self, profile: &Profile) -> bool {
        match profile.subscribe_to_queue {
            // The names by which RabbitMQ and ActiveMQ tell topics.
            [] => {
                let names = ["/topic/", "topic://", "/exchange/"];
                names.iter().any(|prefix| self.subscribe.destination.starts_with(prefix))
            }
            told => !told.iter().all(|header| self.has(header)),
        }
    }

    fn has(&self, (name, value): &(&str, &str)) -> bool {
        self.subscribe.headers.get(name).is_some_and(|it| it == *value)
    }

    /// Whether a MESSAGE is no message, but marks the end of the browsed queue.
    pub(crate) fn is_browsed(&self, message: &Frame, profile: &Profile) -> bool {
        profile.browse_end.is_some_and(|(asked, (name, value))| {
            self.subscribe.headers.contains(asked)
                && message.header(name).is_some_and(|it| it == value)
                && !message.headers().contains("ack")
        })
    }

    /// The headers that its owner has set, as they are now.
    fn headers(&self) -> Cow<'_, Headers> {
        let headers = &self.subscribe.headers;
        match self.subscribe.on_replay.as_ref().filter(|_| self.is_replayed) {
            None => Cow::Borrowed(headers),
            Some(on_replay) => {
                let mut headers = headers.clone();
                on_replay.change(&mut headers);
                RESERVED.into_iter().for_each(|name| headers.remove(name));
                Cow::Owned(headers)
            }
        }
    }

    /// It is not active any more.
    fn note_end(&mut self, now: Timestamp) {
        if self.since.take().is_some_and(|since| now.since(since) >= STABLE) {
            self.trouble = None;
        }
    }

    fn trouble(&mut self, now: Timestamp) -> &mut Trouble {
        self.note_end(now);
        let none = || Box::new(Trouble { since: now, refusals: 0, strikes: Strikes::default() });
        self.trouble.get_or_insert_with(none)
    }

    /// Counts a refusal. Returns how many there were in a row, or `None` if its owner does not want another try.
    pub(crate) fn count_refusal(&mut self, now: Timestamp) -> Option<u32> {
        let retry = self.subscribe.retry;
        let trouble = self.trouble(now);
        trouble.refusals = trouble.refusals.saturating_add(1);
        let goes_on = match retry {
            Retry::Always => true,
            Retry::Never => false,
            Retry::Within(limit) => now.since(trouble.since) < limit,
        };
        goes_on.then_some(trouble.refusals)
    }

    /// Counts a connection that was closed in silence while the SUBSCRIBE was alone on it.
    pub(crate) fn count_silence(&mut self, close: Close<'_>, silence: u32) -> Sentence {
        self.trouble(close.now).strikes.add_silent(close, silence)
    }

    /// From now on it asks for a single message.
    pub(crate) fn narrow(&mut self, profile: &Profile) {
        self.subscribe.prefetch = Some(1);
        profile.prefetch.iter().for_each(|limit| self.subscribe.headers.remove(limit.name()));
    }

    /// The mode that is sent. It may differ from the mode that was asked for: `client-individual` does not exist in
    /// 1.0, and an ACK in mode `client` may affect messages of other subscriptions.
    pub(crate) fn mode_on_wire(&self, version: Version, profile: &Profile) -> AckMode {
        let has_individual = version != Version::V1_0 || profile.individual_in_1_0;
        match self.subscribe.ack_mode {
            AckMode::ClientIndividual if !has_individual => AckMode::Client,
            AckMode::Client if has_individual && profile.cumulative == Cumulative::Connection => {
                AckMode::ClientIndividual
            }
            mode => mode,
        }
    }

    pub(crate) fn frame(&self, version: Version, profile: &Profile) -> Frame {
        let headers = self.headers();
        let ack_mode = self.mode_on_wire(version, profile);
        let mut frame = frames::subscribe(&self.wire_id, &self.subscribe.destination, ack_mode);
        let messages = self.subscribe.prefetch.unwrap_or(profile.default_prefetch);
        let limits = profile.prefetch.iter().filter_map(|limit| limit.header(messages, ack_mode));
        for (name, number) in limits.filter(|(name, _)| !headers.contains(name)) {
            frame.headers_mut().push(name, number.to_string());
        }
        for (name, value) in headers.iter() {
            frame.headers_mut().push(name.octets(), value.octets());
        }
        frame
    }
}

/// Whether two destinations differ only by a prefix that one of them has.
fn is_same_name(one: &str, other: &str) -> bool {
    let (long, short) = if one.len() >= other.len() { (one, other) } else { (other, one) };
    let short = short.trim_start_matches('/');
    let rest = long.strip_suffix(short).filter(|_| !short.is_empty());
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(['/', '.', ':']))
}

/// All subscriptions, in the order in which they were made.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    owner: Owner,
    /// Boxed: a node of the tree has room for eleven, and most have one.
    table: BTreeMap<SubscriptionId, Box<Subscription>>,
    names: Names,
    /// Messages of the budget that are reserved.
    reserved: u64,
    /// Those that are not on the wire, and wait until they may be.
    waiting: Waiting<SubscriptionId>,
    late_messages: u64,
    stray_errors: u64,
}

impl Subscriptions {
    pub(crate) fn new(owner: Owner) -> Self {
        Self {
            owner,
            table: BTreeMap::new(),
            names: Names::default(),
            reserved: 0,
            waiting: Waiting::default(),
            late_messages: 0,
            stray_errors: 0,
        }
    }

    const fn numbered(&self, value: u64) -> SubscriptionId {
        SubscriptionId(Number { value, owner: self.owner })
    }

    pub(crate) fn add(&mut self, subscribe: Subscribe, budget: u32) -> Result<SubscriptionId, CommandError> {
        if subscribe.destination.is_empty() {
            return Err(CommandError::NoDestination);
        }
        if let Some(name) = RESERVED.into_iter().find(|name| subscribe.headers.contains(name)) {
            return Err(CommandError::ReservedHeader(name));
        }
        let reserved = self.check_prefetch(&subscribe, budget)?;
        let id = match &subscribe.id {
            Some(name) if !self.names.is_free(name) => {
                return Err(CommandError::SubscriptionIdInUse(name.clone()));
            }
            Some(name) => {
                let number = self.names.skip();
                let id = self.numbered(number);
                self.names.claim(name.clone(), id);
                id
            }
            None => {
                let number = self.names.generate();
                self.numbered(number)
            }
        };
        self.reserved = self.reserved.saturating_add(reserved);
        let wire_id = subscribe.id.clone().unwrap_or_else(|| id.to_string());
        self.table.insert(
            id,
            Box::new(Subscription {
                wire_id,
                subscribe,
                reserved,
                asked: None,
                has_stood: false,
                is_replayed: false,
                since: None,
                trouble: None,
            }),
        );
        Ok(id)
    }

    /// The prefetch that is reserved for a subscription: STOMP cannot change it while the subscription stands.
    fn check_prefetch(&self, subscribe: &Subscribe, budget: u32) -> Result<u64, CommandError> {
        let Some(wanted) = subscribe.prefetch.filter(|_| subscribe.ack_mode != AckMode::Auto) else {
            return Ok(0);
        };
        let left = u64::from(budget).saturating_sub(self.reserved);
        match u64::from(wanted) {
            reserved if (1..=left).contains(&reserved) => Ok(reserved),
            _ => Err(CommandError::Prefetch { wanted, left: u32::try_from(left).unwrap_or(u32::MAX) }),
        }
    }

    pub(crate) fn remove(&mut self, id: SubscriptionId) -> Option<Subscription> {
        let removed = self.table.remove(&id)?;
        self.reserved = self.reserved.saturating_sub(removed.reserved);
        self.names.drop(&removed.wire_id, id);
        self.waiting.remove(id);
        Some(*removed)
    }

    /// An UNSUBSCRIBE is to be written: a chosen id is not free until it is answered.
    pub(crate) fn leave(&mut self, id: SubscriptionId, name: &str) {
        self.names.leave(name.into(), id);
    }

    /// The broker does not know this subscription any more. Returns whether that has made its id free.
    pub(crate) fn release(&mut self, id: SubscriptionId) -> bool {
        self.names.release(id)
    }

    /// The connection has ended, and all that was unsubscribed on it: its ids are free.
    pub(crate) fn end_connection(&mut self) {
        self.names.end_connection();
    }

    /// A connection stands that knows nothing of ids which were used before.
    pub(crate) fn begin_connection(&mut self) {
        self.names.begin_connection();
    }

    pub(crate) const fn count_late_message(&mut self) {
        self.late_messages = self.late_messages.saturating_add(1);
    }

    pub(crate) const fn late_messages(&self) -> u64 {
        self.late_messages
    }

    pub(crate) const fn count_stray_error(&mut self) {
        self.stray_errors = self.stray_errors.saturating_add(1);
    }

    pub(crate) const fn stray_errors(&self) -> u64 {
        self.stray_errors
    }

    /// Whether messages under that id may be those of an earlier subscription of this connection.
    pub(crate) fn was_used_before(&self, wire_id: &str) -> bool {
        self.names.was_used(wire_id)
    }

    pub(crate) fn get(&self, id: SubscriptionId) -> Option<&Subscription> {
        self.table.get(&id).map(|held| &**held)
    }

    pub(crate) fn get_mut(&mut self, id: SubscriptionId) -> Option<&mut Subscription> {
        self.table.get_mut(&id).map(|held| &mut **held)
    }

    /// Notes that the SUBSCRIBE was accepted, unless an ERROR has come before the RECEIPT: then the subscription is not
    /// active. Returns whether connections were closed at it before, if it is.
    pub(crate) fn note_taken(
        &mut self,
        id: SubscriptionId,
        receipt: ReceiptId,
        now: Timestamp,
    ) -> Option<bool> {
        let held = self.table.get_mut(&id)?;
        held.asked.take_if(|asked| *asked == receipt)?;
        (held.has_stood, held.since) = (true, Some(now));
        let was_closed = held.trouble.as_mut().is_some_and(|trouble| trouble.strikes.forgive());
        // Ends without a word were not its doing.
        held.trouble.take_if(|trouble| trouble.refusals == 0);
        Some(was_closed)
    }

    /// The connection has ended.
    pub(crate) fn note_lost(&mut self, now: Timestamp) {
        for held in self.table.values_mut() {
            held.is_replayed |= held.has_stood || held.asked.is_some();
            held.asked = None;
            held.note_end(now);
        }
    }

    /// Waits until it may be sent again.
    pub(crate) fn wait(&mut self, id: SubscriptionId, wait: Wait) {
        if let Some(held) = self.table.get_mut(&id) {
            held.is_replayed = true;
            held.asked = None;
            self.names.note_used(&held.wire_id);
            self.waiting.add(id, wait);
        }
    }

    pub(crate) fn waits(&self, id: SubscriptionId) -> bool {
        self.waiting.contains(id)
    }

    /// Those that are to be on the wire.
    pub(crate) fn ready(&self) -> impl Iterator<Item = SubscriptionId> {
        self.table.keys().copied().filter(|id| !self.waits(*id))
    }

    /// See [`Waiting`].
    pub(crate) const fn waiting(&mut self) -> &mut Waiting<SubscriptionId> {
        &mut self.waiting
    }

    /// See [`Waiting::has_suspects`].
    pub(crate) fn has_suspects(&self) -> bool {
        self.waiting.has_suspects()
    }

    /// See [`Waiting::deadline`] and [`Waiting::suspect_deadline`].
    pub(crate) fn deadlines(&self, clock: &Clock) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.waiting.deadline(), self.waiting.suspect_deadline(clock))
    }

    #[cfg(feature = "client")]
    pub(crate) fn keeps_stale(&self, id: SubscriptionId) -> bool {
        self.get(id).is_some_and(|held| held.subscribe.keep_stale)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SubscriptionId, &Subscription)> {
        self.table.iter().map(|(id, subscription)| (*id, &**subscription))
    }

    /// The subscription that a MESSAGE, or an ERROR, is for. In 1.0 it may go by destination alone.
    pub(crate) fn of(&self, frame: &Frame) -> Option<SubscriptionId> {
        match frame.header("subscription") {
            Some(id) => {
                let numbered = id.number().map(|number| self.numbered(number));
                let exact =
                    |number: &SubscriptionId| self.get(*number).is_some_and(|held| id == *held.wire_id);
                numbered.filter(exact).or_else(|| self.names.of(&id.octets()))
            }
            None if frame.command() == Command::Message => self.by_destination(frame),
            None => None,
        }
    }

    /// The subscription of a MESSAGE whose `subscription` header differs from the id that was sent: it has blanks
    /// around it, or, in 1.0, which does not define the header, it is something of the broker's own.
    fn of_altered(&self, frame: &Frame, version: Version) -> Option<SubscriptionId> {
        let value = frame.header("subscription")?.octets();
        let text = core::str::from_utf8(&value).ok().map(str::trim);
        let trimmed = text.and_then(|text| {
            let numbered = text.parse().ok().map(|number| self.numbered(number));
            let exact = |id: &SubscriptionId| self.get(*id).is_some_and(|held| text == held.wire_id);
            numbered.filter(exact).or_else(|| self.names.of(text.as_bytes()))
        });
        let is_late = || text.is_some_and(|text| self.was_removed_id(text));
        trimmed.or_else(|| {
            (version == Version::V1_0 && !is_late()).then(|| self.by_destination(frame)).flatten()
        })
    }

    /// The subscription with this destination, or else the only one whose destination differs just by a prefix. Brokers
    /// show a destination under another prefix than it was given with (`/queue/a`, `queue://a`, `a`).
    fn by_destination(&self, frame: &Frame) -> Option<SubscriptionId> {
        let value = frame.header("destination")?.octets();
        let shown = core::str::from_utf8(&value).ok()?.trim();
        let exact = self.iter().find(|(_, held)| shown == held.subscribe.destination.trim());
        let mut others =
            self.iter().filter(|(_, held)| is_same_name(shown, held.subscribe.destination.trim()));
        let (id, _) = exact.or_else(|| others.next().filter(|_| others.next().is_none()))?;
        Some(id)
    }

    /// The one that has that id of the user's own.
    pub(crate) fn named(&self, name: &str) -> Option<SubscriptionId> {
        self.names.of(name.as_bytes())
    }

    /// The subscription that a MESSAGE is for, unless it waits to be sent again.
    pub(crate) fn standing(&self, frame: &Frame, version: Version) -> Option<SubscriptionId> {
        let id = self.of(frame).or_else(|| self.of_altered(frame, version));
        id.filter(|id| !self.waits(*id))
    }

    /// Whether a subscription has existed on this connection and is gone: its messages may still be on their way.
    pub(crate) fn was_removed(&self, frame: &Frame) -> bool {
        let id = frame.header("subscription").and_then(|id| id.text().ok());
        id.is_some_and(|id| self.was_removed_id(&id))
    }

    pub(crate) fn was_removed_id(&self, id: &str) -> bool {
        let is_gone = |number| !self.table.contains_key(&self.numbered(number));
        let was_generated = |number| self.names.is_generated(number) && is_gone(number);
        id.parse().is_ok_and(was_generated) || self.names.is_past(id)
    }
}
