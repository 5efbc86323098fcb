//! A SUBSCRIBE that nobody waits for any more may still be answered, with the end of the connection, too: what is beside it then
//! is not blamed.

use stomp_session::{Lost, Outcome, Subscribe};

use crate::{
    script::{config, seconds},
    verdict::{LOCKED, RABBITMQ, accept, connected_to, keep, outcome, standing},
};

/// A SUBSCRIBE that is not answered may be what ends the connection, and not the SEND that is alone behind it.
#[test]
fn a_send_is_not_blamed_for_a_subscribe_without_an_answer() {
    for (answered, words, blamed) in [(false, LOCKED, false), (false, "", false), (true, LOCKED, true)] {
        let mut script = connected_to(RABBITMQ, config());
        standing(&mut script, Subscribe::new("/queue/a"));
        keep(&mut script, seconds(24 * 3600));
        script.report(Lost::Eof);
        let (mut ended, mut told) = (0, None);
        for _ in 0..1000 {
            let said = script.said();
            if said.contains("SUBSCRIBE") && answered {
                script.confirm("/queue/a");
            }
            if said.contains("SEND") {
                ended += 1;
                if words.is_empty() { script.report(Lost::Eof) } else { script.hear(words) }
            } else if said.is_empty() {
                script.pass(script.due_in().unwrap_or(seconds(1)));
            }
            told = outcome(&mut script);
            if told.is_some() || ended == 8 {
                break;
            }
            if script.dial_if_asked() {
                accept(&mut script, RABBITMQ);
            }
        }
        assert_eq!(matches!(told, Some(Outcome::Rejected(_))), blamed, "{words:?} {answered}: {told:?}");
        assert!(blamed || ended == 8, "{words:?} {answered}: {told:?} after {ended}");
    }
}

/// What was subscribed later, and has no answer either, is meant rather: a broker refuses at once.
#[test]
fn a_first_subscribe_is_not_blamed_while_a_newer_one_is_owed_an_answer() {
    let mut config = config();
    config.receipt_timeout = seconds(60);
    let mut script = connected_to(RABBITMQ, config);
    standing(&mut script, Subscribe::new("/queue/a"));
    script.hear("ERROR\nmessage:Server cancelled subscription\nsubscription:0\n\n\0");
    script.report(Lost::Eof);
    while !script.said().contains("destination:/queue/a\n") {
        if script.dial_if_asked() {
            accept(&mut script, RABBITMQ);
            script.session.subscribe(Subscribe::new("/queue/b")).unwrap();
        } else {
            script.pass(script.due_in().expect("the retry"));
        }
    }
    script.pass(seconds(10));
    script.events();
    script.hear(LOCKED);
    assert!(script.closes());
    let told = script.events();
    assert!(told.iter().all(|event| !event.starts_with("ended")), "{told:?}");
}
