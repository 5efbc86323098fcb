//! Reports name their attempt: what an owner says late, twice or of another one changes nothing.

use stomp_proto::Version;
use stomp_session::{Login, Lost};

use crate::script::{Script, config, seconds};

fn two_brokers() -> Script {
    let mut config = config();
    let uri = "failover:(tcp://ann:for-a@a,tcp://bob:for-b@b)?startupMaxReconnectAttempts=-1&randomize=false";
    config.brokers = uri.parse().unwrap();
    config.connect_timeout = seconds(3);
    Script::new(config)
}

#[test]
fn a_dial_that_was_given_up_is_not_taken_for_the_next() {
    let mut script = two_brokers();
    let late = script.attempt();
    script.pass(seconds(3));
    assert!(script.closes(), "its time is over");
    script.pass(seconds(0));
    let current = script.attempt();
    assert_eq!((late.endpoint.host(), current.endpoint.host()), ("a", "b"));
    script.events();
    let passcode = Some(Login::new("ann", "for-a"));
    assert!(script.session.handle_connected(late.id, passcode, script.now).is_none());
    script.session.handle_disconnected(late.id, Lost::Eof, script.now);
    assert_eq!((script.said(), script.events()), (String::new(), vec![]));
    assert!(script.session.handle_connected(current.id, None, script.now).is_some());
    assert!(script.said().contains("login:bob\npasscode:for-b\n"));
}

#[test]
fn a_late_end_and_a_second_beginning_leave_the_connection_alone() {
    let mut script = two_brokers();
    let first = script.dial();
    script.lose(Lost::Eof);
    let second = script.dial();
    script.accept(Version::V1_2);
    script.events();
    script.session.handle_disconnected(first.id, Lost::Eof, script.now);
    assert!(script.session.handle_connected(second.id, None, script.now).is_none());
    assert!(script.session.handle_connected(first.id, None, script.now).is_none());
    script.hear("RECEIPT\nreceipt-id:77\n\n\0");
    assert_eq!(script.events(), ["unroutable"], "its input is still heard");
    script.session.handle_disconnected(second.id, Lost::Eof, script.now);
    assert_eq!(script.events().len(), 2, "disconnected, next");
    script.session.handle_disconnected(second.id, Lost::Eof, script.now);
    assert!(script.events().is_empty(), "once");
}
