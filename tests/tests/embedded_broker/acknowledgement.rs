//! ACK and NACK in every version and mode, and what goes back when nobody acknowledges.

use std::collections::BTreeMap;

use stomp_proto::Version;
use stomp_testkit::broker::{BrokerConfig, ConnectionId, NackPolicy};

use crate::wire::{Wire, ack, settle, wire};

/// A consumer with three messages, in the given version and mode.
fn with_three(config: BrokerConfig, version: Version, mode: &str) -> (Wire, ConnectionId) {
    let mut wire = wire(config);
    let client = wire.open(version);
    wire.subscribe(client, "0", "/queue/a", &format!("ack:{mode}\n"));
    wire.send(client, "/queue/a", &["1", "2", "3"]);
    assert_eq!(wire.bodies(client), ["1", "2", "3"]);
    (wire, client)
}

#[test]
fn an_ack_covers_one_message_or_all_before() {
    for version in Version::ALL {
        for (mode, left) in [("client", ["!3"].as_slice()), ("client-individual", &["!1", "!3"])] {
            let (mut wire, client) = with_three(BrokerConfig::default(), version, mode);
            wire.say(client, &ack(version, client, 2, "0"));
            assert_eq!(wire.hear(client), "");
            wire.broker.disconnected(client, wire.now);
            let heir = wire.open(version);
            wire.subscribe(heir, "0", "/queue/a", "");
            assert_eq!(wire.bodies(heir), left, "{version} {mode}");
        }
    }
}

#[test]
fn a_cumulative_ack_spares_other_subscriptions_except_on_rabbitmq() {
    let rows =
        [(BrokerConfig::default(), "ack\\c0\\c2", 1), (BrokerConfig::rabbitmq(), "T_a@@session-0@@2", 0)];
    for (config, id, left) in rows {
        let mut wire = wire(config);
        let client = wire.open(Version::V1_2);
        wire.subscribe(client, "a", "/queue/a", "ack:client\n");
        wire.subscribe(client, "b", "/queue/b", "ack:client-individual\n");
        wire.send(client, "/queue/b", &["1"]);
        wire.send(client, "/queue/a", &["2"]);
        wire.say(client, &format!("ACK\nid:{id}\n\n"));
        assert!(!wire.is_closed(client));
        assert_eq!((wire.broker.unacked("/queue/a"), wire.broker.unacked("/queue/b")), (0, left));
    }
}

#[test]
fn ids_that_name_no_message_are_errors() {
    let missing = "Missing header";
    let unknown = "Unknown message";
    let rows = [
        (Version::V1_0, "ACK\n\n", missing),
        (Version::V1_0, "ACK\nmessage-id:ID:0:9\n\n", unknown),
        (Version::V1_0, "ACK\nmessage-id:ID:0:1\nsubscription:other\n\n", unknown),
        (Version::V1_1, "ACK\nsubscription:0\n\n", missing),
        (Version::V1_1, "ACK\nmessage-id:ID\\c0\\c1\n\n", missing),
        (Version::V1_1, "ACK\nmessage-id:ID\\c0\\c1\nsubscription:other\n\n", unknown),
        (Version::V1_1, "NACK\nmessage-id:ID\\c7\\c1\nsubscription:0\n\n", unknown),
        (Version::V1_2, "ACK\nmessage-id:ID\\c0\\c1\n\n", missing),
        (Version::V1_2, "ACK\nid:ID\\c0\\c1\n\n", unknown),
        (Version::V1_2, "NACK\nid:ack\\c0\\c4\n\n", unknown),
        (Version::V1_2, "ACK\nid:\n\n", unknown),
    ];
    for (version, frame, message) in rows {
        let (mut wire, client) = with_three(BrokerConfig::default(), version, "client");
        wire.say(client, frame);
        assert!(wire.hear(client).starts_with(&format!("ERROR\nmessage:{message}\n")), "{version} {frame}");
        assert!(wire.is_closed(client));
        assert_eq!(wire.broker.messages("/queue/a"), ["1", "2", "3"]);
    }
}

#[test]
fn twice_or_in_auto_mode_is_an_error() {
    for version in Version::ALL {
        for (mode, times) in [("client", 2), ("client-individual", 2), ("auto", 1)] {
            let (mut wire, client) = with_three(BrokerConfig::default(), version, mode);
            (0..times).for_each(|_| wire.say(client, &ack(version, client, 1, "0")));
            assert_eq!(wire.headers(client, "message"), ["Unknown message"], "{version} {mode}");
        }
    }
}

#[test]
fn an_id_of_an_earlier_connection_acknowledges_nothing() {
    for version in Version::ALL {
        let (mut wire, client) = with_three(BrokerConfig::activemq(), version, "client-individual");
        wire.broker.disconnected(client, wire.now);
        let heir = wire.open(version);
        wire.subscribe(heir, "0", "/queue/a", "ack:client-individual\n");
        wire.hear(heir);
        wire.say(heir, &ack(version, client, 1, "0"));
        let message = wire.headers(heir, "message").concat();
        assert!(message.starts_with("Unexpected ACK received for message-id ["), "{message}");
        assert_eq!(wire.broker.unacked("/queue/a"), 3);
    }
}

#[test]
fn nack_by_policy() {
    let none = [""; 0].as_slice();
    let rows = [
        (NackPolicy::DeadLetter, "", none, ["2"].as_slice(), 0),
        (NackPolicy::Discard, "", none, none, 1),
        (NackPolicy::Requeue, "", &["!2"], none, 0),
        (NackPolicy::Requeue, "requeue:false\n", none, &["2"], 0),
    ];
    for version in [Version::V1_1, Version::V1_2] {
        for (policy, headers, again, dead, discarded) in rows {
            let config = BrokerConfig::default().nack(policy);
            let (mut wire, client) = with_three(config, version, "client-individual");
            wire.say(client, &settle("NACK", version, client, 2, "0", headers));
            assert_eq!(wire.bodies(client), again, "{policy:?} {headers}");
            assert_eq!(wire.broker.messages("/queue/DLQ.a"), dead);
            assert_eq!(wire.broker.discarded(), discarded);
            assert_eq!(wire.broker.unacked("/queue/a"), 2 + again.len());
        }
    }
}

#[test]
fn a_cumulative_nack_covers_all_before() {
    let (mut wire, client) = with_three(BrokerConfig::default(), Version::V1_2, "client");
    wire.say(client, &settle("NACK", Version::V1_2, client, 2, "0", ""));
    assert_eq!(wire.broker.messages("/queue/DLQ.a"), ["1", "2"]);
    assert_eq!(wire.broker.unacked("/queue/a"), 1);
}

#[test]
fn what_is_unacknowledged_goes_to_others_in_order() {
    type End = fn(&mut Wire, ConnectionId);
    let ends: [(&str, End); 4] = [
        ("EOF", |wire, client| wire.broker.disconnected(client, wire.now)),
        ("UNSUBSCRIBE", |wire, client| wire.say(client, "UNSUBSCRIBE\nid:0\n\n")),
        ("DISCONNECT", |wire, client| wire.say(client, "DISCONNECT\n\n")),
        ("ERROR", |wire, client| wire.say(client, "UNSUBSCRIBE\nid:none\n\n")),
    ];
    for version in Version::ALL {
        for (name, end) in ends {
            let (mut wire, client) = with_three(BrokerConfig::default(), version, "client");
            let other = wire.open(version);
            wire.subscribe(other, "0", "/queue/a", "ack:client\n");
            wire.send(other, "/queue/a", &["4"]);
            assert_eq!(wire.bodies(client), ["4"]);
            wire.send(other, "/queue/a", &["5"]);
            end(&mut wire, client);
            assert_eq!(wire.bodies(other), ["5", "!1", "!2", "!3", "!4"], "{name} in {version}");
            assert_eq!(wire.bodies(client), [""; 0]);
        }
    }
}

/// Random consumers, cuts and verdicts: each message is in exactly one place, and none is delivered after its ACK.
#[test]
fn nothing_is_lost_and_nothing_acknowledged_comes_again() {
    for seed in 1..200 {
        let mut run = Run::new(seed);
        for _ in 0..200 {
            run.step();
            run.receive();
            run.check();
        }
    }
}

/// A run of random events, and where each of its messages should be.
struct Run {
    seed: u64,
    random: u64,
    wire: Wire,
    sent: u32,
    /// By holder and the number of the delivery.
    held: Vec<(ConnectionId, u64, u32)>,
    acknowledged: Vec<u32>,
    deliveries: BTreeMap<ConnectionId, u64>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let wire = wire(BrokerConfig::activemq().nack(NackPolicy::Requeue));
        let (held, acknowledged, deliveries) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { seed, random: seed, wire, sent: 0, held, acknowledged, deliveries }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.random >> 33).unwrap() % bound
    }

    fn step(&mut self) {
        let open = self.wire.broker.connections();
        match self.below(7) {
            0 if open.len() < 4 => self.join(),
            1 | 2 => {
                self.wire.broker.publish("/queue/a", self.sent.to_string(), &[]);
                self.sent += 1;
            }
            3 if self.below(5) == 0 && !open.is_empty() => {
                let client = open[self.below(open.len())];
                self.wire.broker.disconnected(client, self.wire.now);
                self.held.retain(|(holder, ..)| *holder != client);
            }
            4.. if !self.held.is_empty() => self.settle(),
            _ => {}
        }
    }

    fn join(&mut self) {
        let client = self.wire.open(Version::V1_2);
        let headers = format!("ack:client-individual\nprefetch-count:{}\n", self.below(4));
        self.wire.subscribe(client, "0", "/queue/a", &headers);
    }

    fn settle(&mut self) {
        let which = self.below(self.held.len());
        let (client, number, body) = self.held.swap_remove(which);
        let command = if self.below(3) == 0 { "NACK" } else { "ACK" };
        self.wire.say(client, &settle(command, Version::V1_2, client, number, "0", ""));
        self.acknowledged.extend((command == "ACK").then_some(body));
    }

    fn receive(&mut self) {
        for client in self.wire.broker.connections() {
            for body in self.wire.bodies(client) {
                let number = self.deliveries.entry(client).or_default();
                *number += 1;
                self.held.push((client, *number, body.trim_start_matches('!').parse().unwrap()));
            }
        }
    }

    fn check(&self) {
        let waiting = self.wire.broker.messages("/queue/a");
        let waiting = waiting.iter().map(|body| std::str::from_utf8(body).unwrap().parse::<u32>().unwrap());
        let held = self.held.iter().map(|(.., body)| *body);
        let mut all: Vec<_> = waiting.chain(held).chain(self.acknowledged.iter().copied()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..self.sent).collect::<Vec<_>>(), "seed {}", self.seed);
        assert_eq!(self.wire.broker.unacked("/queue/a"), self.held.len(), "seed {}", self.seed);
    }
}
