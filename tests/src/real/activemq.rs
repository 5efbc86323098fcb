//! ActiveMQ "Classic", as packaged by Debian and from its archives: where it is, how it is configured and launched, and how it behaves.

use super::{
    ALICE, AckReach, Behaviour, ConnectValues, DeadLetter, Description, Feature, FrameLimits, GUEST, Launch,
    Layout, Nack, OnDisconnect, OnError, Plan, User, WebSocket, fetched, keys::STORE_PASSWORD, require_file,
    require_program,
};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PACKAGE: &str = "activemq";
const JAVA_PACKAGE: &str = "openjdk-17-jre-headless";
const HOME: &str = "/usr/share/activemq";
const FETCHED: &str = "activemq-6.3.1";
/// What Debian's package lacks of the connectors for WebSockets.
const WEB: &str = "activemq-web-5.17.2";
const USERS: &[User] = &[GUEST, ALICE];

/// What a queue's name gets in front to name its dead letter queue.
const DEAD_LETTER_PREFIX: &str = "DLQ.";

/// ActiveMQ "Classic" of Debian 12 with a persistent store.
pub static ACTIVEMQ_5_17: Description = ONE_NODE;

/// ActiveMQ "Classic" 6.3 from its archives, with a persistent store.
pub static ACTIVEMQ_6_3: Description = Description {
    name: "ActiveMQ 6.3",
    by_default: true,
    find: || {
        require_program("ActiveMQ", "java", JAVA_PACKAGE)?;
        fetched::directory(FETCHED).map(drop)
    },
    configure: |layout| configure(layout, embedded),
    ..ONE_NODE
};

/// Two nodes of 5.17 on one store, of which one serves. The other opens its ports when it gets the lock of the store.
pub static ACTIVEMQ_5_17_PAIR: Description = Description {
    name: "ActiveMQ 5.17 pair",
    nodes: 2,
    configure: |layout| configure_as(layout, Nodes::Pair, packaged),
    ..ONE_NODE
};

/// The same of 6.3.
pub static ACTIVEMQ_6_3_PAIR: Description = Description {
    name: "ActiveMQ 6.3 pair",
    nodes: 2,
    find: ACTIVEMQ_6_3.find,
    configure: |layout| configure_as(layout, Nodes::Pair, embedded),
    ..ONE_NODE
};

/// Two nodes of 5.17, each with its own store, which pass messages on to where consumers are.
pub static ACTIVEMQ_5_17_NETWORK: Description = Description {
    name: "ActiveMQ 5.17 network",
    nodes: 2,
    node_ports: &["stomp", "tls", "ws", "wss", "openwire"],
    configure: |layout| configure_as(layout, Nodes::Network, packaged),
    ..ONE_NODE
};

/// The same of 6.3.
pub static ACTIVEMQ_6_3_NETWORK: Description = Description {
    name: "ActiveMQ 6.3 network",
    nodes: 2,
    node_ports: &["stomp", "tls", "ws", "wss", "openwire"],
    find: ACTIVEMQ_6_3.find,
    configure: |layout| configure_as(layout, Nodes::Network, embedded),
    ..ONE_NODE
};

/// What nodes have to do with each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nodes {
    Apart,
    Pair,
    Network,
}

const ONE_NODE: Description = Description {
    name: "ActiveMQ 5.17",
    profile: "ActiveMQ",
    by_default: false,
    application: false,
    system: None,
    nodes: 1,
    node_ports: &["stomp", "tls", "ws", "wss"],
    shared_ports: &[],
    users: USERS,
    ready_within: Duration::from_secs(300),
    stops_within: Duration::from_secs(60),
    find: || {
        require_program("ActiveMQ", "java", JAVA_PACKAGE)?;
        require_file("ActiveMQ", &package(), PACKAGE)?;
        fetched::directory(WEB).map(drop)
    },
    configure: |layout| configure(layout, packaged),
    behaviour: BEHAVIOUR,
};

const BEHAVIOUR: Behaviour = Behaviour {
    versions: &["1.0", "1.1", "1.2"],
    lacks: &[
        (Feature::MemoryAlarm, "flow control is a matter of single queues"),
        (Feature::QuorumQueues, "it has none"),
        (Feature::FreeReturns, "it has no quorum queues"),
        (Feature::FrameLimit, "no test meets it"),
        (Feature::BinaryMessages, "it reads text messages alone"),
    ],
    virtual_host: "localhost",
    names_itself_in_1_0: true,
    connect_values: ConnectValues::Unescaped,
    nack: Nack::DeadLetter(dead_letter_destination),
    dead_letter: DeadLetter {
        destination: dead_letter_destination,
        queue_headers: |_| Vec::new(),
        nack_headers: &[],
    },
    cumulative_ack: AckReach::Subscription,
    error: OnError::StaysOpen,
    error_names_receipt: true,
    receipts_in_order: true,
    disconnect_loses_receipts: false,
    unsubscribe_returns_messages: true,
    marks_redelivery: true,
    disconnect: OnDisconnect::Receipt,
    refused_destination: "/remote-temp-queue/ID:nobody-1:1",
    prefetch_header: "activemq.prefetchSize",
    late_reply_ends_connection: false,
    auto_survives_stall: true,
    farewell_failures: &[],
    // Flow control is a matter of single queues, and of how they are configured.
    memory_alarm: None,
    write_queues: None,
    limits: FrameLimits::NONE,
    quorum: None,
    web_socket: Some(WEB_SOCKET),
};

/// Binary messages are ignored. Its own limit to a message is 64 KiB, which the connector's URI raises here; above it the
/// connection is closed. Frames are not put together: each is one message.
const WEB_SOCKET: WebSocket = WebSocket {
    text_only: true,
    joins_messages: false,
    frame_limit: Some(LARGEST_MESSAGE),
    ..WebSocket::LIKE_TCP
};

const LARGEST_MESSAGE: usize = 1024 * 1024;

fn dead_letter_destination(queue: &str) -> String {
    format!("/queue/{DEAD_LETTER_PREFIX}{queue}")
}

/// The archive that finds all others from where it lies. Debian's script would change the user and start a child.
fn package() -> PathBuf {
    Path::new(HOME).join("bin/activemq.jar")
}

/// What starts the broker whose configuration lies in that directory.
type Start = fn(directory: &Path) -> io::Result<Vec<OsString>>;

fn configure(layout: &Layout, start: Start) -> io::Result<Plan> {
    configure_as(layout, Nodes::Apart, start)
}

fn configure_as(layout: &Layout, nodes: Nodes, start: Start) -> io::Result<Plan> {
    let nodes = (0..layout.nodes()).map(|node| configure_node(layout, node, nodes, start));
    Ok(Plan { helpers: Vec::new(), nodes: nodes.collect::<io::Result<_>>()? })
}

fn configure_node(layout: &Layout, node: usize, nodes: Nodes, start: Start) -> io::Result<Launch> {
    let directory = layout.node_directory(node);
    let port = layout.port(node, "stomp");
    layout.write(directory.join("activemq.xml"), &configuration(layout, node, nodes, USERS))?;
    layout.write(directory.join("log4j.properties"), LOGGING)?;
    // Java fails at its first temporary file when the directory for them does not exist.
    fs::create_dir_all(directory.join("temporary"))?;
    Ok(Launch {
        name: name(node),
        program: require_program("ActiveMQ", "java", JAVA_PACKAGE)?,
        arguments: start(&directory)?,
        environment: Vec::new(),
        port,
        further_ports: ["tls", "ws", "wss"].map(|purpose| layout.port(node, purpose)).into(),
    })
}

fn name(node: usize) -> String {
    format!("activemq{node}")
}

/// The command line of the package, with the archives that it lacks.
fn packaged(directory: &Path) -> io::Result<Vec<OsString>> {
    Ok(packaged_with(directory, &fetched::directory(WEB)?))
}

/// The same with every path below `directory`, but those of the archives.
fn packaged_with(directory: &Path, archives: &Path) -> Vec<OsString> {
    let below = |option: &str, name: &str| joined(option, &directory.join(name));
    let mut arguments = options(directory);
    arguments.extend([
        below("-Dlog4j.configuration=file:", "log4j.properties"),
        joined("-Dactivemq.home=", Path::new(HOME)),
        joined("-Dactivemq.base=", directory),
        joined("-Dactivemq.conf=", directory),
        joined("-Dactivemq.classpath=", directory),
        below("-Dactivemq.data=", "data"),
        "-jar".into(),
        package().into(),
        "start".into(),
        "--extdir".into(),
        archives.join("lib").into(),
        below("xbean:file:", "activemq.xml"),
    ]);
    arguments
}

/// The command line of our own starter.
fn embedded(directory: &Path) -> io::Result<Vec<OsString>> {
    let mut arguments = options(directory);
    arguments.extend([
        "-classpath".into(),
        fetched::class_path(&fetched::directory(FETCHED)?),
        "Start".into(),
        joined("xbean:file:", &directory.join("activemq.xml")),
    ]);
    Ok(arguments)
}

/// A small heap, quick rather than thorough compilation, and temporary files below `directory`.
fn options(directory: &Path) -> Vec<OsString> {
    let options = JAVA_OPTIONS.iter().map(OsString::from);
    options.chain([joined("-Djava.io.tmpdir=", &directory.join("temporary"))]).collect()
}

const JAVA_OPTIONS: [&str; 6] = [
    "-Xms64m",
    "-Xmx384m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    // The store reaches into the runtime's own classes.
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
];

fn joined(option: &str, path: &Path) -> OsString {
    let mut text = OsString::from(option);
    text.push(path);
    text
}

/// Debian's build logs through log4j 1, which never reads the configuration that the package brings.
const LOGGING: &str = "\
log4j.rootLogger=INFO, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d %-5p %c{1}: %m%n
";

/// The broker's definition. A NACKed message is dead at once, and each queue has its own dead letter queue; the
/// store is on disk, so that what was receipted survives a kill.
fn configuration(layout: &Layout, node: usize, nodes: Nodes, users: &[User]) -> String {
    let (name, listening) = (name(node), layout.listening());
    let [port, tls, ws, wss] = ["stomp", "tls", "ws", "wss"].map(|purpose| layout.port(node, purpose));
    let keys = layout.keys();
    let users: String = users.iter().map(user).collect();
    let data = xml(&layout.node_directory(node).join("data").display().to_string());
    let store = store(layout, node, nodes);
    let (openwire, bridge) = if nodes == Nodes::Network { network(layout, node) } else { Default::default() };
    let (audit, replay) = if nodes == Nodes::Network { (NO_AUDIT, REPLAY) } else { Default::default() };
    let (ours, trusted) = (xml(&keys.file("broker.p12")), xml(&keys.file("trusted.p12")));
    format!(
        r#"<beans xmlns="http://www.springframework.org/schema/beans"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:schemaLocation="http://www.springframework.org/schema/beans
      http://www.springframework.org/schema/beans/spring-beans.xsd
      http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
  <broker xmlns="http://activemq.apache.org/schema/core" brokerName="{name}" dataDirectory="{data}"
      persistent="true" useJmx="false" schedulerSupport="true">
    <destinationPolicy><policyMap><policyEntries>
      <policyEntry queue="&gt;"{audit}>
        <deadLetterStrategy>
          <individualDeadLetterStrategy queuePrefix="{DEAD_LETTER_PREFIX}" processNonPersistent="true"/>
        </deadLetterStrategy>{replay}
      </policyEntry>
    </policyEntries></policyMap></destinationPolicy>
    <plugins>
      <redeliveryPlugin fallbackToDeadLetter="true" sendToDlqIfMaxRetriesExceeded="true">
        <redeliveryPolicyMap><redeliveryPolicyMap>
          <defaultEntry><redeliveryPolicy maximumRedeliveries="0"/></defaultEntry>
        </redeliveryPolicyMap></redeliveryPolicyMap>
      </redeliveryPlugin>
      <simpleAuthenticationPlugin><users>{users}
      </users></simpleAuthenticationPlugin>
    </plugins>
    {bridge}<persistenceAdapter>{store}</persistenceAdapter>
    <sslContext>
      <sslContext keyStore="file:{ours}" keyStoreType="PKCS12" keyStorePassword="{STORE_PASSWORD}"
          trustStore="file:{trusted}" trustStoreType="PKCS12" trustStorePassword="{STORE_PASSWORD}"/>
    </sslContext>
    <systemUsage><systemUsage>
      <memoryUsage><memoryUsage limit="128 mb"/></memoryUsage>
      <storeUsage><storeUsage limit="1 gb"/></storeUsage>
      <tempUsage><tempUsage limit="512 mb"/></tempUsage>
    </systemUsage></systemUsage>
    <transportConnectors>
      <transportConnector name="stomp" uri="stomp://{listening}:{port}"/>{openwire}
      <transportConnector name="tls"
          uri="stomp+ssl://{listening}:{tls}?transport.needClientAuth=true&amp;transport.enabledProtocols=TLSv1.2,TLSv1.3"/>
      <transportConnector name="ws"
          uri="ws://{listening}:{ws}?websocket.maxTextMessageSize={LARGEST_MESSAGE}"/>
      <transportConnector name="wss"
          uri="wss://{listening}:{wss}?websocket.maxTextMessageSize={LARGEST_MESSAGE}&amp;transport.needClientAuth=true"/>
    </transportConnectors>
  </broker>
</beans>
"#
    )
}

/// Where messages are kept. Who waits for another's store asks for its lock twice a second.
fn store(layout: &Layout, node: usize, nodes: Nodes) -> String {
    let own = layout.node_directory(node).join("data");
    let (directory, locker) = match nodes {
        Nodes::Pair => (layout.directory().to_owned(), LOCKER),
        Nodes::Apart | Nodes::Network => (own, ""),
    };
    let directory = xml(&directory.join("kahadb").display().to_string());
    format!(r#"<kahaDB directory="{directory}" journalMaxFileLength="8mb">{locker}</kahaDB>"#)
}

const LOCKER: &str = r#"<locker><shared-file-locker lockAcquireSleepInterval="500"/></locker>"#;

/// The port for the other node, and on the first node the bridge to it.
fn network(layout: &Layout, node: usize) -> (String, String) {
    let uri = |node: usize| format!("tcp://{}:{}", layout.address(node), layout.port(node, "openwire"));
    let openwire = format!(
        r#"
      <transportConnector name="openwire" uri="{}"/>"#,
        uri(node)
    );
    let User { login, passcode } = GUEST;
    let bridge = format!(
        r#"<networkConnectors>
      <networkConnector uri="static:({})" duplex="true" messageTTL="1000" userName="{login}" password="{passcode}"/>
    </networkConnectors>
    "#,
        uri(1)
    );
    (openwire, if node == 0 { bridge } else { String::new() })
}

/// In a network, a message that comes back to where it has been is no duplicate: the audit would drop it.
const NO_AUDIT: &str = r#" enableAudit="false""#;

/// In a network, messages go back to where they came from when all consumers have moved there, as often as that happens.
const REPLAY: &str = r#"
        <networkBridgeFilterFactory>
          <conditionalNetworkBridgeFilterFactory replayWhenNoConsumers="true"/>
        </networkBridgeFilterFactory>"#;

fn user(user: &User) -> String {
    let (login, passcode) = (xml(user.login), xml(user.passcode));
    format!(
        r#"
        <authenticationUser username="{login}" password="{passcode}" groups="users"/>"#
    )
}

/// The text of an XML attribute.
fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_its_port_store_and_users() {
        let layout = Layout::new(&ACTIVEMQ_5_17).unwrap();
        let text = configuration(&layout, 0, Nodes::Apart, USERS);
        let port = |purpose| layout.port(0, purpose);
        for part in [
            &*format!(r#"uri="stomp+ssl://127.0.0.1:{}?transport.needClientAuth=true&amp;"#, port("tls")),
            r#"brokerName="activemq0""#,
            &*format!(r#"uri="stomp://127.0.0.1:{}""#, port("stomp")),
            &*format!(r#"uri="ws://127.0.0.1:{}?websocket.maxTextMessageSize=1048576""#, port("ws")),
            &*format!(r#"<kahaDB directory="{}/data/kahadb""#, layout.node_directory(0).display()),
            r#"<authenticationUser username="guest" password="guest" groups="users"/>"#,
            r#"<authenticationUser username="alice" password="s3cret:with\odd" groups="users"/>"#,
            r#"queuePrefix="DLQ.""#,
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn a_pair_shares_a_store_and_a_network_has_a_bridge() {
        let layout = Layout::new(&ACTIVEMQ_5_17_PAIR).unwrap();
        let store = format!(r#"directory="{}/kahadb""#, layout.directory().display());
        for node in 0..2 {
            assert!(configuration(&layout, node, Nodes::Pair, USERS).contains(&store));
        }
        let layout = Layout::new(&ACTIVEMQ_5_17_NETWORK).unwrap();
        let bridge = format!("static:(tcp://127.0.0.1:{})", layout.port(1, "openwire"));
        let text = configuration(&layout, 0, Nodes::Network, USERS);
        assert!(text.contains(&bridge), "{text}");
        assert!(!configuration(&layout, 1, Nodes::Network, USERS).contains("static:("));
        assert!(text.contains(r#"enableAudit="false""#), "what comes back is dropped: {text}");
    }

    #[test]
    fn attributes_are_escaped_once() {
        assert_eq!(xml(r#"a&b<c"d"#), "a&amp;b&lt;c&quot;d");
    }

    #[test]
    fn every_path_of_the_command_line_is_the_brokers_own_or_the_packages() {
        let own = Path::new("/own");
        for argument in packaged_with(own, &own.join("archives")) {
            let argument = argument.to_string_lossy().into_owned();
            let Some(start) = argument.find('/') else { continue };
            let path = &argument[start..];
            let ours = path.starts_with("/own") || path.starts_with(HOME);
            assert!(ours || argument.starts_with("--add-opens"), "{argument}");
        }
    }

    #[test]
    fn a_nack_ends_where_dead_letters_are_read() {
        let Nack::DeadLetter(destination) = ACTIVEMQ_5_17.behaviour.nack else {
            panic!("a NACK is a dead letter")
        };
        assert_eq!(destination("orders"), "/queue/DLQ.orders");
        assert_eq!(destination("orders"), (ACTIVEMQ_5_17.behaviour.dead_letter.destination)("orders"));
    }
}
