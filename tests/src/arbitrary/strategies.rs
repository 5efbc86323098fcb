//! Strategies for plans and their parts. What comes first is what a failure shrinks to.

use std::time::Duration;

use proptest::{collection::vec, prelude::*, sample::select};
use stomp_proto::AckMode;

use super::{
    plan::{Fault, Operation, Plan, Step},
    shrink::Plans,
};

/// Few, so that messages come to somebody.
const DESTINATIONS: usize = 3;
/// Longer than all that is said in a handshake.
const OCTETS: usize = 400;
/// Longer than any of the waits in [`config`](super::config()).
const WAIT: u64 = 15_000;

/// A strategy for plans with up to 20 steps.
///
/// A plan that fails shrinks until no step can be left out, and no number be smaller.
pub fn plan() -> impl Strategy<Value = Plan> {
    let sizes = || vec(1..60_usize, 0..4);
    let parts = (vec(step(), 0..20), sizes(), sizes());
    Plans(parts.prop_map(|(steps, reads, writes)| Plan { steps, reads, writes }))
}

/// A strategy for the steps of a plan: operations, faults and waits.
pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => operation().prop_map(Step::Do),
        2 => fault().prop_map(Step::Suffer),
        1 => milliseconds().prop_map(Step::Wait),
    ]
}

/// A strategy for what an application does.
pub fn operation() -> impl Strategy<Value = Operation> {
    let sends = (0..DESTINATIONS, 0..OCTETS);
    let which = 0..4_usize;
    prop_oneof![
        4 => subscription(),
        6 => sends.clone().prop_map(|(destination, length)| Operation::SendConfirmed { destination, length }),
        3 => sends.clone().prop_map(|(destination, length)| Operation::Send { destination, length }),
        3 => sends.prop_map(|(destination, length)| Operation::SendAtLeastOnce { destination, length }),
        4 => which.clone().prop_map(|message| Operation::Ack { message }),
        2 => which.clone().prop_map(|message| Operation::AckConfirmed { message }),
        1 => which.clone().prop_map(|message| Operation::Nack { message }),
        1 => which.prop_map(|subscription| Operation::Unsubscribe { subscription }),
        6 => transaction(),
        // Nothing much follows it.
        1 => Just(Operation::Disconnect),
    ]
}

fn subscription() -> impl Strategy<Value = Operation> {
    let modes = vec![AckMode::ClientIndividual, AckMode::Client, AckMode::Auto];
    (0..DESTINATIONS, select(modes)).prop_map(|(destination, ack)| Operation::Subscribe { destination, ack })
}

fn transaction() -> impl Strategy<Value = Operation> {
    let which = 0..2_usize;
    prop_oneof![
        Just(Operation::Begin),
        which.clone().prop_map(|transaction| Operation::Commit { transaction }),
        (which.clone(), 0..DESTINATIONS)
            .prop_map(|(transaction, destination)| Operation::SendIn { transaction, destination }),
        (which.clone(), 0..4_usize)
            .prop_map(|(transaction, message)| Operation::AckIn { transaction, message }),
        which.prop_map(|transaction| Operation::Abort { transaction }),
    ]
}

/// A strategy for the misbehaviour of a broker and a network.
pub fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => (0..OCTETS).prop_map(|after| Fault::Close { after }),
        4 => (0..OCTETS).prop_map(|after| Fault::Reset { after }),
        1 => (1..4_usize).prop_map(|count| Fault::RefuseConnections { count }),
        1 => (1..3_usize).prop_map(|count| Fault::IgnoreConnections { count }),
        1 => Just(Fault::FallSilent),
        1 => Just(Fault::SendError),
        1 => Just(Fault::RefuseSend),
        1 => Just(Fault::StoreTwice),
        1 => Just(Fault::DropReceipts),
        1 => milliseconds().prop_map(|by| Fault::DelayReceipt { by }),
        1 => Just(Fault::RepeatReceipt),
    ]
}

fn milliseconds() -> impl Strategy<Value = Duration> {
    (1..WAIT).prop_map(Duration::from_millis)
}
