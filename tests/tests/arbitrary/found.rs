//! Bugs are found, and the plan that shows them is short.

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use stomp_proto::AckMode;
use stomp_testkit::{
    arbitrary::{self, Fault, Law, Operation, Plan, Step, Violation},
    broker::BrokerConfig,
};

use super::planted::{Bug, Planted};

fn check(plan: &Plan, bug: Option<Bug>) -> Result<(), Violation> {
    arbitrary::check(plan, BrokerConfig::default(), |network| Planted::new(bug, network))
}

/// What is shown of a bug, without the times: they are the session's.
fn shown(bug: Bug) -> (Law, String) {
    let config = Config { failure_persistence: None, cases: 10_000, ..Config::default() };
    let luck = TestRng::deterministic_rng(RngAlgorithm::default());
    let found = TestRunner::new_with_rng(config, luck).run(&arbitrary::plan(), |plan| {
        check(&plan, Some(bug))?;
        Ok(())
    });
    let Err(TestError::Fail(_, plan)) = found else { panic!("{bug:?} is not found: {found:?}") };
    assert_eq!(check(&plan, None), Ok(()), "without {bug:?}");
    let violation = check(&plan, Some(bug)).unwrap_err();
    assert!(violation.to_string().ends_with(&format!("plan:\n{plan}")), "{violation}");
    (violation.law, plan.to_string())
}

/// Where several plans are short and show the bug, it depends on the version of proptest and on the strategies which one it is.
fn finds(bug: Bug, law: Law, plan: &str) {
    let found = shown(bug);
    assert_eq!((found.0, found.1.as_str()), (law, plan), "{}", found.1);
}

#[test]
fn what_a_short_write_has_left_is_forgotten() {
    finds(Bug::ForgetsTheRest, Law::Patience, "  the socket takes at most 1 octet in a millisecond\n");
}

#[test]
fn what_a_short_write_has_left_goes_out_on_the_next_connection() {
    finds(
        Bug::KeepsTheRest,
        Law::Written,
        "  1. 1ms pass
  2. the broker sends an ERROR and closes the connection
  the socket takes at most 1 octet in a millisecond
",
    );
}

#[test]
fn the_deadline_is_forgotten() {
    finds(Bug::ForgetsTheTime, Law::Patience, "  1. the next attempt to connect is refused\n");
}

#[test]
fn the_end_is_reported_before_what_came_before_it() {
    finds(
        Bug::ReportsTheEndFirst,
        Law::Read,
        "  1. 1ms pass
  2. the broker closes the connection when the loop has read 23 more octets
  3. the application sends 0 octets to /queue/0 and asks for a RECEIPT
",
    );
}

#[test]
fn what_the_session_has_closed_stays_open() {
    finds(
        Bug::HoldsTheSocket,
        Law::OneConnection,
        "  1. 1ms pass\n  2. the broker says nothing more on the connection\n",
    );
}

#[test]
fn outcomes_are_not_passed_on() {
    finds(
        Bug::SwallowsOutcomes,
        Law::Outcome,
        "  1. 1ms pass\n  2. the application sends 0 octets to /queue/0 and asks for a RECEIPT\n",
    );
}

#[test]
fn what_is_unknown_counts_as_confirmed() {
    finds(
        Bug::ConfirmsTheUnknown,
        Law::Confirmed,
        "  1. 1ms pass
  2. the application sends 0 octets to /queue/0 at least once
  3. the application disconnects
  4. the broker says nothing more on the connection
  the socket takes at most 33 octets in a millisecond
",
    );
}

#[test]
fn the_end_is_not_passed_on() {
    finds(Bug::SwallowsTheEnd, Law::End, "");
}

#[test]
fn what_the_socket_does_not_take_is_forgotten() {
    finds(
        Bug::DropsWhatIsRefused,
        Law::Subscribed,
        "  1. the application subscribes to /queue/0 with ack mode client-individual
  the socket takes at most 1 octet in a millisecond
",
    );
}

#[test]
fn it_never_rests() {
    finds(Bug::NeverRests, Law::Rest, "");
}

/// Too seldom for a random plan.
#[test]
fn an_acknowledgement_goes_out_again_on_the_next_connection() {
    let steps = vec![
        Step::Do(Operation::Subscribe { destination: 0, ack: AckMode::ClientIndividual }),
        Step::Do(Operation::SendConfirmed { destination: 0, length: 0 }),
        Step::Do(Operation::Ack { message: 0 }),
        Step::Suffer(Fault::Close { after: 0 }),
    ];
    let plan = Plan { steps, ..Plan::default() };
    assert_eq!(check(&plan, None), Ok(()));
    let violation = check(&plan, Some(Bug::RepeatsAnAck)).unwrap_err();
    assert_eq!(violation.law, Law::Acknowledged, "{violation}");
}
