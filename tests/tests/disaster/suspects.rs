//! Hours with queues that cannot be had.

use stomp_testkit::disaster::{WHOLE, suspects};

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
