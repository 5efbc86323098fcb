//! The check of an event loop: a right one keeps the laws, a wrong one is found, and its case is short.

mod faults;
mod found;
mod planted;

use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use stomp_session::{Session, Timestamp};
use stomp_testkit::{
    arbitrary::{self, Network, Socket},
    broker::BrokerConfig,
};

#[allow(dead_code, reason = "the example has a main")]
#[path = "../../examples/event_loop.rs"]
mod event_loop;

fn right(network: Network) -> event_loop::Loop<Socket> {
    let session = Session::new(arbitrary::config(), Timestamp::ZERO);
    event_loop::Loop::new(session, move |attempt| network.dial(attempt))
}

/// The loop of the example keeps the laws, whichever broker it talks to. `PROPTEST_CASES` asks for more than the usual 300 plans.
#[test]
fn a_right_loop_keeps_the_laws() {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let default = Config::default();
    let config = Config {
        cases: if asked { default.cases } else { 300 },
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..default
    };
    for broker in [
        BrokerConfig::default(),
        BrokerConfig::rabbitmq(),
        BrokerConfig::rabbitmq_4_3(),
        BrokerConfig::activemq(),
        BrokerConfig::artemis(),
    ] {
        let kept = TestRunner::new(config.clone()).run(&arbitrary::plan(), |plan| {
            arbitrary::check(&plan, broker.clone(), right)?;
            Ok(())
        });
        kept.unwrap_or_else(|error| panic!("{broker:?}: {error}"));
    }
}
