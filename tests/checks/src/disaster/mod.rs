//! Disasters: sessions, model brokers and the network between them, in virtual time and on one thread, with everything
//! that can go wrong, and the laws that hold nevertheless.
//!
//! This is not [`sim`](crate::sim), which runs the driver's asynchronous code: here is no code but the session's.
//!
//! ```text
//! cargo run --release -p stomp-checks --bin sim -- --seeds 100000        each seed another disaster
//! cargo run --release -p stomp-checks --bin sim -- --seed 597 --trace    one of them, all that happens written down
//! ```
//!
//! A run is made of octets: 32 of settings, then four for each deed. A seed stands for drawn octets, a property test and the
//! fuzz target `session` bring their own. The settings choose one to three clients and brokers, the versions, heart-beats,
//! deadlines, how slow and narrow the network is, and *which* faults may happen: each with an even chance, so that no fault
//! hides another (swarm testing). A deed is what a user does (subscribe, send, settle, put aside, cancel, pause, …) or a
//! fault: black holes, resets, ends, delays, refused and hanging dials, brokers that crash (at any moment, or at one of the
//! seventeen points of [`CrashPoint`](stomp_testkit::broker::CrashPoint)), freeze, accept and say nothing, lose receipts, send
//! ERRORs that name nobody and receipts that nobody asked for; clients that are not run for a while. After the last deed
//! nothing goes wrong any more, and everything must come right: connections, results, queues without messages, goodbyes.
//!
//! # The models
//!
//! The brokers are the embedded one with the habits of three real ones:
//!
//! | | RabbitMQ | ActiveMQ | Artemis |
//! | --- | --- | --- | --- |
//! | ids of deliveries | count from 1 on each connection; the session in them is ignored | name the connection | name the connection |
//! | RECEIPTs of SENDs | late, in any order | in order | in order |
//! | ERROR | names nobody, mostly stays open | names the receipt, stays open | names the receipt, closes |
//! | COMMIT | receipted before it is carried out | carried out | carried out; ACKs counted before |
//! | after UNSUBSCRIBE | stray ERRORs, each for a message; what is unacknowledged stays with the connection | late MESSAGEs | |
//! | cumulative ACK | for all subscriptions | for one | for one |
//! | NACK | back to the queue | to the dead letter queue | destroys |
//! | while it cannot write | reads nothing, for 30 s | reads | reads |
//! | de-duplication ids | ignored | ignored | remembered |
//!
//! All of them have prefetch windows, delivery limits in some runs, and a store that keeps everything or what is persistent.
//!
//! # The clusters
//!
//! ```text
//! cargo run --release -p stomp-checks --bin sim -- --clusters --seeds 1000    six rounds each, and a table
//! ```
//!
//! Three nodes of RabbitMQ with quorum queues, or a pair of ActiveMQ or Artemis of which one serves, lose nodes in
//! [`clusters()`], one round after another, while two clients send at least once and two receive: kills, with elections that
//! store a message or do not; elections alone, for up to 40 s, or at each node of a rolling restart; freezes; black holes before one client; two of three nodes down;
//! partitions; rolling and full restarts; upgrades, after which nodes name another version; and standbys that open up to 30 s
//! after the other one has died, and meanwhile refuse, accept and close, or accept and are silent. All messages that were
//! confirmed are received in the end.
//!
//! # The laws
//!
//! | | what is checked | when |
//! | --- | --- | --- |
//! | INV-1 | no result is overdue; nothing is due again at once; nobody runs in circles | each turn, the end |
//! | INV-2 | one result for each operation that was not cancelled, and the RECEIPT or ERROR for it has come | each event |
//! | INV-3 | ACK and NACK name what this connection delivered; only what it delivered is called stale, or not | each frame, each call |
//! | INV-4 | confirmed: in the broker's journal, and at the end there or consumed; rejected: never there | each result, the end |
//! | INV-5 | each ACK and NACK was asked for, once; what the broker takes for consumed was | each frame, each journal entry |
//! | INV-6 | queues with consumers run dry, and a living connection keeps nothing of what it has unsubscribed | the end |
//! | INV-7 | messages come in the order of the wire, none twice, none left out | each event |
//! | INV-8 | what is written is STOMP for a strict parser, CONNECT first, nothing after DISCONNECT, headers as given | each write |
//! | INV-9 | no SEND is written twice, none that was withdrawn at all | each frame |
//! | INV-10 | the gap between writes is within what was agreed, while there is room | each turn |
//! | INV-11 | silence is noticed within two periods and 500 ms, not before one | each turn, each event |
//! | INV-12 | dials: one at a time, when announced, by rounds, after exactly the delay of the policy, none after a final refusal; a report of another attempt changes nothing | each dial |
//! | INV-13 | a connection begins with the subscriptions that live, in order, unchanged, under ids of their own | each frame |
//! | INV-14 | at the end no deadline, no octet and no wait is left | the end |
//! | INV-15 | frames of a transaction come after its BEGIN, on its connection | each frame |
//! | INV-16 | each broker sees its own credentials; no event shows any | each CONNECT, each event |
//! | INV-17 | nothing panics | always |
//! | INV-18 | the end comes once, within the deadline, and is confirmed only by a RECEIPT | each turn, each event |
//! | INV-19 | the same octets give the same hash of all that is written, read and told | one seed of 64 |
//! | INV-20 | the third connection that ends by the same error in ten minutes ends the session, and none before | each end |
//! | INV-21 | a subscription that stood once ends only by its owner or by words that are final; else it is sent again, not before its time, and stands at the end | each event, each frame, the end |
//! | INV-22 | messages, subscriptions and waits of one session are refused by another, and leave no octet | each trespass |
//! | INV-23 | a SEND that is rejected or given up, and a first SUBSCRIBE that ends, was named, or alone when connections ended, often enough, far enough apart and at enough brokers; what passes gives nothing up, elections do not, and a SEND that ends each connection is given up within two minutes; ActiveMQ's connection is kept | each result, each event; [`clusters()`]; [`killers()`], one seed of 1,024 |
//! | INV-24 | queues that cannot be had cost the others 10 connections in the first hour, 16 and one for each of them where they are closed without a word, then 2 an hour, and no message; SENDs that end connections hold up nobody | in [`suspects()`] and [`killers()`], one seed of 1,024 each |
//! | INV-25 | a move awaits what waits for a RECEIPT before its DISCONNECT, leaves within its time, dials the broker that was named, or another one than it has left, at once, calls itself graceful only if the RECEIPT came, and ends; one that nobody asked for comes once a period at most, and when nothing is in flight | each move, each frame, each dial, each turn, the end |
//! | INV-26 | what was asked for is done, and messages come, within 3 s of a kill with another node up, 5 s of the opening of a standby or a cluster (a sixth of an outage of more than half a minute), 2 s of the moment at which silence is noticed, 13 s of the end of elections | in [`clusters()`], one seed of 512 |

mod accounts;
mod actor;
mod blows;
mod clusters;
mod course;
mod deed;
mod ending;
mod fate;
mod foreign;
mod going;
mod incident;
mod killers;
mod kind;
mod law;
mod link;
mod model;
mod network;
mod notice;
mod outage;
mod pipe;
mod plan;
mod replay;
mod report;
mod script;
mod shrink;
mod subscribed;
mod suspects;
mod trace;
mod trouble;
mod watch;
mod words;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use clusters::clusters;
pub use killers::killers;
pub use kind::Kind;
pub use law::{Law, Violation};
pub use plan::{WHOLE, octets};
pub use report::{Report, Rounds};
pub use script::{Interruption, Script};
pub use shrink::shrink;
pub use suspects::suspects;

use law::Checked;
use plan::Plan;
use world::World;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The law that did not hold, if one did not.
    pub violation: Option<Violation>,
    /// What was seen.
    pub report: Report,
    /// A number that two runs share only if they are the same, octet for octet.
    pub hash: u64,
    /// All that happened, line by line, if it was asked for.
    pub trace: String,
}

/// Runs the plan that octets stand for: those of [`octets`] for a seed, or any others.
#[must_use]
pub fn run(octets: &[u8], traced: bool) -> Outcome {
    let plan = Plan::read(octets);
    finish(World::new(plan.setting.clone(), traced), |world| world.run(&plan))
}

fn finish(mut world: World, run: impl FnOnce(&mut World) -> Checked) -> Outcome {
    let ran = catch_unwind(AssertUnwindSafe(|| run(&mut world)));
    let violation = match ran {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(violation),
        Err(panic) => Some(Violation { law: Law::NoPanic, what: words(&*panic) }),
    };
    Outcome { violation, report: world.report, hash: world.trace.hash(), trace: world.trace.into_lines() }
}

/// Runs it once more: the same octets are the same run.
#[must_use]
pub fn compare(outcome: Outcome, octets: &[u8]) -> Outcome {
    let again = run(octets, false);
    let is_same = outcome.hash == again.hash;
    let differs = || Violation {
        law: Law::Determinism,
        what: format!("{:016x} and {:016x} are the hashes of two runs", outcome.hash, again.hash),
    };
    Outcome { violation: outcome.violation.clone().or_else(|| (!is_same).then(differs)), ..outcome }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}
