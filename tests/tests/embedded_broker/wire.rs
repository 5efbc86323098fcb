//! Clients as text: what they say goes to a broker in virtual time, and what it answers is compared to the letter.

use std::{collections::BTreeMap, time::Duration};

use stomp_proto::Version;
use stomp_testkit::broker::{Broker, BrokerConfig, ConnectionId, Output};

/// A broker, its clock, and what its connections have been sent and not yet looked at.
pub(crate) struct Wire {
    pub(crate) broker: Broker,
    pub(crate) now: Duration,
    heard: BTreeMap<ConnectionId, Vec<u8>>,
    closed: Vec<ConnectionId>,
}

pub(crate) fn wire(config: BrokerConfig) -> Wire {
    let broker = Broker::new(config);
    Wire { broker, now: Duration::ZERO, heard: BTreeMap::new(), closed: Vec::new() }
}

impl Wire {
    /// A connection in that version.
    pub(crate) fn open(&mut self, version: Version) -> ConnectionId {
        let connection = self.broker.connect(self.now);
        self.say(connection, &format!("CONNECT\naccept-version:{version}\nhost:h\n\n"));
        let answer = self.hear(connection);
        assert!(answer.starts_with(&format!("CONNECTED\nversion:{version}\n")), "{answer}");
        connection
    }

    /// A subscription: `headers` are lines behind the `id`.
    pub(crate) fn subscribe(&mut self, connection: ConnectionId, id: &str, destination: &str, headers: &str) {
        self.say(connection, &format!("SUBSCRIBE\nid:{id}\ndestination:{destination}\n{headers}\n"));
    }

    pub(crate) fn send(&mut self, connection: ConnectionId, destination: &str, bodies: &[&str]) {
        for body in bodies {
            self.say(connection, &format!("SEND\ndestination:{destination}\n\n{body}"));
        }
    }

    /// Sends a frame, whose NUL is added.
    pub(crate) fn say(&mut self, connection: ConnectionId, frame: &str) {
        self.broker.receive(connection, format!("{frame}\0").as_bytes(), self.now);
    }

    /// All that a connection was sent since the last time, to the letter.
    pub(crate) fn hear(&mut self, connection: ConnectionId) -> String {
        String::from_utf8(self.hear_octets(connection)).unwrap()
    }

    /// As [`hear`](Self::hear), for what is not UTF-8.
    pub(crate) fn hear_octets(&mut self, connection: ConnectionId) -> Vec<u8> {
        self.collect();
        self.heard.remove(&connection).unwrap_or_default()
    }

    /// The bodies of the MESSAGEs that a connection was sent; '!' stands before a redelivered one.
    pub(crate) fn bodies(&mut self, connection: ConnectionId) -> Vec<String> {
        let heard = self.hear(connection);
        let messages = heard.split("\0\n").filter_map(|frame| frame.strip_prefix("MESSAGE\n"));
        let mark = |headers: &str| if headers.contains("\nredelivered:true\n") { "!" } else { "" };
        let parts = messages.filter_map(|frame| frame.split_once("\n\n"));
        parts.map(|(headers, body)| format!("{}{body}", mark(headers))).collect()
    }

    /// The values of a header in what a connection was sent.
    pub(crate) fn headers(&mut self, connection: ConnectionId, name: &str) -> Vec<String> {
        let heard = self.hear(connection);
        let lines = heard.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        lines.map(str::to_owned).collect()
    }

    /// Whether the broker has closed a connection.
    pub(crate) fn is_closed(&mut self, connection: ConnectionId) -> bool {
        self.collect();
        self.closed.contains(&connection)
    }

    /// Lets time pass, from one deadline to the next.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.broker.poll_timeout().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.broker.handle_timeout(self.now);
            assert!(
                self.broker.poll_timeout().is_none_or(|next| next > self.now),
                "a deadline that does not move"
            );
            self.collect();
        }
        self.now = end;
    }

    fn collect(&mut self) {
        while let Some(output) = self.broker.poll_output() {
            match output {
                Output::Send { connection, bytes } => {
                    self.heard.entry(connection).or_default().extend_from_slice(&bytes);
                }
                Output::Close { connection } => self.closed.push(connection),
            }
        }
    }
}

/// An ACK or NACK of the `number`-th message of a connection, as the version spells it; `headers` are more lines.
pub(crate) fn settle(
    command: &str,
    version: Version,
    connection: ConnectionId,
    number: u64,
    subscription: &str,
    headers: &str,
) -> String {
    match version {
        Version::V1_0 => format!("{command}\nmessage-id:ID:{connection}:{number}\n{headers}\n"),
        Version::V1_1 => {
            let id = format!("ID\\c{connection}\\c{number}");
            format!("{command}\nmessage-id:{id}\nsubscription:{subscription}\n{headers}\n")
        }
        Version::V1_2 => format!("{command}\nid:ack\\c{connection}\\c{number}\n{headers}\n"),
    }
}

pub(crate) fn ack(version: Version, connection: ConnectionId, number: u64, subscription: &str) -> String {
    settle("ACK", version, connection, number, subscription, "")
}
