//! The STOMP server of Vert.x, from its archives: a server in memory that keeps nothing for clients that are away.

use super::{
    ALICE, AckReach, Behaviour, ConnectValues, DeadLetter, Description, Feature, FrameLimits, GUEST, Launch,
    Layout, Nack, OnDisconnect, OnError, Plan, User, WebSocket, fetched, keys::STORE_PASSWORD,
    require_program,
};
use std::ffi::OsString;
use std::io;
use std::time::Duration;

const JAVA_PACKAGE: &str = "openjdk-17-jre-headless";
const FETCHED: &str = "vertx-stomp-5.0.7";
const USERS: &[User] = &[GUEST, ALICE];

/// Vert.x with its default handlers. Destinations that begin with `/topic/` are topics, and all others are queues.
pub static VERTX: Description = Description {
    name: "Vert.x STOMP 5.0",
    profile: "unknown",
    by_default: true,
    application: false,
    system: None,
    nodes: 1,
    node_ports: &["stomp", "tls", "ws", "wss"],
    shared_ports: &[],
    users: USERS,
    ready_within: Duration::from_secs(300),
    stops_within: Duration::from_secs(60),
    find,
    configure,
    behaviour: Behaviour {
        // It answers 1.0 as well, but then wants the `id` of 1.2 in an ACK, which 1.0 does not have.
        versions: &["1.1", "1.2"],
        lacks: &[
            (Feature::Keeping, "what nobody subscribes to is receipted and gone"),
            (Feature::Persistence, "all is in memory"),
            (Feature::Redelivery, "what was not acknowledged goes with its connection"),
            (Feature::Refusing, "a NACK is told to a handler of the program, and the message is gone"),
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
        ],
        virtual_host: "localhost",
        names_itself_in_1_0: true,
        connect_values: ConnectValues::Unescaped,
        nack: Nack::Destroy,
        dead_letter: DeadLetter {
            destination: |queue| format!("/queue/{queue}"),
            queue_headers: |_| Vec::new(),
            nack_headers: &[],
        },
        cumulative_ack: AckReach::Subscription,
        error: OnError::ClosesFrom1_2,
        error_names_receipt: true,
        receipts_in_order: true,
        disconnect_loses_receipts: false,
        unsubscribe_returns_messages: false,
        marks_redelivery: false,
        disconnect: OnDisconnect::Receipt,
        refused_destination: "",
        prefetch_header: "",
        late_reply_ends_connection: false,
        auto_survives_stall: true,
        farewell_failures: &[],
        memory_alarm: None,
        write_queues: None,
        limits: FrameLimits::NONE,
        quorum: None,
        // The subprotocols are those of the program, which are all of them here.
        web_socket: Some(WebSocket { path: "/stomp", wrong_path: Some(502), ..WebSocket::LIKE_TCP }),
    },
};

fn find() -> io::Result<()> {
    require_program("Vert.x", "java", JAVA_PACKAGE)?;
    fetched::directory(FETCHED).map(drop)
}

fn configure(layout: &Layout) -> io::Result<Plan> {
    let nodes = (0..layout.nodes()).map(|node| configure_node(layout, node));
    Ok(Plan { helpers: Vec::new(), nodes: nodes.collect::<io::Result<_>>()? })
}

fn configure_node(layout: &Layout, node: usize) -> io::Result<Launch> {
    let ports = ["stomp", "tls", "ws", "wss"].map(|purpose| layout.port(node, purpose));
    let [port, further @ ..] = ports;
    Ok(Launch {
        name: format!("vertx{node}"),
        program: require_program("Vert.x", "java", JAVA_PACKAGE)?,
        arguments: arguments(layout, ports)?,
        environment: Vec::new(),
        port,
        further_ports: further.into(),
    })
}

/// The ports, the key stores and their password, and the users: our own starter reads no configuration.
fn arguments(layout: &Layout, ports: [u16; 4]) -> io::Result<Vec<OsString>> {
    let keys = layout.keys();
    let mut arguments: Vec<OsString> =
        ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-classpath"].map(OsString::from).into();
    arguments.extend([fetched::class_path(&fetched::directory(FETCHED)?), "Start".into()]);
    arguments.extend(ports.map(|port| OsString::from(port.to_string())));
    arguments.extend([keys.file("broker.p12"), keys.file("trusted.p12")].map(OsString::from));
    arguments.push(STORE_PASSWORD.into());
    arguments.extend(USERS.iter().map(|User { login, passcode }| format!("{login}:{passcode}").into()));
    Ok(arguments)
}
