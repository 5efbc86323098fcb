//! What the models say when they refuse, and what it means: reckoned once more, from the brokers' texts alone.

use stomp_proto::Frame;

use super::kind::Kind;

/// What a refusal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The connection is about to end, or nobody is served: no frame is to blame.
    Connection,
    /// That SUBSCRIBE can never be accepted.
    Invalid,
    /// It may be allowed later.
    Permission,
    /// It passes.
    Passing,
    /// Nothing that anybody knows.
    Unknown,
}

/// The `message` header and the body of an ERROR. `%` stands for the queue.
type Words = (&'static str, &'static str);

const RABBITMQ: [Words; 5] = [
    (
        "not_found",
        "NOT_FOUND - home node 'rabbit@b0' of durable queue '%' in vhost '/' is down or inaccessible\n",
    ),
    ("access_refused", "ACCESS_REFUSED - access to queue '%' in vhost '/' refused for user 'user'\n"),
    (
        "resource_locked",
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '%' in vhost '/'\n",
    ),
    ("not_found", "NOT_FOUND - no queue '%' in vhost '/'\n"),
    (
        "precondition_failed",
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '%' in vhost '/': received 'true' but current is \
         'false'\n",
    ),
];

const ACTIVEMQ: [Words; 5] = [
    ("Usage Manager Memory Limit reached. Stopping producer to prevent flooding queue://%", ""),
    ("User user is not authorized to read from queue://%", ""),
    ("Destination queue://% is temporarily not served", ""),
    ("The Consumer could not be created", "javax.jms.JMSException: queue://%\n"),
    ("javax.jms.InvalidSelectorException: x >", ""),
];

const ARTEMIS: [Words; 5] = [
    ("AMQ229222: the server is shutting down", ""),
    ("AMQ229032: User: user does not have permission='CONSUME' for queue % on address %", ""),
    ("AMQ229102: Address \"%\" is full", ""),
    ("AMQ229017: Queue % does not exist", ""),
    ("AMQ229020: Invalid filter: x >", ""),
];

/// Words about the connection, of any of them.
pub(super) const OF_THE_CONNECTION: [Words; 4] = [
    ("connection_forced", "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'\n"),
    ("shutdown", "the broker is shutting down\n"),
    ("memory alarm", ""),
    (
        "not_found",
        "NOT_FOUND - home node 'rabbit@b1' of durable queue '0' in vhost '/' is down or inaccessible\n",
    ),
];

/// What a broker says to a login: a text that is known to be final, and two that are not.
pub(super) fn to_a_login(kind: Kind, which: u8) -> (&'static str, &'static str) {
    match (which % 4, kind) {
        (0 | 1, Kind::RabbitMq) => ("Bad CONNECT", "Access refused for user 'user'\n"),
        (0 | 1, _) => ("User name [user] or password is invalid.", ""),
        (2, _) => ("The directory does not answer", ""),
        _ => ("Internal error", "badrpc\n"),
    }
}

/// The words in which a broker refuses, about a queue.
pub(super) fn of(kind: Kind, which: u8, queue: &str) -> (String, String) {
    let table = match kind {
        Kind::ActiveMq => &ACTIVEMQ,
        Kind::Artemis => &ARTEMIS,
        Kind::RabbitMq => &RABBITMQ,
    };
    // What is final is the last and comes less often.
    let at = usize::from(which % 9);
    let (message, detail) = table[if at == 8 { 4 } else { at % 4 }];
    let name = queue.trim_start_matches("/queue/");
    (message.replace('%', name), detail.replace('%', name))
}

/// What an ERROR means.
pub(super) fn meaning(error: &Frame) -> Meaning {
    let message = error.header("message").map_or_else(String::new, |value| value.to_string());
    let text = format!("{message}\n{}", String::from_utf8_lossy(error.body()));
    let known = PHRASES.into_iter().find(|(phrase, _)| text.contains(phrase));
    known.map_or(Meaning::Unknown, |(_, meaning)| meaning)
}

const PHRASES: [(&str, Meaning); 14] = [
    ("home node", Meaning::Connection),
    ("connection_forced", Meaning::Connection),
    ("shutdown", Meaning::Connection),
    ("shutting down", Meaning::Connection),
    ("memory", Meaning::Connection),
    ("Memory", Meaning::Connection),
    ("inequivalent arg", Meaning::Invalid),
    ("InvalidSelectorException", Meaning::Invalid),
    ("Invalid filter", Meaning::Invalid),
    ("ACCESS_REFUSED", Meaning::Permission),
    ("is not authorized to", Meaning::Permission),
    ("does not have permission", Meaning::Permission),
    ("is full", Meaning::Passing),
    ("temporarily", Meaning::Passing),
];

#[cfg(test)]
mod tests {
    use stomp_proto::Command;

    use super::*;

    #[test]
    fn each_broker_has_words_of_most_kinds_and_final_ones_are_rare() {
        for kind in Kind::ALL {
            let meanings: Vec<_> = (0..9)
                .map(|which| {
                    let (message, detail) = of(kind, which, "/queue/a");
                    meaning(&Frame::new(Command::Error).with_header("message", message).with_body(detail))
                })
                .collect();
            assert_eq!(
                meanings.iter().filter(|meaning| **meaning == Meaning::Invalid).count(),
                1,
                "{kind:?}"
            );
            for wanted in [Meaning::Connection, Meaning::Permission, Meaning::Unknown] {
                assert!(meanings.contains(&wanted), "{kind:?} says nothing {wanted:?}");
            }
        }
        for (message, detail) in OF_THE_CONNECTION {
            let error = Frame::new(Command::Error).with_header("message", message).with_body(detail);
            assert_eq!(meaning(&error), Meaning::Connection, "{message}");
        }
    }
}
