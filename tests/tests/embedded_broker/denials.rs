//! Refusals that pass, resources that another connection holds, and handshakes that come to nothing.

use stomp_proto::{Command, Version};
use stomp_testkit::broker::{BrokerConfig, Denial, Fact, HandshakeEnd};

use crate::wire::{Wire, wire};

const CONNECT: &str = "CONNECT\naccept-version:1.2\nhost:h\n\n";

fn subscribe(wire: &mut Wire, connection: stomp_testkit::broker::ConnectionId, queue: &str) -> String {
    wire.say(connection, &format!("SUBSCRIBE\nid:a\ndestination:{queue}\nreceipt:s\n\n"));
    wire.hear(connection)
}

#[test]
fn a_refusal_holds_for_its_queue_until_it_is_lifted() {
    let mut wire = wire(BrokerConfig::activemq());
    let words =
        Denial::of(Command::Subscribe).saying("User me is not authorized to read from: queue://a", "");
    let denial = wire.broker.deny(words.at("/queue/a"));
    let client = wire.open(Version::V1_2);
    assert!(subscribe(&mut wire, client, "/queue/a").contains("is not authorized to read from\\c queue"));
    assert_eq!(subscribe(&mut wire, client, "/queue/b"), "RECEIPT\nreceipt-id:s\n\n\0\n");
    wire.say(client, "UNSUBSCRIBE\nid:a\n\n");
    wire.send(client, "/queue/a", &["1"]);
    assert_eq!((wire.broker.depth("/queue/a"), wire.broker.is_subscribed(client, "a")), (1, false));
    wire.broker.lift(denial);
    wire.broker.lift(denial);
    assert!(subscribe(&mut wire, client, "/queue/a").starts_with("RECEIPT\nreceipt-id:s\n"));
    assert!(wire.broker.is_subscribed(client, "a") && !wire.is_closed(client));
}

/// RabbitMQ 3.10 names nobody, closes, and may receipt the frame that it has refused.
#[test]
fn a_refusal_that_ends_the_connection() {
    let words = Denial::of(Command::Subscribe).and(Command::Send).saying("not_found", "NOT_FOUND - gone\n");
    for (denial, behind) in
        [(words.clone().closing(), ""), (words.closing().receipting(), "RECEIPT\nreceipt-id:s\n")]
    {
        let mut wire = wire(BrokerConfig::rabbitmq().journaling());
        wire.broker.deny(denial);
        let client = wire.open(Version::V1_2);
        let heard = subscribe(&mut wire, client, "/queue/a");
        assert!(heard.starts_with("ERROR\nmessage:not_found\nversion:1.0,1.1,1.2\n"), "{heard}");
        assert!(heard.contains(behind) && heard.contains("RECEIPT") != behind.is_empty(), "{heard}");
        assert!(wire.is_closed(client));
        let other = wire.open(Version::V1_2);
        wire.say(other, "SEND\ndestination:/queue/a\n\nx");
        assert!(wire.is_closed(other));
        assert_eq!(wire.broker.depth("/queue/a"), 0);
        let refused = |connection, command, id: &str, body: &'static str| Fact::Refused {
            connection,
            command,
            id: id.to_owned(),
            body: body.into(),
        };
        let facts: Vec<_> = std::iter::from_fn(|| wire.broker.poll_fact()).collect();
        let expected = [refused(client, Command::Subscribe, "a", ""), refused(other, Command::Send, "", "x")];
        assert_eq!(facts, expected);
    }
}

#[test]
fn an_election_closes_without_a_word() {
    let mut wire = wire(BrokerConfig::rabbitmq());
    let denial = wire.broker.deny(Denial::of(Command::Send));
    let client = wire.open(Version::V1_2);
    wire.send(client, "/queue/a", &["1"]);
    assert_eq!((&*wire.hear(client), wire.is_closed(client), wire.broker.depth("/queue/a")), ("", true, 0));
    wire.broker.lift(denial);
    let client = wire.open(Version::V1_2);
    wire.send(client, "/queue/a", &["1"]);
    assert_eq!(wire.broker.depth("/queue/a"), 1);
}

#[test]
fn a_login_that_is_refused_for_a_while() {
    let mut wire = wire(BrokerConfig::activemq());
    let denial = wire.broker.deny(Denial::of(Command::Connect).saying("no directory", ""));
    for command in ["CONNECT", "STOMP"] {
        let client = wire.broker.connect(wire.now);
        wire.say(client, &CONNECT.replace("CONNECT", command));
        assert!(wire.hear(client).starts_with("ERROR\nmessage:no directory\n"));
        assert!(wire.is_closed(client));
    }
    wire.broker.lift(denial);
    wire.open(Version::V1_2);
}

#[test]
fn artemis_receipts_what_has_arrived_behind_an_error() {
    let mut wire = wire(BrokerConfig::artemis());
    wire.broker
        .deny(Denial::of(Command::Subscribe).saying("AMQ229017: Queue a does not exist", "").closing());
    let client = wire.open(Version::V1_2);
    let frames = "SUBSCRIBE\nid:a\ndestination:a\nreceipt:1\n\n\0SEND\ndestination:b\nreceipt:2\n\n";
    wire.say(client, frames);
    let heard = wire.hear(client);
    assert!(
        heard.starts_with("ERROR\nmessage:AMQ229017\\c Queue a does not exist\nreceipt-id:1\n"),
        "{heard}"
    );
    assert!(heard.ends_with("RECEIPT\nreceipt-id:2\n\n\0\n"), "{heard}");
    assert!(wire.is_closed(client));
    let client = wire.open(Version::V1_2);
    wire.broker.send_error(client, "shutdown", "");
    assert!(wire.is_closed(client), "an ERROR that answers nothing closes at once");
}

#[test]
fn an_exclusive_queue_belongs_to_the_connection_that_has_it() {
    for (config, locks) in [(BrokerConfig::rabbitmq(), true), (BrokerConfig::activemq(), false)] {
        let mut wire = wire(config);
        let [first, second] = [Version::V1_2; 2].map(|version| wire.open(version));
        wire.subscribe(first, "a", "/queue/a", "exclusive:true\n");
        wire.subscribe(first, "b", "/queue/a", "exclusive:true\n");
        assert!(!wire.is_closed(first));
        wire.subscribe(second, "a", "/queue/a", "exclusive:true\n");
        let heard = wire.hear(second);
        assert_eq!(heard.starts_with("ERROR\nmessage:resource_locked\n"), locks, "{heard}");
        assert_eq!((heard.contains("locked queue 'a' in vhost"), wire.is_closed(second)), (locks, locks));
        wire.broker.disconnected(first, wire.now);
        let third = wire.open(Version::V1_2);
        wire.subscribe(third, "a", "/queue/a", "exclusive:true\n");
        assert!(wire.broker.is_subscribed(third, "a"));
    }
}

#[test]
fn handshakes_that_come_to_nothing() {
    let mut wire = wire(BrokerConfig::rabbitmq());
    let whole = {
        let client = wire.broker.connect(wire.now);
        wire.say(client, CONNECT);
        wire.hear(client)
    };
    let error = HandshakeEnd::WithError("connection_forced".to_owned());
    for end in [HandshakeEnd::WithinConnected, HandshakeEnd::AfterConnected, error] {
        wire.broker.end_handshakes(Some(end.clone()));
        let client = wire.broker.connect(wire.now);
        wire.say(client, &format!("{CONNECT}\0SEND\ndestination:/queue/a\n\nx"));
        assert!(wire.is_closed(client));
        let (heard, session) = (wire.hear(client), format!("session-{client}"));
        let whole = whole.replace("session-0", &session);
        match end {
            HandshakeEnd::WithinConnected => assert_eq!(heard, whole[..whole.len() / 2]),
            HandshakeEnd::AfterConnected => assert_eq!(heard, whole),
            _ => assert!(heard.starts_with(&format!("{whole}ERROR\nmessage:connection_forced\n")), "{heard}"),
        }
    }
    assert_eq!(wire.broker.depth("/queue/a"), 0, "nothing is read behind the end");
    wire.broker.end_handshakes(None);
    wire.open(Version::V1_2);
}

#[test]
fn a_subscribe_without_its_receipt() {
    let mut wire = wire(BrokerConfig::default().without_subscribe_receipts());
    let client = wire.open(Version::V1_2);
    wire.broker.publish("/queue/a", "x", &[]);
    let heard = subscribe(&mut wire, client, "/queue/a");
    assert!(heard.starts_with("MESSAGE\n") && !heard.contains("RECEIPT"), "{heard}");
    wire.say(client, "SEND\ndestination:/queue/b\nreceipt:1\n\n");
    assert_eq!(wire.hear(client), "RECEIPT\nreceipt-id:1\n\n\0\n");
}

/// ActiveMQ: an ERROR that names nobody, and the connection goes on.
#[test]
fn a_reply_to_a_requester_that_is_gone() {
    let mut wire = wire(BrokerConfig::activemq());
    let client = wire.open(Version::V1_2);
    let send = |receipt: &str| format!("SEND\ndestination:/remote-temp-queue/ID\\c1\n{receipt}\nx");
    wire.say(client, &send(""));
    let heard = wire.hear(client);
    assert!(
        heard.starts_with("ERROR\nmessage:Cannot publish to a deleted Destination\\c temp-queue"),
        "{heard}"
    );
    assert!(!heard.contains("receipt-id"), "{heard}");
    wire.say(client, &send("receipt:1\n"));
    assert_eq!(wire.headers(client, "receipt-id"), ["1"]);
    assert!(!wire.is_closed(client));
}

#[test]
fn a_cancel_may_be_the_end_of_the_connection() {
    let mut wire = wire(BrokerConfig::rabbitmq());
    let client = wire.open(Version::V1_2);
    wire.subscribe(client, "a", "/queue/a", "");
    wire.hear(client);
    wire.broker.cancel(client, "a");
    wire.broker.hang_up(client);
    assert_eq!(wire.hear(client), "ERROR\nmessage:Server cancelled subscription\nsubscription:a\n\n\0\n");
    assert!(wire.is_closed(client));
}
