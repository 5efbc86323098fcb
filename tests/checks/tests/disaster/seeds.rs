//! Some seeds in each test run; `sim` has as many as one has time for.

use stomp_checks::disaster::{octets, run, shrink};

#[test]
fn no_law_is_broken() {
    let mut delivered = 0;
    for seed in 0..400 {
        let outcome = run(&octets(seed), false);
        assert_eq!(outcome.violation, None, "sim --seed {seed} --trace");
        delivered += outcome.report.handed;
    }
    assert!(delivered > 1000, "only {delivered} messages were delivered");
}

#[test]
fn the_same_octets_are_the_same_run() {
    for seed in 0..20 {
        let octets = octets(seed);
        let (once, twice) = (run(&octets, true), run(&octets, true));
        assert_eq!(once, twice, "seed {seed}");
        assert_eq!(once.hash, run(&octets, false).hash, "seed {seed}: looking changes the run");
    }
    assert_ne!(run(&octets(1), false).hash, run(&octets(2), false).hash);
}

/// Nothing breaks a law here, so that everything may be left out; what is left is what the settings alone do.
#[test]
fn deeds_are_left_out_as_long_as_the_outcome_is_the_same() {
    let short = shrink(&octets(3));
    assert_eq!(short.len(), 32);
    assert_eq!(run(&short, false).violation, None);
}

/// Here a session was due for ever: an UNSUBSCRIBE that gives a late message back had its time behind a DISCONNECT.
#[test]
fn what_was_due_for_ever_is_not() {
    assert_eq!(run(&octets(94_766), false).violation, None);
}
