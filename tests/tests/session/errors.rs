//! ERROR frames on a connection that stands: whom they name, and what ends.

use stomp_proto::Version;
use stomp_session::{Lost, Subscribe};

use crate::script::{Script, config, send_frame};

/// An ERROR while a SEND waits for receipt 2 and subscription 0 stands, what is told, and whether the connection ends.
#[test]
fn whom_an_error_names() {
    let rows: [(&str, &[&str], bool); 7] = [
        ("receipt-id:2\n", &["ReceiptId(2): Rejected(ServerError(no))"], false),
        ("receipt-id:99\n", &["error: no"], false),
        ("receipt-id:x\n", &["error: no"], false),
        ("subscription:0\n", &["ended: SubscriptionId(0), the broker ended the subscription: no"], false),
        ("receipt-id:2\nsubscription:0\n", &["ReceiptId(2): Rejected(ServerError(no))"], false),
        ("", NOBODY, true),
        ("subscription:99\n", NOBODY, true),
    ];
    for (headers, told, ends) in rows {
        let mut script = Script::connected(config(), Version::V1_2);
        script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
        script.hear("RECEIPT\nreceipt-id:1\n\n\0");
        script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
        script.said();
        script.events();
        script.hear(format!("ERROR\nmessage:no\n{headers}\n\0"));
        assert_eq!(script.events(), told, "{headers:?}");
        assert_eq!(script.closes(), ends, "{headers:?}");
    }
}

const NOBODY: &[&str] = &[
    "ReceiptId(2): Unknown(Lost(ServerError(ServerError(no))))",
    "disconnected: connection 1, the broker sent an ERROR: no, 0 unsent",
    "next: broker in 10ms",
];

#[test]
fn an_error_of_a_subscription_that_is_gone_is_a_stray() {
    let mut script = Script::connected(config(), Version::V1_2);
    let id = script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    script.session.unsubscribe(id).unwrap();
    script.events();
    script.hear("ERROR\nmessage:Subscription not found\nsubscription:0\n\n\0");
    assert_eq!(script.events(), ["error: Subscription not found"]);
    assert!(!script.closes());
}

#[test]
fn what_is_no_stomp_ends_the_connection() {
    let rows = [
        ("CONNECTED\nversion:1.2\n\n\0", "a CONNECTED frame where none is allowed"),
        ("SEND\ndestination:a\n\n\0", "not STOMP"),
        ("MESSAGE\nx\\ty:1\n\n\0", "not STOMP"),
        ("MESSAGE\ncontent-length:5\n\nhello!\0", "not STOMP"),
        ("message\n\n\0", "not STOMP"),
    ];
    for (octets, told) in rows {
        let mut script = Script::connected(config(), Version::V1_2);
        script.hear(octets);
        let events = script.events();
        assert!(
            events[0].starts_with("disconnected: connection 1, ") && events[0].contains(told),
            "{events:?}"
        );
        assert!(script.closes());
    }
}

#[test]
fn what_was_complete_before_the_garbage_counts() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.send_confirmed(send_frame("/queue/a", "x")).unwrap();
    script.said();
    script.hear("RECEIPT\nreceipt-id:1\n\n\0garbage\nRECEIPT\nreceipt-id:1\n\n\0");
    let events = script.events();
    assert_eq!(events[0], "ReceiptId(1): Confirmed");
    assert!(events[1].starts_with("disconnected"), "{events:?}");
}

#[test]
fn what_comes_behind_the_end_is_ignored() {
    let mut script = Script::connected(config(), Version::V1_2);
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    script.events();
    script.hear("ERROR\nmessage:no\n\n\0MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/queue/a\n\n\0");
    assert_eq!(script.events().len(), 2, "disconnected, next");
    script.report(Lost::Eof);
    assert!(script.events().is_empty(), "an end that was known is no second one");
}

#[test]
fn the_text_of_an_error_is_cut_and_escaped() {
    let mut script = Script::connected(config(), Version::V1_2);
    let body = format!("\u{1b}[31m{}", "x".repeat(10_000));
    script.hear(format!("ERROR\nmessage:bad\\nheader\n\n{body}\0"));
    let told = &script.events()[0];
    assert!(told.len() < 500 && told.contains("bad\\nheader: \\u{1b}[31mxxx"), "{told}");
}
