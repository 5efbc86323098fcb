//! A cluster on trial: one round after the other.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    Blow, Interrupt, Kind, Row, Shape,
    ledger::{Counts, Gap},
    load::{CONSUMERS, Load, PRODUCERS, VICTIMS},
    probe::{self, Probes},
    running::Cluster,
    timeline::Timeline,
};

/// A cluster with its load.
#[derive(Debug)]
pub struct Trial {
    // Dropped in this order: clients end before their brokers.
    load: Load,
    probes: Probes,
    cluster: Cluster,
    interrupt: Interrupt,
    counts: Counts,
    rounds: usize,
    rebalance: Option<Duration>,
}

/// Before a blow, and after everything is as before.
const CALM: Duration = Duration::from_secs(2);
/// How long everything may take to be as before.
const RECOVERY: Duration = Duration::from_secs(180);
/// How long what was confirmed may be on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(90);
/// How long a client that shows no sign of life is waited for.
const SILENCE: Duration = Duration::from_secs(45);
/// Within how many of their periods clients that rebalance have spread: each draws its node about as often.
const PERIODS: u32 = 10;
/// A node has its clients if it has this part of its even share.
const PART: usize = 4;

impl Trial {
    /// Starts a cluster and sets its clients to work. With a period, they are clients that rebalance, and each round ends
    /// when every node has clients again.
    ///
    /// # Errors
    /// Returns an error if the cluster does not start, or if a client cannot connect.
    pub fn start(
        kind: &'static Kind,
        rebalance: Option<Duration>,
        interrupt: &Interrupt,
    ) -> io::Result<Self> {
        let cluster = Cluster::start(kind, interrupt)?;
        let (load, probes) = (Load::start(&cluster, rebalance)?, Probes::start(&cluster));
        let (interrupt, counts) = (interrupt.clone(), Counts::default());
        Ok(Self { load, probes, cluster, interrupt, counts, rounds: 0, rebalance })
    }

    /// Runs a round. Its row says what came of it.
    ///
    /// # Errors
    /// Returns an error if the cluster does not come back, or if the round was interrupted.
    pub fn round(&mut self, blow: Blow) -> io::Result<Row> {
        self.interrupt.sleep(CALM)?;
        self.load.forget();
        self.probes.take();
        let node = self.target(blow);
        let began = Instant::now();
        blow.strike(&mut self.cluster, &self.load, node, &self.interrupt)?;
        self.wait_recovered()?;
        self.interrupt.sleep(CALM)?;
        let silent = self.wait_alive()?;
        let uneven = self.wait_spread()?;
        let lost = self.wait_received()?;
        self.rounds += 1;
        let mut row = self.row(blow, node, began, lost, &silent);
        row.broken.extend(uneven);
        Ok(row)
    }

    /// Each node in turn; of a pair, the one that serves.
    fn target(&self, blow: Blow) -> usize {
        let serving = self.probes.serving().iter().position(|serves| *serves);
        match (self.cluster.kind().shape, serving) {
            (Shape::Pair(_), Some(node)) if blow != Blow::Rolling => node,
            _ => self.rounds % self.cluster.size(),
        }
    }

    /// Waits until as many nodes serve as are to.
    fn wait_recovered(&self) -> io::Result<()> {
        let pair = matches!(self.cluster.kind().shape, Shape::Pair(_));
        let wanted = if pair { 1 } else { self.cluster.size() };
        let recovered = || self.probes.serving().iter().filter(|serves| **serves).count() >= wanted;
        if self.wait(RECOVERY, recovered)? {
            return Ok(());
        }
        let text = format!("after {RECOVERY:?} these serve: {:?}", self.probes.serving());
        Err(io::Error::other(text))
    }

    /// Waits until each client has shown a sign of life, and returns those who have not.
    fn wait_alive(&self) -> io::Result<Vec<usize>> {
        let since = Instant::now();
        self.wait(SILENCE, || self.load.ledger.silent_since(since).is_empty())?;
        Ok(self.load.ledger.silent_since(since))
    }

    /// Waits until clients that rebalance are at all nodes again, and returns what is wrong if they are not.
    fn wait_spread(&self) -> io::Result<Option<String>> {
        let (Some(period), Shape::Quorum | Shape::Network) = (self.rebalance, self.cluster.kind().shape)
        else {
            return Ok(None);
        };
        let share = (PRODUCERS + CONSUMERS) / self.cluster.size();
        let spread = || self.load.spread(&self.cluster);
        if self.wait(period * PERIODS, || spread().iter().all(|clients| clients * PART >= share))? {
            return Ok(None);
        }
        Ok(Some(format!(
            "after {PERIODS} periods of rebalancing, the nodes have these clients: {:?}",
            spread()
        )))
    }

    /// Waits until all that was confirmed before has been received, and returns what has not.
    fn wait_received(&self) -> io::Result<Vec<(usize, usize)>> {
        let mut missing = self.load.ledger.missing();
        self.wait(ON_ITS_WAY, || {
            missing.retain(|message| !self.load.ledger.has(*message));
            missing.is_empty()
        })?;
        missing.iter().for_each(|message| self.load.ledger.write_off(*message));
        Ok(missing)
    }

    fn wait(&self, within: Duration, mut is_so: impl FnMut() -> bool) -> io::Result<bool> {
        let deadline = Instant::now() + within;
        while !is_so() {
            if Instant::now() > deadline {
                return Ok(false);
            }
            self.interrupt.sleep(Duration::from_millis(100))?;
        }
        Ok(true)
    }

    fn row(
        &mut self,
        blow: Blow,
        node: usize,
        began: Instant,
        lost: Vec<(usize, usize)>,
        silent: &[usize],
    ) -> Row {
        let ended = Instant::now();
        let timeline = self.probes.take();
        let (gaps, traffic) = self.load.ledger.gaps();
        let counts = self.load.ledger.counts();
        let before = std::mem::replace(&mut self.counts, counts);
        let outage = timeline.outage(began, ended);
        let shape = self.cluster.kind().shape;
        let allowed = blow.allowed(shape, outage);
        let mut broken = self.load.ledger.take_broken();
        broken.extend(lost.iter().flat_map(|message| self.obituary(*message, began)));
        broken.extend(silent.iter().map(|client| format!("{} shows no sign of life", name(*client))));
        let mut row = Row {
            kind: self.cluster.kind().name,
            blow,
            node,
            took: ended.duration_since(began),
            confirmed: counts.confirmed - before.confirmed,
            lost: lost.len(),
            copies: counts.copies - before.copies,
            outage,
            spread: self.load.spread(&self.cluster),
            traffic: longest(&traffic),
            gap: Duration::ZERO,
            own: Duration::ZERO,
            late: Vec::new(),
            broken,
        };
        for (client, gaps) in gaps.iter().enumerate() {
            self.judge(
                &mut row,
                client,
                gaps,
                &timeline,
                if alone(blow, client) { limit_elsewhere() } else { allowed },
            );
        }
        row
    }

    /// What is known of a message that is lost: who still has it, and what everybody saw of it.
    fn obituary(&self, message: (usize, usize), began: Instant) -> Vec<String> {
        let body = format!(" {} {}", message.0, message.1);
        let holders = (0..self.cluster.size()).filter(|node| {
            let (address, host) = (self.cluster.address(*node), self.cluster.virtual_host());
            probe::holds(address, host, self.cluster.kind(), body.trim_start())
        });
        let holders: Vec<_> = holders.collect();
        let mut lines = vec![format!("lost:{body}, in the queues of these nodes: {holders:?}")];
        for client in 0..PRODUCERS + CONSUMERS {
            let diary = self.load.diary(client);
            let told = diary.told(&body);
            if let (Some(first), Some(last)) = (told.first(), told.last()) {
                let (name, at) = (name(client), seconds_between(began, *first));
                lines.push(format!(
                    "{name}, {at:.3} s after the beginning of the round, at {:?}:",
                    self.load.host(client)
                ));
                lines.extend(diary.during(Gap { from: *first - AROUND, to: *last + AROUND }));
            }
        }
        lines
    }

    /// Adds a client's gaps to a round.
    fn judge(&self, row: &mut Row, client: usize, gaps: &[Gap], timeline: &Timeline, allowed: Duration) {
        let diary = self.load.diary(client);
        let waits = diary.take_waits();
        // Whether a silent node is waited for is the client's own matter.
        let waits = if row.blow.is_silent() { &[] } else { &*waits };
        for gap in gaps {
            let own = timeline.served(*gap, waits);
            row.gap = row.gap.max(gap.length());
            row.own = row.own.max(own);
            if own > allowed {
                let (name, length) = (name(client), gap.length());
                row.late.push(format!("{name} was silent for {length:.1?}, for {own:.1?} of it by itself"));
                if row.late.len() < TOLD {
                    row.late.extend(diary.during(*gap));
                }
            }
        }
    }
}

/// What is told before and after a message that is lost.
const AROUND: Duration = Duration::from_secs(1);
/// How much is told of those who were late.
const TOLD: usize = 100;

/// Whether the others have nothing to do with it.
fn alone(blow: Blow, client: usize) -> bool {
    matches!(blow, Blow::BlackHole(_)) && !VICTIMS.contains(&client)
}

const fn limit_elsewhere() -> Duration {
    Duration::from_secs(3)
}

fn name(client: usize) -> String {
    let consumer = client.checked_sub(PRODUCERS);
    let all = PRODUCERS + CONSUMERS;
    debug_assert!(client < all, "there are {all}");
    consumer.map_or_else(|| format!("producer {client}"), |consumer| format!("consumer {consumer}"))
}

fn seconds_between(from: Instant, to: Instant) -> f64 {
    let before = from.saturating_duration_since(to).as_secs_f64();
    to.saturating_duration_since(from).as_secs_f64() - before
}

fn longest(gaps: &[Gap]) -> Duration {
    gaps.iter().map(Gap::length).max().unwrap_or_default()
}
