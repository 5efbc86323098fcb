//! The laws of a session over random lives. `PROPTEST_CASES` asks for more of them than the usual 2,000.

use proptest::{collection::vec, prelude::*, test_runner::FileFailurePersistence};
use stomp_testkit::play::{Step, play};

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if asked { default.cases } else { 2000 },
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..default
    }
}

/// A life as octets, shown as steps.
fn steps(octets: &[[u8; 3]]) -> Vec<Step> {
    octets.iter().copied().map(Step::read).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn hold_in_every_life(octets in vec(any::<[u8; 3]>(), 0..80), seed in any::<u8>()) {
        let mut flat = octets.concat();
        flat.push(seed);
        let played = std::panic::catch_unwind(|| play(&flat));
        prop_assert!(played.is_ok(), "{:#?}", steps(&octets));
    }
}
