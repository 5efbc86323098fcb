//! Disasters: sessions, model brokers and the network between them, in virtual time and on one thread, with everything
//! that can go wrong, and the laws that hold nevertheless.

mod accounts;
mod actor;
mod course;
mod deed;
mod ending;
mod fate;
mod kind;
mod law;
mod link;
mod model;
mod network;
mod notice;
mod pipe;
mod plan;
mod report;
mod shrink;
mod trace;
mod watch;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use law::{Law, Violation};
pub use plan::octets;
pub use report::Report;
pub use shrink::shrink;

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
    let mut world = World::new(plan.setting.clone(), traced);
    let ran = catch_unwind(AssertUnwindSafe(|| world.run(&plan)));
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
