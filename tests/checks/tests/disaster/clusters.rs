//! Clusters and pairs that lose nodes.

use stomp_checks::disaster::{Report, clusters};

/// Nothing that was confirmed is lost, and whoever can be served is served within seconds.
#[test]
fn nothing_is_lost_and_clients_are_back_in_time() {
    let mut report = Report::default();
    for seed in 0..24 {
        let outcome = clusters(seed, false);
        assert_eq!(outcome.violation, None, "sim --clusters --seed {seed} --trace");
        report.add(&outcome.report);
    }
    let rounds: u64 = report.rounds_of.values().map(|of| of.rounds).sum();
    let confirmed: u64 = report.rounds_of.values().map(|of| of.confirmed).sum();
    assert_eq!(rounds, 24 * 6);
    assert!(confirmed > 10_000, "only {confirmed} were confirmed");
    assert!(report.rounds_of.len() >= 9, "not much went wrong: {:?}", report.rounds_of.keys());
    assert!(report.rounds_of.values().any(|of| of.copies > 0), "nothing was sent again: {report:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let (once, twice) = (clusters(3, false), clusters(3, true));
    assert_eq!((once.hash, once.report), (twice.hash, twice.report));
}
