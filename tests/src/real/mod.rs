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
mod behaviour;
mod broker;
mod fetched;
mod keys;
mod layout;
mod ports;
mod probe;
mod process;
mod rabbitmq;
mod spring;
mod stompserver;
mod system;
mod vertx;
mod web_socket;

pub use activemq::{
    ACTIVEMQ_5_17, ACTIVEMQ_5_17_NETWORK, ACTIVEMQ_5_17_PAIR, ACTIVEMQ_6_3, ACTIVEMQ_6_3_NETWORK,
    ACTIVEMQ_6_3_PAIR,
};
pub use artemis::{ARTEMIS_2_44, ARTEMIS_2_44_PAIR, ARTEMIS_2_57, ARTEMIS_2_57_PAIR};
pub use behaviour::{
    AckReach, Behaviour, ConnectValues, DeadLetter, Feature, FrameLimits, Nack, OnDisconnect, OnError, Quorum,
};
pub use broker::RealBroker;
pub use keys::Keys;
pub use layout::Layout;
pub use process::Process;
pub use rabbitmq::{
    RABBITMQ_3_10, RABBITMQ_4_0, RABBITMQ_4_0_CLUSTER, RABBITMQ_4_3, RABBITMQ_4_3_CLUSTER, RABBITMQ_CLUSTER,
};
pub use spring::{SPRING_RELAY, SPRING_SIMPLE, SPRING_TOKEN};
pub use stompserver::STOMPSERVER;
pub use vertx::VERTX;
pub use web_socket::WebSocket;

/// A user who may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The `login` of CONNECT.
    pub login: &'static str,
    /// The `passcode` of CONNECT, before any escaping.
    pub passcode: &'static str,
}

/// A user whose passcode contains a backslash, and no colon.
pub const BOB: User = User { login: "bob", passcode: r"with\odd" };

/// The user of all tests that are not about credentials.
pub const GUEST: User = User { login: "guest", passcode: "guest" };

/// A user whose passcode contains the two octets whose escapes in CONNECT differ from broker to broker.
pub const ALICE: User = User { login: "alice", passcode: r"s3cret:with\odd" };

/// The description of a broker.
#[derive(Clone, Debug)]
pub struct Description {
    /// The name of the broker, as its vendor writes it, and its version.
    pub name: &'static str,
    /// The name of the profile by which a client knows the broker, or `unknown`.
    pub profile: &'static str,
    /// Whether the broker belongs to those that every change is tested against.
    pub by_default: bool,
    /// Whether the broker is an application with handlers of its own: `tests/data/brokers/spring`.
    pub application: bool,
    /// Returns the root directory of the system that the broker is installed in. `None` for the system of this machine.
    ///
    /// The broker is run by chroot, without mounts and without services. Its directory lies in that system, and has the
    /// same path there and here.
    pub system: Option<fn() -> io::Result<PathBuf>>,
    /// The number of nodes. More than one is a cluster.
    pub nodes: usize,
    /// The purposes of the ports that each node needs for itself. `stomp` is the port without TLS, and `tls` is the
    /// port with TLS, which requires a client certificate. A broker without `stomp` is reached over a WebSocket alone.
    /// The ports of WebSockets are those that [`WebSocket`] names, usually `ws` and `wss`.
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

/// The descriptions of all supported brokers, without clusters whose nodes have networks of their own. Those whose cases take longest come first.
pub const ALL: [&Description; 12] = [
    &RABBITMQ_4_3,
    &RABBITMQ_3_10,
    &ARTEMIS_2_57,
    &ACTIVEMQ_6_3,
    &RABBITMQ_4_0,
    &ARTEMIS_2_44,
    &ACTIVEMQ_5_17,
    &RABBITMQ_CLUSTER,
    &SPRING_RELAY,
    &VERTX,
    &STOMPSERVER,
    &SPRING_SIMPLE,
];

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
    /// Further ports on which the process must listen before it is ready: a broker may open them later than the first.
    pub further_ports: Vec<u16>,
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
            let tls = description.behaviour.lacks(Feature::Tls).is_none();
            let has = |purpose| description.node_ports.contains(&purpose);
            let web_socket = description.behaviour.web_socket;
            assert!(has("stomp") || web_socket.is_some(), "{}", description.name);
            assert_eq!(has("tls"), tls && has("stomp"), "{}", description.name);
            let named = web_socket.map(|it| [Some(it.port), it.tls_port]).into_iter().flatten().flatten();
            assert!(named.into_iter().all(has), "{}", description.name);
            assert!(description.users.contains(&GUEST), "{}", description.name);
            let odd = description.users.iter().any(|user| user.passcode.contains('\\'));
            assert!(odd, "{}", description.name);
            assert!(description.nodes > 0, "{}", description.name);
        }
    }

    #[test]
    fn every_name_is_of_one_broker() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|description| description.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn what_a_broker_can_do_is_described() {
        for Description { name, behaviour, .. } in ALL {
            let has = |feature| behaviour.lacks(feature).is_none();
            assert_eq!(has(Feature::MemoryAlarm), behaviour.memory_alarm.is_some(), "{name}");
            assert_eq!(has(Feature::QuorumQueues), behaviour.quorum.is_some(), "{name}");
            assert_eq!(has(Feature::FrameLimit), behaviour.limits != FrameLimits::NONE, "{name}");
            assert_eq!(has(Feature::WebSocket), behaviour.web_socket.is_some(), "{name}");
            let binary = behaviour.web_socket.is_some_and(|it| !it.text_only);
            assert_eq!(has(Feature::BinaryMessages), binary, "{name}");
            let secure = behaviour.web_socket.is_some_and(|it| it.tls_port.is_some());
            assert_eq!(has(Feature::SecureWebSocket), secure, "{name}");
            let refuses = behaviour.lacks(Feature::Refusals).is_none();
            assert_eq!(!behaviour.refused_destination.is_empty(), refuses, "{name}");
        }
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find_program("sh").is_some());
    }
}
