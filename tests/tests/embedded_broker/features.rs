//! What STOMP does not define, as each preset has it, ignores it or refuses it.

use std::time::Duration;

use stomp_proto::Version;
use stomp_testkit::broker::{BrokerConfig, ConnectionId, Death, Feature};

use crate::wire::{Wire, wire};

const RECEIPT: &str = "RECEIPT\nreceipt-id:r\n\n\0\n";

/// A broker with a client of it.
fn with_client(config: BrokerConfig) -> (Wire, ConnectionId) {
    let mut wire = wire(config);
    let client = wire.open(Version::V1_2);
    (wire, client)
}

/// What is answered to a frame with `receipt:r`.
fn ask(wire: &mut Wire, client: ConnectionId, frame: &str) -> String {
    wire.hear(client);
    wire.say(client, &format!("{frame}\nreceipt:r\n\n"));
    wire.hear(client)
}

#[test]
fn what_is_not_done_is_refused_in_words_and_can_be_ignored() {
    let rows = [
        (BrokerConfig::default(), "SUBSCRIBE\nid:0\ndestination:/topic/a.*", Feature::Wildcards, "wildcards"),
        (BrokerConfig::default(), "SUBSCRIBE\nid:0\ndestination:/queue/a.>", Feature::Wildcards, "wildcards"),
        (BrokerConfig::default(), "SUBSCRIBE\nid:0\ndestination:/topic/#", Feature::Wildcards, "wildcards"),
        (
            BrokerConfig::default(),
            "SEND\ndestination:/queue/a,/queue/b",
            Feature::Composites,
            "composite destinations",
        ),
        (
            BrokerConfig::default(),
            "SEND\ndestination:/queue/a\nAMQ_SCHEDULED_DELAY:5",
            Feature::Scheduling,
            "scheduled delivery",
        ),
        (
            BrokerConfig::activemq(),
            "SEND\ndestination:/queue/a\nAMQ_SCHEDULED_CRON:*",
            Feature::Repetition,
            "repeated delivery",
        ),
        (
            BrokerConfig::activemq(),
            "SEND\ndestination:/queue/a\nJMSXGroupID:g",
            Feature::Groups,
            "message groups",
        ),
        (
            BrokerConfig::artemis(),
            "SEND\ndestination:/queue/a\nJMSXGroupID:g",
            Feature::Groups,
            "message groups",
        ),
    ];
    for (config, frame, feature, name) in rows {
        let (mut wire, client) = with_client(config.clone());
        let answer = ask(&mut wire, client, frame);
        let words = format!("ERROR\nmessage:this test double does not do {name}\n");
        assert!(answer.starts_with(&words), "{frame}: {answer}");
        let (mut wire, client) = with_client(config.ignoring(feature));
        assert_eq!(ask(&mut wire, client, frame), RECEIPT, "{frame}");
    }
}

#[test]
fn selectors_choose_among_messages() {
    // RabbitMQ ignores them, and Artemis knows texts alone.
    let rows = [
        (BrokerConfig::default(), "n > 5", "7"),
        (BrokerConfig::activemq(), "n > 5", "7"),
        (BrokerConfig::artemis(), "n > 5", ""),
        (BrokerConfig::artemis(), "n = '7'", "7"),
        (BrokerConfig::rabbitmq(), "n > 5", "357"),
        (BrokerConfig::rabbitmq(), "n >", "357"),
        (BrokerConfig::activemq(), "JMSPriority > 4 OR k IS NOT NULL", "35"),
    ];
    for (config, selector, expected) in rows {
        for destination in ["/queue/a", "/topic/a"] {
            let (mut wire, client) = with_client(config.clone());
            wire.subscribe(client, "0", destination, &format!("selector:{selector}\n"));
            for headers in ["n:3\nk:v", "n:5\npriority:9", "n:7"] {
                let body = &headers[2..3];
                wire.say(client, &format!("SEND\ndestination:{destination}\n{headers}\n\n{body}"));
            }
            assert_eq!(wire.bodies(client).concat(), expected, "{selector} at {destination}");
            let left = if destination == "/queue/a" { 3 - expected.len() } else { 0 };
            assert_eq!(
                wire.broker.depth(destination),
                left,
                "what nobody wants waits in a queue, and nowhere else"
            );
        }
    }
}

#[test]
fn consumers_with_selectors_share_a_queue_with_others() {
    let mut wire = wire(BrokerConfig::activemq());
    let [odd, all] = [(); 2].map(|()| wire.open(Version::V1_2));
    wire.subscribe(
        odd,
        "0",
        "/queue/a",
        "selector:n IN ('1', '3')\nack:client-individual\nactivemq.prefetchSize:1\n",
    );
    for n in 1..=4 {
        wire.broker.publish("/queue/a", n.to_string(), &[("n", &n.to_string())]);
    }
    assert_eq!((wire.bodies(odd), wire.broker.depth("/queue/a")), (vec!["1".to_owned()], 3));
    wire.subscribe(all, "0", "/queue/a", "");
    assert_eq!(wire.bodies(all), ["2", "3", "4"], "one that has no room is passed over");
    wire.broker.disconnected(odd, wire.now);
    assert_eq!(wire.bodies(all), ["!1"]);
}

#[test]
fn a_selector_that_is_none_is_refused_in_the_words_of_the_broker() {
    let rows = [
        (BrokerConfig::default(), "/queue/a", "Bad header", "cannot be understood from octet 4"),
        (BrokerConfig::activemq(), "/queue/a", "bad bad", "javax.jms.InvalidSelectorException: bad bad"),
        (BrokerConfig::activemq(), "/topic/a", "Couldn't create TopicSubscription", "javax.jms.JMSException"),
        (BrokerConfig::artemis(), "/queue/a", "Invalid selector \"bad bad\"", "bad bad"),
    ];
    for (config, destination, message, detail) in rows {
        let (mut wire, client) = with_client(config);
        let answer =
            ask(&mut wire, client, &format!("SUBSCRIBE\nid:0\nselector:bad bad\ndestination:{destination}"));
        assert!(answer.starts_with(&format!("ERROR\nmessage:{message}\n")), "{answer}");
        assert!(answer.contains(detail), "{answer}");
        assert_eq!(wire.broker.subscribers(destination), 0);
    }
    let (mut wire, client) = with_client(BrokerConfig::activemq());
    let answer = ask(&mut wire, client, "SUBSCRIBE\nid:0\nselector:JMSMessageID = 'a'\ndestination:/queue/a");
    assert!(answer.contains("does not do selectors with JMSMessageID"), "{answer}");
}

#[test]
fn a_browser_is_shown_what_waits_and_what_is_out() {
    let (mut wire, client) = with_client(BrokerConfig::activemq());
    let other = wire.open(Version::V1_2);
    wire.send(client, "/queue/a", &["1", "2", "3"]);
    wire.subscribe(other, "0", "/queue/a", "ack:client\nactivemq.prefetchSize:1\n");
    wire.subscribe(client, "b", "/queue/a", "browser:true\nack:client\nreceipt:r\n");
    let heard = wire.hear(client);
    assert!(heard.starts_with(RECEIPT), "{heard}");
    let end = "MESSAGE\nsubscription:b\nmessage-id:0\ndestination:/queue/a\nbrowser:end\n\n\0\n";
    assert!(heard.ends_with(end), "{heard}");
    let shown: Vec<_> =
        heard.split("\0\n").filter_map(|frame| frame.split_once("\n\n")).map(|it| it.1).collect();
    assert_eq!(shown, ["", "1", "2", "3", ""]);
    assert_eq!((wire.broker.depth("/queue/a"), wire.broker.unacked("/queue/a")), (2, 1));
    let ack = heard.lines().find_map(|line| line.strip_prefix("ack:")).unwrap();
    assert_eq!(ask(&mut wire, client, &format!("ACK\nid:{ack}")), RECEIPT, "it acknowledges nothing");
    wire.send(client, "/queue/a", &["4"]);
    assert_eq!(wire.hear(client), "", "it is shown what is there, and nothing later");
    assert_eq!(ask(&mut wire, client, "UNSUBSCRIBE\nid:b"), RECEIPT);
    for config in [BrokerConfig::rabbitmq(), BrokerConfig::artemis()] {
        let (mut wire, client) = with_client(config);
        wire.send(client, "/queue/a", &["1"]);
        wire.subscribe(client, "b", "/queue/a", "browser:true\n");
        assert_eq!(
            (wire.bodies(client), wire.broker.depth("/queue/a")),
            (vec!["1".to_owned()], 0),
            "it consumes"
        );
    }
}

#[test]
fn wildcards_by_preset() {
    // The preset, the pattern, and what comes of these.
    let destinations = ["/topic/a", "/topic/a.b", "/topic/a.b.c", "/queue/a.b"];
    let rows = [
        (BrokerConfig::activemq(), "/topic/a.*", vec!["/topic/a.b"]),
        (BrokerConfig::activemq(), "/topic/a.>", vec!["/topic/a", "/topic/a.b", "/topic/a.b.c"]),
        (BrokerConfig::activemq(), "/topic/a.#", vec![]),
        (BrokerConfig::activemq(), "/queue/*.b", vec!["/queue/a.b"]),
        (BrokerConfig::rabbitmq(), "/topic/a.*", vec!["/topic/a.b"]),
        (BrokerConfig::rabbitmq(), "/topic/a.#", vec!["/topic/a", "/topic/a.b", "/topic/a.b.c"]),
        (BrokerConfig::rabbitmq(), "/topic/#.b.#", vec!["/topic/a.b", "/topic/a.b.c"]),
        (BrokerConfig::rabbitmq(), "/queue/*.b", vec![]),
        (BrokerConfig::artemis(), "/topic/a.#", vec!["/topic/a", "/topic/a.b", "/topic/a.b.c"]),
        (BrokerConfig::artemis(), "/topic/a.>", vec![]),
    ];
    for (config, pattern, expected) in rows {
        let (mut wire, client) = with_client(config);
        wire.subscribe(client, "0", pattern, "");
        for destination in destinations {
            wire.send(client, destination, &["x"]);
        }
        assert_eq!(wire.headers(client, "destination"), expected, "{pattern}");
    }
}

#[test]
fn a_consumer_of_many_queues_is_served_from_old_and_new_ones() {
    let (mut wire, client) = with_client(BrokerConfig::activemq());
    wire.send(client, "/queue/a.old", &["1", "2"]);
    wire.subscribe(client, "0", "/queue/a.>", "ack:client-individual\nactivemq.prefetchSize:2\n");
    wire.send(client, "/queue/a.new", &["3"]);
    assert_eq!(wire.headers(client, "destination"), ["/queue/a.old", "/queue/a.old"]);
    wire.say(client, "ACK\nid:ack\\c0\\c1\n\n");
    assert_eq!(wire.headers(client, "destination"), ["/queue/a.new"]);
    assert_eq!(ask(&mut wire, client, "UNSUBSCRIBE\nid:0"), RECEIPT);
    wire.send(client, "/queue/a.newer", &["4"]);
    assert_eq!(wire.hear(client), "");
    assert_eq!(wire.broker.queues(), ["/queue/a.new", "/queue/a.newer", "/queue/a.old"]);
}

#[test]
fn a_composite_destination_is_all_of_its_parts() {
    let (mut wire, client) = with_client(BrokerConfig::activemq());
    wire.subscribe(client, "t", "/topic/c", "");
    assert_eq!(ask(&mut wire, client, "SEND\ndestination:/queue/a,b,/topic/c").matches("RECEIPT").count(), 1);
    assert_eq!(wire.broker.queues(), ["/queue/a", "/queue/b"]);
    wire.subscribe(client, "0", "/queue/a,/queue/b", "");
    let heard = wire.hear(client);
    for line in [
        "destination:/queue/a",
        "destination:/queue/b",
        "original-destination:/queue/a,queue\\c//b,topic\\c//c",
    ] {
        assert!(heard.lines().any(|found| found == line), "{line} in {heard}");
    }
    wire.say(client, "BEGIN\ntransaction:t\n\n");
    wire.say(client, "SEND\ndestination:/queue/d,/queue/e\ntransaction:t\n\n");
    assert!(wire.broker.queues().is_empty());
    wire.say(client, "COMMIT\ntransaction:t\n\n");
    assert_eq!(wire.broker.queues(), ["/queue/d", "/queue/e"]);
}

#[test]
fn a_temporary_queue_belongs_to_its_connection() {
    for config in [BrokerConfig::activemq(), BrokerConfig::default()] {
        let mut wire = wire(config);
        let [one, two, server] = [(); 3].map(|()| wire.open(Version::V1_2));
        wire.subscribe(server, "w", "/queue/work", "");
        for client in [one, two] {
            wire.subscribe(client, "t", "/temp-queue/x", "");
            wire.say(client, "SEND\ndestination:/queue/work\nreply-to:/temp-queue/x\n\nask");
        }
        let replies = wire.headers(server, "reply-to");
        assert!(replies.iter().all(|name| name.starts_with("/remote-temp-queue/ID\\c")), "{replies:?}");
        wire.say(server, &format!("SEND\ndestination:{}\n\nto two", replies[1]));
        wire.say(server, &format!("SEND\ndestination:{}\n\nto one", replies[0]));
        let heard = wire.hear(one);
        assert!(
            heard.contains("\ndestination:/temp-queue/x\n") && heard.ends_with("\n\nto one\0\n"),
            "{heard}"
        );
        assert_eq!(wire.bodies(two), ["to two"]);
        wire.broker.disconnected(one, wire.now);
        let late = ask(&mut wire, server, &format!("SEND\ndestination:{}", replies[0]));
        assert!(
            late == RECEIPT || late.starts_with("ERROR\nmessage:Cannot publish to a deleted Destination"),
            "{late}"
        );
        assert!(wire.broker.queues().is_empty(), "a late reply is nowhere");
    }
}

#[test]
fn replies_come_unasked_from_rabbitmq() {
    let mut wire = wire(BrokerConfig::rabbitmq());
    let [client, server] = [(); 2].map(|()| wire.open(Version::V1_2));
    for command in ["SUBSCRIBE\nid:0", "SEND"] {
        let answer = ask(&mut wire, client, &format!("{command}\ndestination:/temp-queue/x"));
        assert!(answer.contains("'/temp-queue/x' is not a valid destination for '"), "{answer}");
    }
    wire.subscribe(server, "w", "/queue/work", "");
    for _ in 0..2 {
        wire.say(client, "SEND\ndestination:/queue/work\nreply-to:/temp-queue/x\n\nask");
    }
    let replies = wire.headers(server, "reply-to");
    assert!(replies[0].starts_with("/reply-queue/amq.gen-") && replies[0] == replies[1], "{replies:?}");
    wire.say(server, &format!("SEND\ndestination:{}\n\nyes", replies[0]));
    let heard = wire.hear(client);
    assert!(heard.starts_with("MESSAGE\nsubscription:/temp-queue/x\n"), "{heard}");
    assert!(heard.contains("\ndestination:/queue/amq.gen-"), "{heard}");
    let answer = ask(&mut wire, client, "UNSUBSCRIBE\nid:/temp-queue/x");
    assert!(answer.contains("message:Invalid id\n"), "{answer}");
    wire.broker.disconnected(client, wire.now);
    assert_eq!(ask(&mut wire, server, &format!("SEND\ndestination:{}", replies[0])), RECEIPT);
    assert!(wire.broker.queues().is_empty());
}

#[test]
fn messages_expire_when_their_time_is_over() {
    // Where a message goes that has expired.
    let rows = [
        (BrokerConfig::default(), "expires", 1_800_000_000_500_u64, vec![]),
        (BrokerConfig::activemq(), "expires", 1_800_000_000_500, vec!["/queue/DLQ.a"]),
        (BrokerConfig::artemis(), "expires", 1_800_000_000_500, vec!["/queue/ExpiryQueue"]),
        (BrokerConfig::rabbitmq(), "expiration", 500, vec![]),
        (BrokerConfig::rabbitmq(), "expires", 1, vec!["/queue/a"]),
    ];
    for (config, header, value, left) in rows {
        let (mut wire, client) = with_client(config);
        wire.broker.set_wall_clock(Duration::from_millis(1_800_000_000_000));
        wire.say(client, &format!("SEND\ndestination:/queue/a\n{header}:{value}\n\nx"));
        wire.pass(Duration::from_millis(499));
        assert_eq!(wire.broker.depth("/queue/a"), 1, "{header}");
        wire.pass(Duration::from_millis(1));
        assert_eq!(wire.broker.queues(), left, "{header}");
    }
}

#[test]
fn a_message_that_comes_back_too_late_has_expired() {
    let (mut wire, client) = with_client(BrokerConfig::activemq());
    wire.subscribe(client, "0", "/queue/a", "ack:client\n");
    wire.say(client, "SEND\ndestination:/queue/a\nexpires:500\n\nx");
    wire.pass(Duration::from_millis(600));
    assert_eq!(wire.broker.unacked("/queue/a"), 1, "whoever has it keeps it");
    wire.broker.disconnected(client, wire.now);
    assert_eq!(wire.broker.queues(), ["/queue/DLQ.a"]);
    let dead = &wire.broker.snapshot().destinations[0].messages[0];
    assert_eq!(dead.dead, Some(Death::Expired));
    assert_eq!(dead.headers.get("originalExpiration").unwrap(), "500");
}

#[test]
fn a_delay_is_kept() {
    for config in [BrokerConfig::activemq(), BrokerConfig::artemis()] {
        let (mut wire, client) = with_client(config);
        wire.subscribe(client, "0", "/queue/a", "");
        wire.say(client, "SEND\ndestination:/queue/a\nAMQ_SCHEDULED_DELAY:1000\nreceipt:r\n\nlate");
        wire.send(client, "/queue/a", &["at once"]);
        assert!(wire.hear(client).starts_with(RECEIPT));
        assert_eq!((wire.broker.scheduled(), wire.broker.accepted("/queue/a")), (1, 1));
        wire.pass(Duration::from_millis(999));
        assert_eq!(wire.hear(client), "");
        wire.pass(Duration::from_millis(1));
        assert_eq!((wire.bodies(client), wire.broker.scheduled()), (vec!["late".to_owned()], 0));
    }
}

#[test]
fn priorities_overtake_on_artemis_alone() {
    for (config, expected) in [(BrokerConfig::artemis(), "97410"), (BrokerConfig::activemq(), "49107")] {
        let (mut wire, client) = with_client(config);
        for priority in ["4", "9", "1", "0", "7"] {
            wire.say(client, &format!("SEND\ndestination:/queue/a\npriority:{priority}\n\n{priority}"));
        }
        wire.subscribe(client, "0", "/queue/a", "ack:client\n");
        assert_eq!(wire.bodies(client).concat(), expected);
        wire.broker.disconnected(client, wire.now);
        let bodies: Vec<_> = wire.broker.messages("/queue/a").concat();
        assert_eq!(bodies, expected.as_bytes(), "what comes back takes its place");
    }
}

#[test]
fn rabbitmq_has_its_own_names() {
    let (mut wire, client) = with_client(BrokerConfig::rabbitmq());
    wire.subscribe(client, "t", "/exchange/amq.topic/a.*", "");
    wire.send(client, "/topic/a.b", &["x"]);
    wire.send(client, "plain", &["x"]);
    wire.send(client, "/amq/queue/other", &["x"]);
    assert_eq!(wire.headers(client, "destination"), ["/topic/a.b"]);
    assert_eq!(wire.broker.queues(), ["/queue/other", "/queue/plain"]);
    let rows = [
        ("/queue/a/b", "Invalid destination"),
        ("/topic/", "Invalid destination"),
        ("/nope/a", "Unknown destination"),
        ("/exchange/mine/key", "this test double does not do exchanges other than amq.topic"),
    ];
    for (destination, message) in rows {
        let answer = ask(&mut wire, client, &format!("SEND\ndestination:{destination}"));
        assert!(answer.starts_with(&format!("ERROR\nmessage:{message}\n")), "{answer}");
    }
}
