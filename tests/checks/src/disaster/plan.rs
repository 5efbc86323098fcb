//! What a run is made of, read from octets: the settings, then one deed after another.
//!
//! Octets make one model for all: a seed stands for drawn octets, a property test and a fuzzer bring their own, and a run
//! shrinks by leaving deeds out.

use std::time::Duration;

use stomp_proto::Version;

use super::{
    deed::{Deed, Fault},
    kind::Kind,
};
use crate::sim::Random;

/// Octets of the settings.
pub(super) const HEAD: usize = 32;
/// Octets of a deed.
pub(super) const DEED: usize = 4;

/// Whether the world has refusals that pass, clusters and cancels, and what follows from them is demanded.
pub const WHOLE: bool = true;

/// The settings and the deeds of a run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) setting: Setting,
    /// Each with the time that passes before it.
    pub(super) deeds: Vec<(Duration, Deed)>,
}

/// What holds for a whole run.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// Where the luck of the network comes from.
    pub(super) luck: u64,
    pub(super) clients: usize,
    pub(super) brokers: Vec<Kind>,
    pub(super) versions: Vec<Version>,
    /// Which faults may happen: swarm testing (Groce et al., 2012) finds what a mix of everything hides.
    pub(super) faults: Vec<Fault>,
    pub(super) beats: (Duration, Duration),
    pub(super) latency: Duration,
    /// The most octets of one read.
    pub(super) piece: usize,
    /// The most octets that one direction of a connection holds.
    pub(super) capacity: usize,
    pub(super) receipt_timeout: Duration,
    pub(super) timeout: Duration,
    pub(super) max_reconnect_delay: Duration,
    /// Whether a broker has other credentials than its clients.
    pub(super) wrong_login: bool,
    pub(super) durable_only: bool,
    pub(super) delivery_limit: Option<u32>,
    pub(super) prefetch: u32,
    /// Whether the brokers of the list share one store.
    pub(super) cluster: bool,
    /// Whether the clients have a `client-id`, which ActiveMQ lets in once.
    pub(super) client_id: bool,
    /// Whether no SUBSCRIBE is receipted.
    pub(super) mum: bool,
    /// Whether all brokers have the same login.
    pub(super) one_login: bool,
    /// How new the brokers are, from 0.
    pub(super) edition: usize,
    /// Whether delays are drawn, as they are by default.
    pub(super) jitter: bool,
    /// How often clients move to a broker that is drawn, if they do.
    pub(super) rebalance: Option<Duration>,
}

impl Plan {
    /// The plan that octets stand for.
    pub(super) fn read(octets: &[u8]) -> Self {
        let (head, rest) = octets.split_at(octets.len().min(HEAD));
        let mut settings = Draw(head);
        let setting = Setting::read(&mut settings);
        let deeds = rest.as_chunks::<DEED>().0.iter();
        let deeds =
            deeds.map(|[gap, what, a, b]| (pause(*gap), Deed::read(*what, *a, *b, &setting))).collect();
        Self { setting, deeds }
    }
}

/// The octets that a seed stands for.
#[must_use]
pub fn octets(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let deeds = 10 + random.below(110);
    let words = (HEAD + deeds * DEED) / 8;
    (0..words).flat_map(|_| random.draw().to_le_bytes()).collect()
}

/// Mostly moments, sometimes seconds.
fn pause(octet: u8) -> Duration {
    let number = u64::from(octet % 32) + 1;
    Duration::from_micros(match octet / 32 {
        0 => 0,
        1 | 2 => number * 100,
        3 | 4 => number * 3_000,
        5 | 6 => number * 20_000,
        _ => number * 300_000,
    })
}

impl Setting {
    /// One client, in 1.2, without heart-beats, and nothing that goes wrong by itself.
    pub(super) fn calm() -> Self {
        let second = Duration::from_secs(1);
        Self {
            luck: 0,
            clients: 1,
            brokers: vec![Kind::ActiveMq],
            versions: vec![Version::V1_2],
            faults: Vec::new(),
            beats: (Duration::ZERO, Duration::ZERO),
            latency: Duration::from_millis(2),
            piece: usize::MAX,
            capacity: 64 * 1024,
            receipt_timeout: second * 10,
            timeout: second * 20,
            max_reconnect_delay: second,
            wrong_login: false,
            durable_only: false,
            delivery_limit: None,
            prefetch: 100,
            cluster: false,
            client_id: false,
            mum: false,
            one_login: false,
            edition: 0,
            jitter: false,
            rebalance: None,
        }
    }

    fn read(draw: &mut Draw<'_>) -> Self {
        let luck = (0..8).fold(0, |luck, _| (luck << 8) | u64::from(draw.octet()));
        let faults = draw.faults();
        let first = draw.of(&Kind::ALL);
        let brokers =
            (0..=draw.below(3)).map(|_| if draw.below(4) == 0 { draw.of(&Kind::ALL) } else { first });
        let brokers: Vec<_> = brokers.collect();
        let is_uniform = brokers.iter().all(|kind| *kind == first);
        // The octets of the head are all spoken for.
        let mut more = Random::new(luck ^ 0x5748_4f4c_4520_574f);
        let edition = more.below(3);
        let mut one_in = |count| more.once_in(count) && WHOLE;
        let (cluster, client_id, mum, one_login) = (one_in(4) && is_uniform, one_in(4), one_in(8), one_in(4));
        let rebalance = [None, None, None, Some(2), Some(7), Some(20)][more.below(6)];
        let second = Duration::from_secs(1);
        Self {
            luck,
            brokers,
            clients: 1 + draw.below(3),
            versions: draw
                .of(&[&Version::ALL[..], &Version::ALL[2..], &Version::ALL[1..2], &Version::ALL[..1]])
                .to_vec(),
            faults,
            beats: draw.of(&[
                (second, second),
                (Duration::ZERO, Duration::ZERO),
                (second * 10, second * 4),
                (second * 10, second * 10),
            ]),
            latency: Duration::from_micros(1 << draw.below(17)),
            piece: draw.of(&[usize::MAX, 4096, 100, 7]),
            capacity: draw.of(&[64 * 1024, 64 * 1024, 4096, 300]),
            receipt_timeout: second * draw.of(&[3, 10, 60]),
            timeout: second * draw.of(&[1, 5, 20, 120]),
            max_reconnect_delay: second * draw.of(&[1, 5, 30]),
            wrong_login: draw.below(16) == 0,
            durable_only: draw.below(2) == 0,
            delivery_limit: draw.of(&[None, None, Some(2), Some(10)]),
            prefetch: draw.of(&[1, 3, 10, 100]),
            cluster,
            client_id,
            mum,
            one_login,
            edition,
            jitter: false,
            // Where no SUBSCRIBE is receipted, they are seldom idle.
            rebalance: rebalance.filter(|_| WHOLE && !mum).map(Duration::from_secs),
        }
    }
}

/// The faults that are there without the whole world.
const OLDER: usize = 17;

/// Octets that are used up from the front; nothing more comes as zeros.
struct Draw<'a>(&'a [u8]);

impl Draw<'_> {
    fn octet(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.octet()) % bound
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Each with an even chance; none in one run of eight.
    fn faults(&mut self) -> Vec<Fault> {
        let is_calm = self.below(8) == 0;
        let mask = (0..4).fold(0_u32, |mask, _| (mask << 8) | u32::from(self.octet()));
        let known = if WHOLE { Fault::ALL.len() } else { OLDER };
        let drawn = Fault::ALL.into_iter().take(known).enumerate();
        drawn.filter(|(number, _)| !is_calm && mask & (1 << number) != 0).map(|(_, fault)| fault).collect()
    }
}
