//! One connection: its parser, what it has agreed on, what it owes, and the output that waits for it.

use core::{fmt, time::Duration};
use std::{collections::BTreeMap, sync::Arc};

use bytes::{Bytes, BytesMut};
use stomp_proto::{EncodeError, HeartBeat, Limits, Parser, Sender, Version};

use super::{
    ConnectionId,
    heart_beat::HeartBeats,
    returns::Returns,
    source::{Source, SubscriptionKey},
    store::Message,
    subscription::SubscriptionName,
    temporary::Temporaries,
    transaction::Transaction,
};

/// A message sent to a consumer, by the connection and the count of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeliveryId {
    pub(super) connection: ConnectionId,
    pub(super) number: u64,
}

/// A message that its consumer has and has not acknowledged.
#[derive(Debug)]
pub(super) struct Unacked {
    pub(super) subscription: SubscriptionKey,
    pub(super) source: Source,
    pub(super) message: Message,
}

/// What the broker knows of one connection.
pub(super) struct Connection {
    pub(super) parser: Parser,
    /// What CONNECTED said; nothing before it.
    pub(super) version: Option<Version>,
    pub(super) heart_beats: HeartBeats,
    pub(super) subscriptions: BTreeMap<SubscriptionName, SubscriptionKey>,
    /// By the number of their delivery.
    pub(super) unacked: BTreeMap<u64, Unacked>,
    pub(super) transactions: BTreeMap<String, Transaction>,
    /// Accepted and never answered.
    pub(super) silent: bool,
    /// What is written behind the answer to the frame at hand, or a moment later.
    pub(super) afterwards: BytesMut,
    /// The `login` of its CONNECT.
    pub(super) login: Option<Arc<str>>,
    /// When it is written at the latest, if that is later.
    pub(super) afterwards_at: Option<Duration>,
    /// What it has given back that may still be held up.
    pub(super) returns: BTreeMap<Source, Returns>,
    /// The `client-id` of its CONNECT.
    pub(super) client_id: Option<Arc<str>>,
    /// What CONNECTED calls the broker, if it is not what the configuration says.
    pub(super) server: Option<Arc<str>>,
    /// The broker is done with it: what is written leaves, then it is closed.
    pub(super) closing: bool,
    /// An ERROR was written that ends it when all that has arrived was read.
    pub(super) doomed: bool,
    pub(super) temporaries: Temporaries,
    /// The numbers of deliveries that were only shown, and what JMS calls their messages.
    pub(super) browsed: BTreeMap<u64, Option<Arc<str>>>,
    deliveries: u64,
    output: BytesMut,
    /// Octets of the output that have not left, polled or not.
    pending: usize,
}

impl Connection {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            parser: Parser::new(Sender::Client, limits),
            version: None,
            heart_beats: HeartBeats::default(),
            subscriptions: BTreeMap::new(),
            unacked: BTreeMap::new(),
            transactions: BTreeMap::new(),
            silent: false,
            afterwards: BytesMut::new(),
            login: None,
            afterwards_at: None,
            returns: BTreeMap::new(),
            client_id: None,
            server: None,
            closing: false,
            doomed: false,
            temporaries: Temporaries::default(),
            browsed: BTreeMap::new(),
            deliveries: 0,
            output: BytesMut::new(),
            pending: 0,
        }
    }

    /// Enters the conversation proper.
    pub(super) fn open(&mut self, version: Version, agreed: HeartBeat, silent_periods: u32, now: Duration) {
        self.version = Some(version);
        self.parser.set_version(version);
        self.heart_beats.agree(agreed, silent_periods, now);
    }

    /// Appends a frame and the LF that RabbitMQ and ActiveMQ put behind each, or changes nothing.
    pub(super) fn write(
        &mut self,
        now: Duration,
        frame: impl FnOnce(Version, &mut BytesMut) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let before = self.output.len();
        // Before the versions are agreed on the newest is as good as any: the words of a refusal need no escapes.
        if let Err(error) = frame(self.version.unwrap_or(Version::V1_2), &mut self.output) {
            self.output.truncate(before);
            return Err(error);
        }
        self.output.extend_from_slice(b"\n");
        self.note_written(before, now);
        Ok(())
    }

    /// Appends octets as they are.
    pub(super) fn write_octets(&mut self, octets: &[u8], now: Duration) {
        let before = self.output.len();
        self.output.extend_from_slice(octets);
        self.note_written(before, now);
    }

    fn note_written(&mut self, before: usize, now: Duration) {
        self.pending += self.output.len() - before;
        self.heart_beats.note_sent(now);
    }

    /// The output that waits to be polled.
    pub(super) fn take_output(&mut self) -> Option<Bytes> {
        (!self.output.is_empty()).then(|| self.output.split().freeze())
    }

    /// Forgets the output that has not been polled.
    pub(super) fn drop_output(&mut self) {
        self.pending = self.pending.saturating_sub(self.output.len());
        self.output.clear();
    }

    /// Cuts the second half of what was written from there on.
    pub(super) fn halve_output(&mut self, before: usize) {
        let kept = before.midpoint(self.output.len());
        self.pending -= self.output.len() - kept;
        self.output.truncate(kept);
    }

    pub(super) fn output_len(&self) -> usize {
        self.output.len()
    }

    pub(super) const fn note_left(&mut self, octets: usize) {
        self.pending = self.pending.saturating_sub(octets);
    }

    pub(super) const fn pending(&self) -> usize {
        self.pending
    }

    pub(super) const fn next_delivery(&mut self) -> u64 {
        self.deliveries += 1;
        self.deliveries
    }

    /// When there is something to do for it.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let returns = self.returns.values().filter_map(Returns::deadline);
        self.heart_beats.deadline().into_iter().chain(self.afterwards_at).chain(returns).min()
    }

    /// Whether the broker still talks to it.
    pub(super) const fn is_open(&self) -> bool {
        !self.closing && !self.silent
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("version", &self.version)
            .field("subscriptions", &self.subscriptions)
            .field("unacked", &self.unacked.len())
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}
