//! The brokers, and what happens to them.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use stomp_testkit::{
    broker::BrokerConfig,
    proxy::{Break, Plan, Proxy},
    real::{Description, RealBroker},
    server::Server,
};

use crate::sim::Random;

/// A kind of broker.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The embedded broker, in this process.
    Embedded,
    /// A real one, as a process of its own.
    Real(&'static Description),
    /// One that runs already. Nothing happens to it.
    Uri(String),
}

/// A broker, and the proxy before it that cuts connections.
pub(super) struct Target {
    broker: Broker,
    proxy: Option<Proxy>,
    name: String,
    random: Random,
}

enum Broker {
    Embedded { server: Option<Server>, address: SocketAddr },
    Real(Box<RealBroker>),
    Uri(String),
}

/// So many connections may be cut.
const PLANS: usize = 10_000;

/// The time between two faults. A run that is short has them more often.
const PAUSE: RangeInclusive<Duration> = Duration::from_secs(20)..=Duration::from_secs(90);

/// In the end the brokers are left alone for this long.
const CALM: Duration = Duration::from_secs(20);

impl Target {
    pub(super) fn start(kind: &Kind, seed: u64) -> io::Result<Self> {
        let mut random = Random::new(seed);
        let (broker, name) = match kind {
            Kind::Embedded => {
                let server = Server::start(BrokerConfig::default())?;
                let address = server.address();
                (Broker::Embedded { server: Some(server), address }, "the embedded broker".to_owned())
            }
            Kind::Real(description) => {
                let broker = RealBroker::start(description)?;
                (Broker::Real(Box::new(broker)), description.name.to_owned())
            }
            Kind::Uri(uri) => (Broker::Uri(uri.clone()), "the broker that was named".to_owned()),
        };
        let address = match &broker {
            Broker::Embedded { address, .. } => Some(*address),
            Broker::Real(broker) => Some((Ipv4Addr::LOCALHOST, broker.stomp_port()).into()),
            Broker::Uri(_) => None,
        };
        let plans: Vec<_> = (0..PLANS).map(|_| plan(&mut random)).collect();
        let proxy = address.map(|address| Proxy::start(address, plans)).transpose()?;
        Ok(Self { broker, proxy, name, random })
    }

    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    /// What clients connect to.
    pub(super) fn uri(&self) -> String {
        match (&self.broker, &self.proxy) {
            (Broker::Uri(uri), _) => uri.clone(),
            (_, Some(proxy)) => format!("failover:({})", proxy.uri()),
            _ => unreachable!("all others have a proxy"),
        }
    }

    /// Causes faults until then, and returns how many, with the broker in good health.
    pub(super) fn trouble(mut self, until: Instant) -> JoinHandle<io::Result<(usize, Self)>> {
        thread::spawn(move || {
            let mut count = 0;
            let length = until.saturating_duration_since(Instant::now());
            loop {
                let pause = self.random.time(&PAUSE).min(length / 6);
                if Instant::now() + pause + CALM.min(length / 4) > until {
                    thread::sleep(until.saturating_duration_since(Instant::now()));
                    return Ok((count, self));
                }
                thread::sleep(pause);
                count += usize::from(self.fault()?);
            }
        })
    }

    /// Returns whether there was one.
    fn fault(&mut self) -> io::Result<bool> {
        let away = self.random.time(&(Duration::ZERO..=Duration::from_secs(3)));
        let frozen = self.random.time(&(Duration::from_secs(1)..=Duration::from_secs(25)));
        let kind = self.random.below(3);
        match (&mut self.broker, kind) {
            (Broker::Uri(_), _) => return Ok(false),
            (Broker::Embedded { server: Some(server), .. }, 0) => server.close_connections(),
            (Broker::Embedded { server, address }, _) => {
                let mut broker = server.take().expect("it runs").stop();
                broker.crash();
                thread::sleep(away);
                *server = Some(Server::resume(*address, broker)?);
            }
            (Broker::Real(broker), 0) => {
                broker.freeze()?;
                thread::sleep(frozen);
                broker.thaw()?;
            }
            (Broker::Real(broker), 1) => {
                broker.stop()?;
                broker.restart()?;
            }
            (Broker::Real(broker), _) => {
                broker.kill()?;
                thread::sleep(away);
                broker.restart()?;
            }
        }
        Ok(true)
    }
}

/// What happens to a connection: three of four are cut some day.
fn plan(random: &mut Random) -> Plan {
    let mut plan = Plan::default();
    plan.to_client.latency = random.time(&(Duration::ZERO..=Duration::from_millis(5)));
    if random.once_in(3) {
        plan.to_client.slice = Some(random.within(&(1..=3000)));
        plan.to_broker.slice = Some(random.within(&(1..=3000)));
    }
    let octets = random.within(&(20_000..=20_000_000)) as u64;
    let end = [Break::Reset, Break::HalfClose, Break::Stall, Break::Reset][random.below(4)];
    match random.below(4) {
        0 => {}
        1 => plan.to_broker.after = Some((octets, end)),
        _ => plan.to_client.after = Some((octets, end)),
    }
    plan
}
