//! Hours with queues that cannot be had, and minutes with SENDs that end each connection.

use stomp_checks::disaster::{WHOLE, killers, suspects};

#[test]
fn what_cannot_be_had_costs_the_others_little() {
    if !WHOLE {
        return;
    }
    let mut lost = 0;
    for seed in 0..40 {
        let outcome = suspects(seed, false);
        assert_eq!(outcome.violation, None, "seed {seed}");
        lost += outcome.report.connections - 2;
    }
    assert!(lost > 200, "only {lost} connections were lost: nothing was tried again");
}

#[test]
fn a_send_that_ends_each_connection_is_found_out_and_holds_up_nobody() {
    let mut found = 0;
    for seed in 0..60 {
        let outcome = killers(seed, false);
        assert_eq!(outcome.violation, None, "seed {seed}");
        found += outcome.report.given_up;
    }
    assert!(found > 60, "only {found} were found");
}
