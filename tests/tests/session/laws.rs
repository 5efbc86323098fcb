//! The laws of a session over random lives. `PROPTEST_CASES` asks for more of them than the usual 2,000.

use proptest::{collection::vec, prelude::*, test_runner::FileFailurePersistence};
use stomp_checks::play::{Step, play};
use stomp_session::{Action, Config, Session, Timestamp};

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

/// A clock that jumps as far as it can: nothing panics, nothing is due any more, and no call goes on for ever.
#[test]
fn a_jump_to_the_end_of_time_is_harmless() {
    for steps in 0..4 {
        let mut session = Session::new(Config::new("tcp://broker".parse().unwrap()), Timestamp::ZERO);
        if steps > 0 {
            session.handle_timeout(Timestamp::ZERO);
        }
        let mut input = match session.poll_action().filter(|_| steps > 1) {
            Some(Action::Connect(attempt)) => session.handle_connected(attempt.id, None, Timestamp::ZERO),
            _ => None,
        };
        assert_eq!(input.is_some(), steps > 1);
        if let Some(input) = input.as_mut().filter(|_| steps > 2) {
            input.feed(b"CONNECTED\nversion:1.2\nheart-beat:1000,1000\n\n\0");
            while session.next_event(input, Timestamp::ZERO).is_some() {}
        }
        session.handle_timeout(Timestamp::MAX);
        assert_eq!(session.poll_timeout(), None, "after {steps} steps");
    }
}
