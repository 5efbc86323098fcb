//! An application of Spring, from its archives, with either of the brokers that its guides know: a simple one in memory, or a
//! relay to RabbitMQ. It is reached over a WebSocket alone.

use super::{
    ALICE, AckReach, Behaviour, ConnectValues, DeadLetter, Description, Feature, FrameLimits, GUEST, Launch,
    Layout, Nack, OnDisconnect, OnError, Plan, RABBITMQ_3_10, User, WebSocket, fetched, rabbitmq,
    require_program,
};
use std::ffi::OsString;
use std::io;
use std::time::Duration;

const JAVA_PACKAGE: &str = "openjdk-17-jre-headless";
const FETCHED: &str = "spring-3.5.16";
/// No login is checked. These are for the tests that want users.
const USERS: &[User] = &[GUEST, ALICE];
/// The purpose of the port on which the broker behind the relay listens.
const RELAYED: &str = "relayed";
/// What the endpoint `/guarded` wants as a bearer token.
pub const SPRING_TOKEN: &str = "spring-token";

/// Spring's simple broker. Destinations that begin with `/topic` or `/queue` are topics.
pub static SPRING_SIMPLE: Description = ONE_APPLICATION;

/// Spring's relay. Its clients talk to RabbitMQ, except where they talk to the application.
pub static SPRING_RELAY: Description = Description {
    name: "Spring 3.5 relay to RabbitMQ 3.10",
    profile: "RabbitMQ",
    node_ports: &["ws", RELAYED, "distribution"],
    shared_ports: &["names"],
    find: || find().and_then(|()| (RABBITMQ_3_10.find)()),
    configure: |layout| {
        let nodes = vec![launch(layout, Some(layout.port(0, RELAYED)))?];
        Ok(Plan { helpers: launch_broker(layout)?, nodes })
    },
    behaviour: RELAY,
    ..ONE_APPLICATION
};

const ONE_APPLICATION: Description = Description {
    name: "Spring 3.5 simple broker",
    profile: "Spring",
    by_default: true,
    application: true,
    system: None,
    nodes: 1,
    node_ports: &["ws"],
    shared_ports: &[],
    users: USERS,
    ready_within: Duration::from_secs(300),
    stops_within: Duration::from_secs(60),
    find,
    configure: |layout| Ok(Plan { helpers: Vec::new(), nodes: vec![launch(layout, None)?] }),
    behaviour: SIMPLE,
};

const RELAY: Behaviour = Behaviour {
    versions: VERSIONS,
    lacks: &[
        (Feature::Logins, "the application logs in by itself for all its clients"),
        (Feature::Tls, NO_TLS),
        (Feature::SecureWebSocket, NO_TLS),
        (Feature::MemoryAlarm, "the one of the broker behind it is not tried"),
        (Feature::FrameLimit, FRAME_LIMIT),
    ],
    // What RabbitMQ fails over, the relay cannot forward, and says so as it closes.
    farewell_failures: &["Processing error", "the broker closed the WebSocket: 1002"],
    memory_alarm: None,
    write_queues: None,
    web_socket: Some(WEB_SOCKET),
    ..rabbitmq::BEHAVIOUR
};

const SIMPLE: Behaviour = Behaviour {
    versions: VERSIONS,
    lacks: &[
        (Feature::Receipts, "it answers DISCONNECT with a RECEIPT, and nothing else"),
        (Feature::Acknowledgements, "it ignores ACK and NACK"),
        (Feature::Keeping, "what nobody subscribes to is gone"),
        (Feature::Persistence, "all is in memory"),
        (Feature::Redelivery, "nothing is acknowledged"),
        (Feature::Prefetch, "nothing is acknowledged"),
        (Feature::Refusing, "nothing is acknowledged"),
        (Feature::Refusals, "no destination is refused to anybody"),
        (Feature::Durable, "topics collect nothing"),
        (Feature::TemporaryQueues, "it has none"),
        (Feature::Tls, NO_TLS),
        (Feature::SecureWebSocket, NO_TLS),
        (Feature::Logins, "it checks none"),
        (Feature::MemoryAlarm, "it has none"),
        (Feature::QuorumQueues, "it has none"),
        (Feature::FreeReturns, "it has no quorum queues"),
        (Feature::FrameLimit, FRAME_LIMIT),
    ],
    virtual_host: "/",
    names_itself_in_1_0: false,
    connect_values: ConnectValues::Unescaped,
    nack: Nack::Destroy,
    dead_letter: DeadLetter {
        destination: |queue| format!("/queue/{queue}"),
        queue_headers: |_| Vec::new(),
        nack_headers: &[],
    },
    cumulative_ack: AckReach::Subscription,
    error: OnError::ClosesWhenGrave,
    error_names_receipt: true,
    receipts_in_order: true,
    disconnect_loses_receipts: false,
    unsubscribe_returns_messages: false,
    marks_redelivery: false,
    disconnect: OnDisconnect::Receipt,
    refused_destination: "",
    prefetch_header: "",
    late_reply_ends_connection: false,
    auto_survives_stall: false,
    farewell_failures: &[],
    memory_alarm: None,
    write_queues: None,
    limits: FrameLimits::NONE,
    quorum: None,
    web_socket: Some(WebSocket { profile: Some("spring"), ..WEB_SOCKET }),
};

const NO_TLS: &str = "a server before it has TLS, if any does";
const FRAME_LIMIT: &str = "its limits are those of its WebSocket";
const VERSIONS: &[&str] = &["1.1", "1.2"];

/// Tomcat reads 8 KiB as one binary message, and the application gathers frames of 64 KiB.
const WEB_SOCKET: WebSocket = WebSocket {
    tls_port: None,
    path: "/ws",
    wrong_path: Some(404),
    message_limit: Some(8192),
    frame_limit: Some(65_536),
    ..WebSocket::LIKE_TCP
};

fn find() -> io::Result<()> {
    require_program("Spring", "java", JAVA_PACKAGE)?;
    fetched::directory(FETCHED).map(drop)
}

/// A node of RabbitMQ with its STOMP plugin alone, and the name server that it needs.
fn launch_broker(layout: &Layout) -> io::Result<Vec<Launch>> {
    let (definitions, port) = (rabbitmq::write_common(layout)?, layout.port(0, RELAYED));
    let directory = layout.node_directory(0);
    let text = rabbitmq::configuration(layout.listening(), port, &definitions);
    layout.write(directory.join("rabbitmq.conf"), &text)?;
    layout.write(directory.join("advanced.config"), "[].\n")?;
    layout.write(directory.join("enabled_plugins"), "[rabbitmq_stomp].\n")?;
    Ok(vec![rabbitmq::name_server(layout, 0)?, rabbitmq::launch(layout, 0, port, Vec::new())?])
}

fn launch(layout: &Layout, relayed: Option<u16>) -> io::Result<Launch> {
    let port = layout.port(0, "ws");
    let mut arguments: Vec<OsString> =
        ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-classpath"].map(OsString::from).into();
    arguments.extend([fetched::class_path(&fetched::directory(FETCHED)?), "Start".into()]);
    arguments.extend([Some(port), relayed].into_iter().flatten().map(|port| port.to_string().into()));
    arguments.push(format!("--token={SPRING_TOKEN}").into());
    Ok(Launch {
        name: "spring".to_owned(),
        program: require_program("Spring", "java", JAVA_PACKAGE)?,
        arguments,
        environment: Vec::new(),
        port,
        further_ports: Vec::new(),
    })
}
