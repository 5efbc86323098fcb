//! How a plan that fails becomes short: steps go, and what stays becomes simpler, until nothing of it can go any more.
//!
//! proptest's own vectors are gone through once. But a step that looks necessary often is not when another one is simpler.

use std::time::Duration;

use proptest::{
    strategy::{NewTree, Strategy, ValueTree},
    test_runner::TestRunner,
};

use stomp_proto::AckMode;

use super::plan::{Fault, Operation, Plan, Step};

/// A strategy for plans that shrink well.
#[derive(Debug)]
pub(super) struct Plans<S>(pub(super) S);

impl<S: Strategy<Value = Plan>> Strategy for Plans<S> {
    type Tree = PlanTree;
    type Value = Plan;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let plan = self.0.new_tree(runner)?.current();
        Ok(PlanTree { candidates: Vec::new(), best: plan.clone(), tried: plan })
    }
}

/// A plan that fails, and a simpler one that is tried.
#[derive(Clone, Debug)]
pub(super) struct PlanTree {
    best: Plan,
    tried: Plan,
    /// What is tried next, the last one first.
    candidates: Vec<Plan>,
}

impl ValueTree for PlanTree {
    type Value = Plan;

    fn current(&self) -> Plan {
        self.tried.clone()
    }

    /// What was tried fails: all that is simpler than that comes next.
    fn simplify(&mut self) -> bool {
        self.best = self.tried.clone();
        self.candidates = simpler_plans(&self.best);
        self.complicate()
    }

    /// What was tried does not fail: something else comes next.
    fn complicate(&mut self) -> bool {
        let next = self.candidates.pop();
        let is_more = next.is_some();
        self.tried = next.unwrap_or_else(|| self.best.clone());
        is_more
    }
}

/// All plans that are a little simpler, the most promising last.
fn simpler_plans(plan: &Plan) -> Vec<Plan> {
    let steps = simpler_list(&plan.steps, simpler_steps).into_iter();
    let steps = steps.map(|steps| Plan { steps, ..plan.clone() });
    let reads = simpler_list(&plan.reads, |size| smaller(*size, 1)).into_iter();
    let reads = reads.map(|reads| Plan { reads, ..plan.clone() });
    let writes = simpler_list(&plan.writes, |size| smaller(*size, 1)).into_iter();
    let writes = writes.map(|writes| Plan { writes, ..plan.clone() });
    let mut plans: Vec<_> = steps.chain(reads).chain(writes).collect();
    plans.reverse();
    plans
}

/// First without half of the items, then without one of them, then with a simpler one.
fn simpler_list<T: Clone>(items: &[T], simpler: impl Fn(&T) -> Vec<T>) -> Vec<Vec<T>> {
    let (first, second) = items.split_at(items.len() / 2);
    let halves = [first, second].into_iter().filter(|half| half.len() + 1 < items.len());
    let without = |at: usize| [&items[..at], &items[at + 1..]].concat();
    let with = |at: usize, item: T| [&items[..at], &[item], &items[at + 1..]].concat();
    let halves = halves.map(<[T]>::to_vec);
    let removed = (0..items.len()).rev().map(without);
    let replaced = items.iter().enumerate().flat_map(|(at, item)| {
        let simpler = simpler(item).into_iter();
        simpler.map(move |item| (at, item))
    });
    halves.chain(removed).chain(replaced.map(|(at, item)| with(at, item))).collect()
}

/// What does nothing comes first: then a step is there for the turn of the loop that follows it.
fn simpler_steps(step: &Step) -> Vec<Step> {
    let mut simpler = Vec::new();
    if !matches!(step, Step::Wait(_)) {
        simpler.push(Step::Wait(Duration::from_millis(1)));
    }
    if let Step::Do(Operation::Subscribe { destination, ack: AckMode::Auto | AckMode::Client }) = *step {
        simpler.push(Step::Do(Operation::Subscribe { destination, ack: AckMode::ClientIndividual }));
    }
    let known: Vec<_> =
        numbers(&mut step.clone()).into_iter().map(|(number, least)| (*number, least)).collect();
    for (at, (number, least)) in known.into_iter().enumerate() {
        for less in smaller(number, least) {
            let mut step = step.clone();
            *numbers(&mut step)[at].0 = less;
            simpler.push(step);
        }
    }
    if let Step::Wait(time) | Step::Suffer(Fault::DelayReceipt { by: time }) = step {
        let shorter = smaller(usize::try_from(time.as_millis()).unwrap_or(usize::MAX), 1).into_iter();
        let shorter = shorter.map(|milliseconds| Duration::from_millis(milliseconds as u64));
        simpler.extend(shorter.map(|time| match step {
            Step::Wait(_) => Step::Wait(time),
            _ => Step::Suffer(Fault::DelayReceipt { by: time }),
        }));
    }
    simpler
}

/// The numbers of a step, each with the least that it may be.
fn numbers(step: &mut Step) -> Vec<(&mut usize, usize)> {
    use Operation::{
        Abort, Ack, AckConfirmed, AckIn, Begin, Commit, Disconnect, Nack, Send, SendAtLeastOnce,
        SendConfirmed, SendIn, Subscribe, Unsubscribe,
    };
    match step {
        Step::Do(operation) => match operation {
            Begin | Disconnect => Vec::new(),
            Abort { transaction: one }
            | Ack { message: one }
            | AckConfirmed { message: one }
            | Commit { transaction: one }
            | Nack { message: one }
            | Subscribe { destination: one, .. }
            | Unsubscribe { subscription: one } => vec![(one, 0)],
            AckIn { transaction: one, message: other }
            | Send { destination: one, length: other }
            | SendAtLeastOnce { destination: one, length: other }
            | SendConfirmed { destination: one, length: other }
            | SendIn { transaction: one, destination: other } => vec![(one, 0), (other, 0)],
        },
        Step::Suffer(Fault::Close { after } | Fault::Reset { after }) => vec![(after, 0)],
        Step::Suffer(Fault::IgnoreConnections { count } | Fault::RefuseConnections { count }) => {
            vec![(count, 1)]
        }
        Step::Suffer(_) | Step::Wait(_) => Vec::new(),
    }
}

/// The least, half as much, and one less.
fn smaller(number: usize, least: usize) -> Vec<usize> {
    let mut smaller = vec![least, number / 2, number.saturating_sub(1)];
    smaller.retain(|other| (least..number).contains(other));
    smaller.dedup();
    smaller
}
