//! Answers and expectations that a test prescribes.

use std::{panic, time::Duration};

use serde_json::json;
use stomp_proto::{Command, Version};
use stomp_testkit::{
    broker::{Answer, BrokerConfig, Stub, ack, connect, frame, send, subscribe},
    server::{Server, satisfied},
};

use crate::{
    sockets::Client,
    wire::{Wire, wire},
};

const RECEIPT: &str = "RECEIPT\nreceipt-id:r\n\n\0\n";

/// Sends to a destination and gives what was answered.
fn ask(wire: &mut Wire, connection: stomp_testkit::broker::ConnectionId, destination: &str) -> String {
    wire.say(connection, &format!("SEND\ndestination:{destination}\nreceipt:r\n\nx"));
    wire.hear(connection)
}

#[test]
fn an_error_in_place_of_a_receipt() {
    let rows = [
        (BrokerConfig::activemq(), "receipt-id:r\ncontent-type:text/plain\n"),
        (BrokerConfig::rabbitmq(), "version:1.0,1.1,1.2\ncontent-type:text/plain\ncontent-length:7\n"),
    ];
    for (config, headers) in rows {
        let mut wire = wire(config);
        wire.broker
            .stub(Stub::new(send().to("/queue/a")).reply(Answer::error("full").detail("no room")).times(2));
        let client = wire.open(Version::V1_2);
        for _ in 0..2 {
            let expected = format!("ERROR\nmessage:full\n{headers}\nno room\0\n");
            assert_eq!(ask(&mut wire, client, "/queue/a"), expected);
        }
        assert_eq!(ask(&mut wire, client, "/queue/b"), RECEIPT);
        assert_eq!(ask(&mut wire, client, "/queue/a"), RECEIPT);
        assert_eq!(wire.broker.depth("/queue/a"), 1);
    }
}

#[test]
fn a_receipt_that_comes_late() {
    let mut wire = wire(BrokerConfig::default());
    wire.broker.stub(Stub::new(send()).reply(Answer::delay_receipt(Duration::from_secs(3))).times(1));
    let client = wire.open(Version::V1_2);
    assert_eq!(ask(&mut wire, client, "/queue/a"), "");
    assert_eq!(wire.broker.depth("/queue/a"), 1);
    wire.pass(Duration::from_millis(2_999));
    assert_eq!(wire.hear(client), "");
    wire.pass(Duration::from_millis(1));
    assert_eq!(wire.hear(client), RECEIPT);
    assert_eq!(ask(&mut wire, client, "/queue/a"), RECEIPT);
}

#[test]
fn a_message_that_comes_twice() {
    let mut wire = wire(BrokerConfig::default());
    let stub = wire.broker.stub(Stub::new(send().header("type", "odd")).reply(Answer::deliver_twice()));
    let client = wire.open(Version::V1_2);
    wire.subscribe(client, "s", "/queue/a", "");
    wire.say(client, "SEND\ndestination:/queue/a\ntype:odd\n\n1");
    wire.say(client, "SEND\ndestination:/queue/a\ntype:even\n\n2");
    assert_eq!(wire.bodies(client), ["1", "1", "2"]);
    wire.broker.remove_stub(stub);
    wire.say(client, "SEND\ndestination:/queue/a\ntype:odd\n\n3");
    assert_eq!(wire.bodies(client), ["3"]);
}

#[test]
fn a_script_is_followed_in_order_and_then_all_is_as_usual() {
    let mut wire = wire(BrokerConfig::default());
    let script = [Answer::ignore(), Answer::proceed(), Answer::closing_error("no"), Answer::close()];
    wire.broker.stub(Stub::new(send()).script(script));
    let client = wire.open(Version::V1_2);
    assert_eq!(ask(&mut wire, client, "/queue/a"), "");
    assert_eq!(ask(&mut wire, client, "/queue/a"), RECEIPT);
    assert!(ask(&mut wire, client, "/queue/a").starts_with("ERROR\nmessage:no\nreceipt-id:r\n"));
    assert!(wire.is_closed(client));
    let client = wire.open(Version::V1_2);
    assert_eq!(ask(&mut wire, client, "/queue/a"), "");
    assert!(wire.is_closed(client));
    let client = wire.open(Version::V1_2);
    assert_eq!(ask(&mut wire, client, "/queue/a"), RECEIPT);
    assert_eq!(wire.broker.depth("/queue/a"), 2);
}

#[test]
fn a_login_that_is_refused_closes() {
    let mut wire = wire(BrokerConfig::default());
    wire.broker
        .stub(Stub::new(connect().header("login", "guest")).reply(Answer::error("not today")).times(1));
    let connection = wire.broker.connect(Duration::ZERO);
    wire.say(connection, "STOMP\naccept-version:1.2\nlogin:guest\npasscode:guest\n\n");
    assert!(wire.hear(connection).starts_with("ERROR\nmessage:not today\n"));
    assert!(wire.is_closed(connection));
    wire.open(Version::V1_2);
}

#[test]
fn a_service_that_is_not_there_replies() {
    let mut wire = wire(BrokerConfig::default());
    wire.broker.stub(Stub::new(send().to("/queue/rpc")).reply(Answer::respond("pong")));
    let client = wire.open(Version::V1_2);
    wire.subscribe(client, "s", "/queue/mine", "");
    wire.say(
        client,
        "SEND\ndestination:/queue/rpc\nreply-to:/queue/mine\ncorrelation-id:7\nreceipt:r\n\nping",
    );
    let heard = wire.hear(client);
    assert!(heard.starts_with(RECEIPT) && heard.ends_with("correlation-id:7\n\npong\0\n"), "{heard}");
    wire.say(client, "SEND\ndestination:/queue/rpc\n\nnobody waits for this");
    assert_eq!((wire.hear(client).as_str(), wire.broker.depth("/queue/rpc")), ("", 0));
}

#[test]
fn what_is_expected_and_comes() {
    let server = Server::start(BrokerConfig::default()).unwrap();
    server.expect(send().to("/queue/a").body_json(&json!({"price": 3}))).times(1);
    server.expect(send().to("/queue/b")).times(0);
    server.expect(subscribe()).between(0..=1);
    server.expect(frame(Command::Disconnect));
    server.when(send().that(|send| send.body().is_empty())).script([Answer::error("empty")]);
    let mut client = Client::connect(&server, Version::V1_2, "0,0");
    client.say("SEND\ndestination:/queue/a\nreceipt:1\n\n{ \"price\" : 3 }");
    client.receipt("1");
    assert!(!server.verify().unwrap_err().to_string().contains("SEND"));
    client.say("DISCONNECT\n\n");
    server.wait_for(Duration::from_secs(20), satisfied()).blocking().unwrap();
    server.verify().unwrap();
}

#[test]
fn what_came_instead_is_shown() {
    let dropped = panic::catch_unwind(|| {
        let server = Server::start(BrokerConfig::default()).unwrap();
        server.expect(send().to("/queue/a").header("k", "v")).times(2);
        server.expect(ack());
        let mut client = Client::connect(&server, Version::V1_2, "0,0");
        client.say("SEND\ndestination:/queue/a\nk:v\n\nright");
        client.say("SEND\ndestination:/queue/a\nk:w\n\nwrong\u{1}");
        client.say("DISCONNECT\nreceipt:1\n\n");
        client.receipt("1");
    });
    let panicked = dropped.unwrap_err();
    let expected = "expectations of the broker were not met:\n\
        expected exactly 2 SEND to /queue/a with k:v; came 1\n\
        \u{20} SEND destination:/queue/a k:w \"wrong\\x01\"\n\
        expected at least 1 ACK; came 0\n\
        \u{20} no other ACK frame came\n";
    assert_eq!(panicked.downcast_ref::<String>().unwrap(), expected);
}

#[test]
fn one_too_many_is_named() {
    let server = Server::start(BrokerConfig::default()).unwrap();
    server.expect(send()).times(1);
    let mut client = Client::connect(&server, Version::V1_2, "0,0");
    for body in ["1", "2"] {
        client.say(&format!("SEND\ndestination:/queue/a\nreceipt:{body}\n\n{body}"));
        client.receipt(body);
    }
    let unmet = server.verify().unwrap_err().to_string();
    assert!(
        unmet.ends_with("exactly 1 SEND; came 2\n  SEND destination:/queue/a receipt:2 \"2\"\n"),
        "{unmet}"
    );
    server.with(|broker| broker.forget_expectations());
}
