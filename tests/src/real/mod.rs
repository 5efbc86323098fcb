//! Knows what a real broker is: a description of it as data, and the processes that run from that data.
//!
//! One [`Description`] holds all that differs between brokers: what must be installed, which ports it needs, how
//! its configuration is written, what is launched, and what its frames mean ([`Behaviour`]). [`RealBroker`] knows
//! no broker by name, except that [`ALL`] lists them. A cluster is a description with more than one node, and `configure` may run a program of
//! the broker's own before it returns the [`Plan`].

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

/// Someone who may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The `login` of CONNECT.
    pub login: &'static str,
    /// The `passcode` of CONNECT, before any escaping.
    pub passcode: &'static str,
}

/// The user of every test that is not about credentials.
pub const GUEST: User = User { login: "guest", passcode: "guest" };

/// A user whose passcode holds the two octets that STOMP escapes differently from broker to broker.
pub const ALICE: User = User { login: "alice", passcode: r"s3cret:with\odd" };

/// All there is to know about a broker before it runs.
#[derive(Clone, Debug)]
pub struct Description {
    /// The broker's name, as its makers write it.
    pub name: &'static str,
    /// How many nodes it runs: more than one is a cluster.
    pub nodes: usize,
    /// What the ports that every node needs for itself are for. `stomp` is spoken to in the clear; `tls` wants a certificate
    /// of the client.
    pub node_ports: &'static [&'static str],
    /// What the ports that all nodes share are for.
    pub shared_ports: &'static [&'static str],
    /// Those who may log in, [`GUEST`] among them.
    pub users: &'static [User],
    /// How long a node may take until it answers a CONNECT.
    pub ready_within: Duration,
    /// How long a node may take to end by itself once it was asked to.
    pub stops_within: Duration,
    /// Finds the installed broker, or says how to install it.
    pub find: fn() -> io::Result<()>,
    /// Writes the configuration into the layout's directory and says what to launch.
    pub configure: fn(&Layout) -> io::Result<Plan>,
    /// What its frames mean.
    pub behaviour: Behaviour,
}

/// All brokers that are described here.
pub const ALL: [&Description; 4] = [&RABBITMQ, &ACTIVEMQ, &ARTEMIS, &RABBITMQ_CLUSTER];

/// What is launched for one broker, in this order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Processes that the nodes need; they run from the start of the broker until it is dropped.
    pub helpers: Vec<Launch>,
    /// The broker itself, one process a node.
    pub nodes: Vec<Launch>,
}

/// How one process is launched, and how it shows that it is ready.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The process's name in errors, and of the file that takes its output.
    pub name: String,
    /// The program. It must become the broker and not merely start it, or signals would miss the broker.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its environment, apart from the few variables that every process inherits.
    pub environment: Vec<(&'static str, OsString)>,
    /// The port of 127.0.0.1 on which it shows that it is ready: a node by its CONNECTED, a helper by listening.
    pub port: u16,
}

/// What a broker's frames mean, where brokers differ.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The `host` that CONNECT must name.
    pub virtual_host: &'static str,
    /// Whether CONNECTED says in 1.0, too, who the broker is.
    pub names_itself_in_1_0: bool,
    /// What the values of CONNECT go through.
    pub connect_values: ConnectValues,
    /// What a NACK does to a message when it says nothing more.
    pub nack: Nack,
    /// How a message gets into a dead letter queue.
    pub dead_letter: DeadLetter,
    /// How far an ACK of the `client` mode reaches.
    pub cumulative_ack: AckReach,
    /// What an ERROR frame does to the connection.
    pub error: OnError,
    /// Whether an ERROR names the receipt of the frame that caused it.
    pub error_names_receipt: bool,
    /// Whether receipts come in the order of the frames that asked for them.
    pub receipts_in_order: bool,
    /// Whether a DISCONNECT makes the broker forget receipts that are still due.
    pub disconnect_loses_receipts: bool,
    /// Whether UNSUBSCRIBE gives unsettled messages back; otherwise only the end of the connection does.
    pub unsubscribe_returns_messages: bool,
    /// A destination to which no SEND is accepted.
    pub refused_destination: &'static str,
    /// The header of SUBSCRIBE that limits how many messages are on their way unsettled.
    pub prefetch_header: &'static str,
    /// Whether what is on its way in ack mode `auto` survives a client that does not read for more than half a minute.
    pub auto_survives_stall: bool,
    /// Raises and ends the alarm of a broker that has no memory left, under which it reads nothing more from who has sent it
    /// messages. `None` where there is no such thing.
    pub memory_alarm: Option<fn(&Layout, raised: bool) -> io::Result<()>>,
}

/// What the values of CONNECT go through before they are compared with anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectValues {
    /// They are unescaped, against the specification: a backslash must be written twice.
    Unescaped,
    /// They are taken as they stand.
    Literal,
}

/// What a NACK does to the message.
#[derive(Clone, Copy, Debug)]
pub enum Nack {
    /// It goes back to its queue, and may come again at once.
    Requeue,
    /// It goes to the dead letter queue whose destination the function spells for the name of a queue.
    DeadLetter(fn(queue: &str) -> String),
    /// It is gone for good.
    Destroy,
}

/// How a message gets into a dead letter queue; the argument of every function is the plain name of a queue.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter {
    /// The destination to read the dead letters of a queue from. Subscribing to it makes it exist.
    pub destination: fn(queue: &str) -> String,
    /// The headers that each SEND and SUBSCRIBE of the queue carries so that it has dead letters.
    pub queue_headers: fn(queue: &str) -> Vec<(&'static str, String)>,
    /// The headers that make a NACK a dead letter.
    pub nack_headers: &'static [(&'static str, &'static str)],
}

/// How far an ACK of the `client` mode reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckReach {
    /// Earlier messages of the same subscription, as the specification says.
    Subscription,
    /// Earlier messages of every subscription of the connection.
    Connection,
}

/// What an ERROR frame does to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It ends, as the specification says, in 1.2; before that it stays.
    ClosesFrom1_2,
    /// It ends after errors of the queueing machinery (refused access, missing exchange), not after bad commands.
    ClosesWhenGrave,
    /// It stays, unless the frames themselves were broken or the login was refused.
    StaysOpen,
}

/// Where the variable `PATH` finds a program.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
}

/// The error of a broker that this machine lacks.
fn not_installed(broker: &str, missing: &str, package: &str) -> io::Error {
    let text = format!("{broker} is not installed ({missing} is missing): apt-get install {package}");
    io::Error::new(io::ErrorKind::NotFound, text)
}

/// Accepts a file that must exist for `broker` to run.
fn require_file(broker: &str, file: &Path, package: &str) -> io::Result<()> {
    if file.is_file() {
        return Ok(());
    }
    Err(not_installed(broker, &file.display().to_string(), package))
}

/// Accepts a program that must be on the `PATH` for `broker` to run.
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
