//! Who is in the network: a broker or a stranger, and how they behave towards connections.

use std::fmt;

use stomp_session::Timestamp;
use stomp_testkit::broker::{Broker, BrokerConfig, ConnectionId, Output};

use super::{
    Door, Ending,
    wire::{Wire, WireId},
    world::State,
};

/// Octets that a broker holds for a connection: more would make memory the measure of back-pressure.
const OUTPUT_WINDOW: usize = 64 * 1024;

type Cut = Option<(u64, Ending)>;

pub(super) struct Host {
    pub(super) who: Who,
    pub(super) door: Door,
    pub(super) dials: u64,
    pub(super) reading: bool,
    pub(super) frozen: bool,
    /// Where the next connection ends: from the client, and to it.
    pub(super) cuts: (Cut, Cut),
}

pub(super) enum Who {
    Broker(Box<Broker>),
    Stranger(&'static [u8]),
}

impl Host {
    /// A broker with the window above, whatever its configuration says.
    pub(super) fn broker(config: BrokerConfig) -> Self {
        Self::new(Who::Broker(Box::new(Broker::new(config.output_window(OUTPUT_WINDOW)))))
    }

    pub(super) const fn stranger(octets: &'static [u8]) -> Self {
        Self::new(Who::Stranger(octets))
    }

    const fn new(who: Who) -> Self {
        Self { who, door: Door::Open, dials: 0, reading: true, frozen: false, cuts: (None, None) }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        match &self.who {
            Who::Broker(broker) if !self.frozen => broker.poll_timeout().map(Timestamp::from_start),
            _ => None,
        }
    }

    pub(super) fn wants_input(&self, connection: Option<ConnectionId>) -> bool {
        let wants = match (&self.who, connection) {
            (Who::Broker(broker), Some(connection)) => broker.wants_input(connection),
            _ => true,
        };
        wants && self.reading && !self.frozen
    }

    pub(super) fn broker_mut(&mut self) -> Option<&mut Broker> {
        match &mut self.who {
            Who::Broker(broker) => Some(broker),
            Who::Stranger(_) => None,
        }
    }
}

impl State {
    pub(super) fn host(&mut self, name: &str) -> &mut Host {
        self.hosts.get_mut(name).unwrap_or_else(|| panic!("there is no host {name:?} in this simulation"))
    }

    /// Looks into a broker; what it has to say then goes on its way.
    pub(super) fn with_broker<R>(&mut self, name: &str, look: impl FnOnce(&mut Broker) -> R) -> R {
        let broker = self.host(name).broker_mut().expect("a broker, no stranger");
        let result = look(broker);
        self.collect(name);
        result
    }

    /// Hands what a broker has to say to its wires.
    pub(super) fn collect(&mut self, name: &str) {
        while let Some(output) = self.host(name).broker_mut().and_then(Broker::poll_output) {
            let (connection, said) = match output {
                Output::Send { connection, bytes } => (connection, Some(bytes)),
                Output::Close { connection } => (connection, None),
            };
            let Some(wire) = self.wire_of(name, connection) else { continue };
            match said {
                Some(octets) => wire.outgoing.extend_from_slice(&octets),
                None => wire.closing = true,
            }
        }
    }

    fn wire_of(&mut self, host: &str, connection: ConnectionId) -> Option<&mut Wire> {
        self.wires.values_mut().find(|wire| wire.host == host && wire.peer == Some(connection))
    }

    /// Tells all brokers the time for whom something is due.
    pub(super) fn tell_time(&mut self) {
        let now = self.now;
        let due = |host: &Host| host.deadline().is_some_and(|at| at <= now);
        let names: Vec<_> =
            self.hosts.iter().filter(|(_, host)| due(host)).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.with_broker(&name, |broker| broker.handle_timeout(now.since_start()));
        }
    }

    pub(super) fn dial(&mut self, name: &str) -> Door {
        let Some(host) = self.hosts.get_mut(name) else { return Door::Refusing };
        host.dials += 1;
        host.door
    }

    /// Makes a connection.
    pub(super) fn wire_to(&mut self, name: &str) -> WireId {
        let now = self.now.since_start();
        let host = self.host(name);
        let (up, down) = std::mem::take(&mut host.cuts);
        let peer = match &mut host.who {
            Who::Broker(broker) => Some(broker.connect(now)),
            Who::Stranger(_) => None,
        };
        let buffer = self.weather.buffer.clone();
        let sizes = (self.random.within(&buffer), self.random.within(&buffer));
        let id = WireId(self.number());
        self.wires.insert(id, Wire::new(name, peer, (sizes.0, up), (sizes.1, down)));
        id
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("door", &self.door).field("frozen", &self.frozen).finish_non_exhaustive()
    }
}
