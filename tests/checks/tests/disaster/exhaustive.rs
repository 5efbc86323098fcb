//! One conversation, and a mishap at each place where there can be one.

use stomp_checks::disaster::{Interruption, Kind, Outcome, Script};
use stomp_proto::{AckMode, Version};
use stomp_testkit::broker::CrashPoint;

const MODES: [AckMode; 3] = [AckMode::Auto, AckMode::Client, AckMode::ClientIndividual];

fn check(outcome: Outcome, place: impl FnOnce() -> String) -> Outcome {
    assert_eq!(outcome.violation, None, "{}", place());
    outcome
}

/// The broker dies at a point, comes back, and dies at another: 5,202 lives.
#[test]
fn crashes_at_each_point_and_then_at_each_point() {
    let (mut lives, mut crashes) = (0, 0);
    for version in Version::ALL {
        for (ack_mode, kind) in MODES.into_iter().zip(Kind::ALL.into_iter().cycle().skip(lives)) {
            let durable = Script::new(kind).version(version).ack_mode(ack_mode);
            for script in [durable.clone(), durable.durable_only()] {
                for first in CrashPoint::ALL {
                    for second in CrashPoint::ALL {
                        let outcome = script.clone().crashes(first, second).run();
                        let outcome =
                            check(outcome, || format!("{version} {ack_mode:?} {first:?} {second:?}"));
                        crashes += outcome.report.crashes;
                        lives += 1;
                    }
                }
            }
        }
    }
    assert_eq!(lives, 5202);
    assert!(crashes > 6000, "only {crashes} crashes");
}

/// A reset after each octet, of the client's and of the broker's.
#[test]
fn resets_after_each_octet() {
    for (version, kind) in Version::ALL.into_iter().zip(Kind::ALL) {
        let script = Script::new(kind).version(version);
        let calm = check(script.run(), || "no cut".to_owned()).report;
        let (up, down) = calm.octets;
        assert_eq!(calm.connections, 1, "{version}");
        assert!(up > 1500 && down > 1500, "{up} {down}");
        assert_eq!(script.clone().cut_up(up / 2).run().report.connections, 2, "{version}");
        for octets in 0..up {
            check(script.clone().cut_up(octets).run(), || format!("{version} up {octets}"));
        }
        for octets in 0..down {
            check(script.clone().cut_down(octets).run(), || format!("{version} down {octets}"));
        }
    }
}

/// The user changes their mind at each moment.
#[test]
fn interruptions_at_each_round() {
    let interruptions = [
        Interruption::Cancel(0),
        Interruption::Cancel(1),
        Interruption::Disconnect,
        Interruption::Drop,
        Interruption::Pause,
        Interruption::Unsubscribe,
    ];
    for kind in Kind::ALL {
        let rounds = check(Script::new(kind).run(), || "no interruption".to_owned()).report.rounds;
        assert!(rounds > 100, "{rounds}");
        for by in interruptions {
            for round in 1..=rounds {
                let outcome = Script::new(kind).interrupted(round, by).run();
                check(outcome, || format!("{kind:?} {by:?} {round}"));
            }
        }
    }
}
