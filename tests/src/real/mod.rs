//! Real brokers, described by data and run as plain processes.
//!
//! A [`Description`] holds everything that differs between brokers: what must be installed, which ports it needs, how
//! its configuration is written, what is launched, and how it behaves ([`Behaviour`]). [`RealBroker`] runs a broker
//! from its description. A cluster is a description with more than one node. `configure` may run a program that comes
//! with the broker before it returns the [`Plan`]. [`ALL`] lists the descriptions.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod activemq;
mod artemis;
mod broker;
mod keys;
mod layout;
mod ports;
mod probe;
mod process;
mod rabbitmq;

pub use activemq::ACTIVEMQ;
pub use artemis::ARTEMIS;
pub use broker::RealBroker;
pub use keys::Keys;
pub use layout::Layout;
pub use process::Process;
pub use rabbitmq::{RABBITMQ, RABBITMQ_CLUSTER};

/// A user who may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The `login` of CONNECT.
    pub login: &'static str,
    /// The `passcode` of CONNECT, before any escaping.
    pub passcode: &'static str,
}

/// The user of all tests that are not about credentials.
pub const GUEST: User = User { login: "guest", passcode: "guest" };

/// A user whose passcode contains the two octets whose escapes in CONNECT differ from broker to broker.
pub const ALICE: User = User { login: "alice", passcode: r"s3cret:with\odd" };

/// The description of a broker.
#[derive(Clone, Debug)]
pub struct Description {
    /// The name of the broker, as its vendor writes it.
    pub name: &'static str,
    /// The number of nodes. More than one is a cluster.
    pub nodes: usize,
    /// The purposes of the ports that each node needs for itself. `stomp` is the port without TLS, and `tls` is the
    /// port with TLS, which requires a client certificate.
    pub node_ports: &'static [&'static str],
    /// The purposes of the ports that all nodes share.
    pub shared_ports: &'static [&'static str],
    /// The users who may log in, including [`GUEST`].
    pub users: &'static [User],
    /// The maximum time until a node answers a CONNECT.
    pub ready_within: Duration,
    /// The maximum time until a node ends after it was asked to.
    pub stops_within: Duration,
    /// Checks that the broker is installed. The error says how to install it.
    pub find: fn() -> io::Result<()>,
    /// Writes the configuration into the directory of the layout, and returns what to launch.
    pub configure: fn(&Layout) -> io::Result<Plan>,
    /// How the broker behaves.
    pub behaviour: Behaviour,
}

/// The descriptions of all supported brokers.
pub const ALL: [&Description; 4] = [&RABBITMQ, &ACTIVEMQ, &ARTEMIS, &RABBITMQ_CLUSTER];

/// The processes to launch for a broker, in this order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Processes that the nodes need. They run from the start of the broker until it is dropped.
    pub helpers: Vec<Launch>,
    /// The broker itself, with one process for each node.
    pub nodes: Vec<Launch>,
}

/// How to launch a process, and how to find out that it is ready.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The name of the process, used in errors and for the file with its output.
    pub name: String,
    /// The program. It must become the broker rather than start it as a child, so that signals reach the broker.
    pub program: PathBuf,
    /// The arguments of the program.
    pub arguments: Vec<OsString>,
    /// The environment of the program, in addition to the few variables that every process inherits.
    pub environment: Vec<(&'static str, OsString)>,
    /// The port of 127.0.0.1 that shows whether the process is ready: a node answers with CONNECTED, and a helper
    /// listens.
    pub port: u16,
}

/// The behaviour of a broker, as far as brokers differ.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The `host` header that CONNECT needs.
    pub virtual_host: &'static str,
    /// Whether CONNECTED has a `server` header in 1.0, too.
    pub names_itself_in_1_0: bool,
    /// How the header values of CONNECT are read.
    pub connect_values: ConnectValues,
    /// What a NACK without further headers does to its message.
    pub nack: Nack,
    /// How messages are dead-lettered.
    pub dead_letter: DeadLetter,
    /// Which messages an ACK with ack mode `client` covers.
    pub cumulative_ack: AckReach,
    /// What an ERROR frame does to the connection.
    pub error: OnError,
    /// Whether an ERROR has the `receipt-id` of the frame that caused it.
    pub error_names_receipt: bool,
    /// Whether RECEIPTs are sent in the order of the frames that asked for them.
    pub receipts_in_order: bool,
    /// Whether the broker omits RECEIPTs that are still due when it gets a DISCONNECT.
    pub disconnect_loses_receipts: bool,
    /// Whether an UNSUBSCRIBE returns unacknowledged messages to their queue. Otherwise only the end of the connection
    /// does.
    pub unsubscribe_returns_messages: bool,
    /// A destination to which SENDs are refused.
    pub refused_destination: &'static str,
    /// The header of SUBSCRIBE that limits the number of unacknowledged messages.
    pub prefetch_header: &'static str,
    /// Whether messages in transit with ack mode `auto` survive if the client does not read for more than half a
    /// minute.
    pub auto_survives_stall: bool,
    /// Raises and clears the memory alarm of the broker, during which it does not read from clients that have sent
    /// messages. `None` if the broker has no such alarm.
    pub memory_alarm: Option<fn(&Layout, raised: bool) -> io::Result<()>>,
}

/// How the header values of CONNECT are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectValues {
    /// They are unescaped, contrary to the specification, so a backslash must be written twice.
    Unescaped,
    /// They are taken literally.
    Literal,
}

/// What a NACK does to its message.
#[derive(Clone, Copy, Debug)]
pub enum Nack {
    /// The message returns to its queue, and may be delivered again at once.
    Requeue,
    /// The message moves to a dead letter queue. The function returns its destination for the name of a queue.
    DeadLetter(fn(queue: &str) -> String),
    /// The message is destroyed.
    Destroy,
}

/// How messages are dead-lettered. The argument of each function is the plain name of a queue.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter {
    /// Returns the destination with the dead letters of a queue. Subscribing to it creates it.
    pub destination: fn(queue: &str) -> String,
    /// Returns the headers that each SEND and SUBSCRIBE for the queue needs so that its messages are dead-lettered.
    pub queue_headers: fn(queue: &str) -> Vec<(&'static str, String)>,
    /// The headers with which a NACK dead-letters its message.
    pub nack_headers: &'static [(&'static str, &'static str)],
}

/// Which messages an ACK with ack mode `client` covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckReach {
    /// Its own and earlier messages of the same subscription, as specified.
    Subscription,
    /// Its own and earlier messages of all subscriptions of the connection.
    Connection,
}

/// What an ERROR frame does to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The connection is closed in 1.2, as specified. In earlier versions it stays open.
    ClosesFrom1_2,
    /// The connection is closed after errors of the broker's core, such as a refused access or a missing exchange, but
    /// not after invalid commands.
    ClosesWhenGrave,
    /// The connection stays open, unless frames were malformed or the login was refused.
    StaysOpen,
}

/// Where the variable `PATH` finds a program.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
}

/// An error for a broker that is not installed.
fn not_installed(broker: &str, missing: &str, package: &str) -> io::Error {
    let text = format!("{broker} is not installed ({missing} is missing): apt-get install {package}");
    io::Error::new(io::ErrorKind::NotFound, text)
}

/// Checks that a file exists that `broker` needs.
fn require_file(broker: &str, file: &Path, package: &str) -> io::Result<()> {
    if file.is_file() {
        return Ok(());
    }
    Err(not_installed(broker, &file.display().to_string(), package))
}

/// Checks that a program is on the `PATH` that `broker` needs.
fn require_program(broker: &str, program: &str, package: &str) -> io::Result<PathBuf> {
    find_program(program).ok_or_else(|| not_installed(broker, program, package))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_broker_says_what_to_install() {
        let error = require_program("Some broker", "no-such-program-anywhere", "some-package").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("apt-get install some-package"), "{error}");
        let error =
            require_file("Some broker", Path::new("/nowhere/broker.jar"), "some-package").unwrap_err();
        assert!(error.to_string().contains("/nowhere/broker.jar is missing"), "{error}");
    }

    #[test]
    fn every_description_has_the_usual_ports_and_users() {
        for description in ALL {
            for port in ["stomp", "tls"] {
                assert!(description.node_ports.contains(&port), "{}", description.name);
            }
            assert!(description.users.contains(&GUEST), "{}", description.name);
            assert!(description.users.contains(&ALICE), "{}", description.name);
            assert!(description.nodes > 0, "{}", description.name);
        }
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find_program("sh").is_some());
    }
}
