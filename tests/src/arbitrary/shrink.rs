//! How a plan that fails becomes short: steps go, and what stays becomes simpler, until nothing of it can go any more.
//!
//! proptest's own vectors are gone through once. But a step that looks necessary often is not when another one is simpler.

use std::time::Duration;

use proptest::{
    strategy::{NewTree, Strategy, ValueTree},
    test_runner::TestRunner,
};

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
    let nothing = Step::Wait(Duration::from_millis(1));
    let is_more = !matches!(step, Step::Wait(_));
    let simpler: Vec<_> = match step {
        Step::Do(operation) => simpler_operations(operation).into_iter().map(Step::Do).collect(),
        Step::Suffer(fault) => simpler_faults(fault).into_iter().map(Step::Suffer).collect(),
        Step::Wait(time) => shorter(*time).into_iter().map(Step::Wait).collect(),
    };
    is_more.then_some(nothing).into_iter().chain(simpler).collect()
}

fn simpler_operations(operation: &Operation) -> Vec<Operation> {
    use Operation::{
        Abort, Ack, AckConfirmed, AckIn, Commit, Nack, Send, SendAtLeastOnce, SendConfirmed, SendIn,
        Subscribe, Unsubscribe,
    };
    let with = |number: usize, make: &dyn Fn(usize) -> Operation| -> Vec<_> {
        smaller(number, 0).into_iter().map(make).collect()
    };
    let lower = |number: u8| (number > 0).then(|| number - 1);
    let sent = |destination: u8, length: usize, make: &dyn Fn(u8, usize) -> Operation| -> Vec<_> {
        let nearer = lower(destination).map(|destination| make(destination, length));
        nearer
            .into_iter()
            .chain(smaller(length, 0).into_iter().map(|length| make(destination, length)))
            .collect()
    };
    match *operation {
        Subscribe { destination, ack } => {
            lower(destination).map(|destination| Subscribe { destination, ack }).into_iter().collect()
        }
        Send { destination, length } => {
            sent(destination, length, &|destination, length| Send { destination, length })
        }
        SendConfirmed { destination, length } => {
            sent(destination, length, &|destination, length| SendConfirmed { destination, length })
        }
        SendAtLeastOnce { destination, length } => {
            sent(destination, length, &|destination, length| SendAtLeastOnce { destination, length })
        }
        Unsubscribe { subscription } => with(subscription, &|subscription| Unsubscribe { subscription }),
        Ack { message } => with(message, &|message| Ack { message }),
        AckConfirmed { message } => with(message, &|message| AckConfirmed { message }),
        Nack { message } => with(message, &|message| Nack { message }),
        SendIn { transaction, destination } => {
            with(transaction, &|transaction| SendIn { transaction, destination })
        }
        AckIn { transaction, message } => with(message, &|message| AckIn { transaction, message }),
        Commit { transaction } => with(transaction, &|transaction| Commit { transaction }),
        Abort { transaction } => with(transaction, &|transaction| Abort { transaction }),
        Operation::Begin | Operation::Disconnect => Vec::new(),
    }
}

fn simpler_faults(fault: &Fault) -> Vec<Fault> {
    let with = |number: usize, least: usize, make: &dyn Fn(usize) -> Fault| -> Vec<_> {
        smaller(number, least).into_iter().map(make).collect()
    };
    match *fault {
        Fault::Close { after } => with(after, 0, &|after| Fault::Close { after }),
        Fault::Reset { after } => with(after, 0, &|after| Fault::Reset { after }),
        Fault::RefuseConnections { count } => with(count, 1, &|count| Fault::RefuseConnections { count }),
        Fault::IgnoreConnections { count } => with(count, 1, &|count| Fault::IgnoreConnections { count }),
        Fault::DelayReceipt { by } => shorter(by).into_iter().map(|by| Fault::DelayReceipt { by }).collect(),
        _ => Vec::new(),
    }
}

/// The least, half as much, and one less.
fn smaller(number: usize, least: usize) -> Vec<usize> {
    let mut smaller = vec![least, number / 2, number.saturating_sub(1)];
    smaller.retain(|other| (least..number).contains(other));
    smaller.dedup();
    smaller
}

fn shorter(time: Duration) -> Vec<Duration> {
    let milliseconds = usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
    smaller(milliseconds, 1).into_iter().map(|time| Duration::from_millis(time as u64)).collect()
}
