//! CONNECT to DISCONNECT: versions, logins, receipts.

use stomp_proto::Version;
use stomp_testkit::broker::{BrokerConfig, Output};

use crate::wire::wire;

const SERVER: &str = concat!("stomp-testkit/", env!("CARGO_PKG_VERSION"));

#[test]
fn connected_by_version() {
    let rows = [
        ("CONNECT\n\n", "version:1.0", ""),
        ("CONNECT\naccept-version:1.0,1.1\n\n", "version:1.1", "heart-beat:0,0\n"),
        (
            "CONNECT\naccept-version:1.1,1.2\nheart-beat:10,20\nhost:h\n\n",
            "version:1.2",
            "heart-beat:20,10\n",
        ),
        ("STOMP\naccept-version:1.0,1.1,1.2,1.3\nhost:h\n\n", "version:1.2", "heart-beat:0,0\n"),
        ("CONNECT\naccept-version:1.0, 1.1, 1.2\nheart-beat:x\n\n", "version:1.0", ""),
    ];
    for (connect, version, heart_beat) in rows {
        let mut wire = wire(BrokerConfig::default());
        let client = wire.broker.connect(wire.now);
        wire.say(client, connect);
        let expected =
            format!("CONNECTED\n{version}\nsession:session-0\nserver:{SERVER}\n{heart_beat}\n\0\n");
        assert_eq!(wire.hear(client), expected, "{connect}");
    }
}

#[test]
fn it_poses_as_another() {
    for (config, server) in [
        (BrokerConfig::rabbitmq(), "RabbitMQ/3.10.8"),
        (BrokerConfig::activemq(), "ActiveMQ/5.17.2"),
        (BrokerConfig::artemis(), "ActiveMQ-Artemis/2.44.0"),
        (BrokerConfig::default().server("mine"), "mine"),
    ] {
        let mut wire = wire(config);
        let client = wire.broker.connect(wire.now);
        wire.say(client, "CONNECT\n\n");
        assert_eq!(wire.headers(client, "server"), [server]);
    }
}

#[test]
fn no_common_version() {
    let mut wire = wire(BrokerConfig::default().versions(&[Version::V1_0, Version::V1_1]));
    let client = wire.broker.connect(wire.now);
    wire.say(client, "CONNECT\naccept-version:1.2\nhost:h\n\n");
    assert_eq!(
        wire.hear(client),
        "ERROR\nmessage:Version mismatch\nversion:1.0,1.1\ncontent-type:text/plain\n\
         content-length:31\n\nSupported versions are 1.0,1.1\n\0\n"
    );
    assert!(wire.is_closed(client));
}

#[test]
fn logins() {
    let with_alice = || BrokerConfig::default().user("alice", "s:e\\cret").without_anonymous();
    let artemis = BrokerConfig::artemis().user("alice", "s:e\\cret");
    let rows = [
        (BrokerConfig::default(), "", true),
        (BrokerConfig::default(), "login:guest\npasscode:guest\n", true),
        (BrokerConfig::default(), "login:guest\npasscode:other\n", false),
        (with_alice(), "", false),
        (with_alice(), "login:alice\npasscode:s:e\\\\cret\n", true),
        (with_alice(), "login:guest\npasscode:guest\n", true),
        (artemis.clone(), "login:alice\npasscode:s:e\\cret\n", true),
        (artemis, "login:alice\npasscode:s:e\\\\cret\n", false),
    ];
    for (config, login, allowed) in rows {
        let mut wire = wire(config);
        let client = wire.broker.connect(wire.now);
        wire.say(client, &format!("CONNECT\naccept-version:1.2\nhost:h\n{login}\n"));
        assert_eq!(wire.hear(client).starts_with("CONNECTED\n"), allowed, "{login}");
        assert_eq!(wire.is_closed(client), !allowed);
        assert_eq!(wire.broker.version(client), allowed.then_some(Version::V1_2));
    }
}

#[test]
fn a_refused_login_in_the_words_of_each_broker() {
    let rows = [
        (BrokerConfig::rabbitmq(), "message:Bad CONNECT\n", "\n\nAccess refused for user 'eve'\n\0\n", false),
        (
            BrokerConfig::activemq(),
            "message:User name [eve] or password is invalid.\n",
            "\n\nUser name [eve] or password is invalid.\0\n",
            true,
        ),
        (
            BrokerConfig::artemis(),
            "message:Security Error occurred\\c User name [eve] or password is invalid\n",
            "User name [eve] or password is invalid\0\n",
            true,
        ),
    ];
    for (config, message, end, closes) in rows {
        let mut wire = wire(config);
        let client = wire.broker.connect(wire.now);
        wire.say(client, "CONNECT\naccept-version:1.2\nhost:h\nlogin:eve\npasscode:x\n\n");
        let answer = wire.hear(client);
        assert!(answer.contains(message) && answer.ends_with(end), "{answer}");
        assert_eq!(wire.is_closed(client), closes);
    }
}

#[test]
fn nothing_before_connect_and_no_second_one() {
    let mut wire = wire(BrokerConfig::default());
    let early = wire.broker.connect(wire.now);
    wire.say(early, "SEND\ndestination:/queue/a\nreceipt:7\n\nx");
    assert!(wire.hear(early).starts_with("ERROR\nmessage:Illegal command\nreceipt-id:7\n"));
    assert!(wire.is_closed(early));
    assert_eq!(wire.broker.depth("/queue/a"), 0);
    let twice = wire.open(Version::V1_2);
    wire.say(twice, "CONNECT\naccept-version:1.2\nhost:h\n\n");
    assert!(wire.hear(twice).starts_with("ERROR\nmessage:Already connected\n"));
    assert!(wire.is_closed(twice));
}

#[test]
fn a_receipt_for_every_frame_but_connect() {
    for version in Version::ALL {
        let mut wire = wire(BrokerConfig::default());
        let client = wire.broker.connect(wire.now);
        wire.say(client, &format!("CONNECT\naccept-version:{version}\nreceipt:no\n\n"));
        assert!(!wire.hear(client).contains("receipt"));
        let frames = [
            "SUBSCRIBE\nid:0\ndestination:/topic/none",
            "BEGIN\ntransaction:t",
            "SEND\ndestination:/queue/a\ntransaction:t",
            "COMMIT\ntransaction:t",
            "BEGIN\ntransaction:t",
            "ABORT\ntransaction:t",
            "UNSUBSCRIBE\nid:0",
            "DISCONNECT",
        ];
        for frame in frames {
            wire.say(client, &format!("{frame}\nreceipt:r-1\n\n"));
            assert_eq!(wire.hear(client), "RECEIPT\nreceipt-id:r-1\n\n\0\n", "{frame} in {version}");
        }
        assert!(wire.is_closed(client));
        assert_eq!(wire.broker.connections(), []);
    }
}

#[test]
fn a_disconnect_closes_and_hides_what_follows_it() {
    let mut wire = wire(BrokerConfig::default());
    let client = wire.open(Version::V1_2);
    wire.broker.receive(client, b"DISCONNECT\n\n\0SEND\ndestination:/queue/a\n\nx\0", wire.now);
    assert_eq!(wire.broker.poll_output(), Some(Output::Close { connection: client }));
    assert_eq!(wire.broker.poll_output(), None);
    assert_eq!(wire.broker.depth("/queue/a"), 0);
}

#[test]
fn any_cut_gives_the_same_answers() {
    let script = "CONNECT\naccept-version:1.2\nhost:h\nheart-beat:9,9\n\n\0\n\nSUBSCRIBE\nid:0\n\
         destination:/queue/a\nack:client\nreceipt:1\n\n\0SEND\ndestination:/queue/a\ncontent-length:3\n\
         \na\0b\0\r\nSEND\r\ndestination:/queue/a\r\nreceipt:2\r\n\r\nx\0ACK\nid:ack\\c0\\c2\nreceipt:3\n\n\0BOGUS\n";
    let answer = |size: usize| {
        let mut wire = wire(BrokerConfig::default());
        let client = wire.broker.connect(wire.now);
        script.as_bytes().chunks(size).for_each(|chunk| wire.broker.receive(client, chunk, wire.now));
        assert!(wire.is_closed(client));
        wire.hear(client)
    };
    let whole = answer(script.len());
    assert!(whole.contains("receipt-id:3") && whole.contains("message:Malformed frame"), "{whole}");
    for size in 1..40 {
        assert_eq!(answer(size), whole, "in chunks of {size}");
    }
}
