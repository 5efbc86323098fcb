//! stompserver of Debian 12: a small server in Ruby that speaks 1.0 alone.

use super::{
    AckReach, BOB, Behaviour, ConnectValues, DeadLetter, Description, Feature, FrameLimits, GUEST, Launch,
    Layout, Nack, OnDisconnect, OnError, Plan, User, require_file, require_program,
};
use std::io;
use std::path::Path;
use std::time::Duration;

const PACKAGE: &str = "stompserver";
/// A header's name reaches to the last colon of its line, so that no value may hold one.
const USERS: &[User] = &[GUEST, BOB];

/// Debian's own script ends at the first connection, since the language has changed: this one starts the same library.
const STARTER: &str = include_str!("../../data/brokers/stompserver/start.rb");

/// stompserver with queues in files.
pub static STOMPSERVER: Description = Description {
    name: "stompserver 0.9.9",
    profile: "unknown",
    by_default: true,
    application: false,
    system: None,
    nodes: 1,
    node_ports: &["stomp"],
    shared_ports: &[],
    users: USERS,
    ready_within: Duration::from_secs(300),
    stops_within: Duration::from_secs(60),
    find,
    configure,
    behaviour: Behaviour {
        versions: &["1.0"],
        lacks: &[
            (
                Feature::Prefetch,
                "one message is out on a connection at a time, and a second subscription is an error",
            ),
            (Feature::Persistence, "its queues are in memory"),
            (
                Feature::Redelivery,
                "what comes back goes to whoever subscribes afterwards, and not to a consumer that is there already",
            ),
            (Feature::Refusing, "1.0 has no NACK"),
            (Feature::Refusals, "no destination is refused to anybody"),
            (Feature::Durable, "topics collect nothing"),
            (
                Feature::BackPressure,
                "what is sent to a consumer is written at once, and waits in the server's memory",
            ),
            (Feature::MemoryAlarm, "it has none"),
            (Feature::QuorumQueues, "it has none"),
            (Feature::FreeReturns, "it has no quorum queues"),
            (Feature::FrameLimit, "no test meets it"),
            (Feature::WebSocket, "it has none"),
            (Feature::BinaryMessages, "it has no WebSocket"),
            (Feature::SecureWebSocket, "it has no WebSocket"),
            (Feature::Tls, "it speaks none"),
            (Feature::TemporaryQueues, "a destination that is not below /queue/ is a topic"),
        ],
        virtual_host: "localhost",
        names_itself_in_1_0: false,
        connect_values: ConnectValues::Literal,
        nack: Nack::Destroy,
        dead_letter: DeadLetter {
            destination: |_| "/queue/deadletter".to_owned(),
            queue_headers: |_| Vec::new(),
            nack_headers: &[],
        },
        cumulative_ack: AckReach::Subscription,
        error: OnError::ClosesWhenGrave,
        error_names_receipt: false,
        receipts_in_order: true,
        disconnect_loses_receipts: true,
        unsubscribe_returns_messages: false,
        marks_redelivery: false,
        disconnect: OnDisconnect::Closes,
        refused_destination: "",
        prefetch_header: "",
        late_reply_ends_connection: false,
        auto_survives_stall: true,
        farewell_failures: &[],
        memory_alarm: None,
        write_queues: None,
        limits: FrameLimits::NONE,
        quorum: None,
        web_socket: None,
    },
};

fn find() -> io::Result<()> {
    require_program("stompserver", "ruby", PACKAGE)?;
    require_file("stompserver", Path::new("/usr/lib/ruby/vendor_ruby/stomp_server.rb"), PACKAGE)
}

fn configure(layout: &Layout) -> io::Result<Plan> {
    let nodes = (0..layout.nodes()).map(|node| configure_node(layout, node));
    Ok(Plan { helpers: Vec::new(), nodes: nodes.collect::<io::Result<_>>()? })
}

fn configure_node(layout: &Layout, node: usize) -> io::Result<Launch> {
    let directory = layout.node_directory(node);
    let port = layout.port(node, "stomp");
    let configuration = layout.write(directory.join("stompserver.conf"), &configuration(&directory, port))?;
    layout.write(directory.join(".passwd"), &passwords(USERS))?;
    let starter = layout.write(directory.join("start.rb"), STARTER)?;
    Ok(Launch {
        name: format!("stompserver{node}"),
        program: require_program("stompserver", "ruby", PACKAGE)?,
        arguments: vec![starter.into(), configuration.into()],
        environment: Vec::new(),
        port,
        further_ports: Vec::new(),
    })
}

fn configuration(directory: &Path, port: u16) -> String {
    let directory = directory.display();
    format!(
        "\
---
:daemon: false
:working_dir: {directory}
:etcdir: {directory}
:logdir: {directory}
:storage: {directory}/storage
:queue: memory
:auth: true
:host: 127.0.0.1
:port: {port}
"
    )
}

fn passwords(users: &[User]) -> String {
    users.iter().map(|User { login, passcode }| format!("{login}:{passcode}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_passcode_holds_a_colon() {
        assert_eq!(passwords(USERS), "guest:guest\nbob:with\\odd\n");
        assert!(USERS.iter().all(|user| !user.passcode.contains(':')));
    }

    #[test]
    fn all_its_files_are_in_its_own_directory() {
        let text = configuration(Path::new("/own"), 4711);
        assert_eq!(text.matches(": /own").count(), 4, "{text}");
        assert!(text.contains("\n:port: 4711\n"), "{text}");
    }
}
