//! The laws over any octets, which shrink by themselves. `PROPTEST_CASES` asks for more of them than the usual 300.

use proptest::{collection::vec, prelude::*, test_runner::FileFailurePersistence};
use stomp_checks::disaster::run;

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if asked { default.cases } else { 300 },
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn hold_whatever_is_done(settings in vec(any::<u8>(), 32), deeds in vec(any::<[u8; 4]>(), 0..60)) {
        let octets = [settings, deeds.concat()].concat();
        let outcome = run(&octets, false);
        prop_assert_eq!(outcome.violation, None);
    }
}
