//! Artemis, as distributed and from its archives: where it is, how it is configured and launched, and how it behaves.

use super::{
    ALICE, AckReach, Behaviour, ConnectValues, DeadLetter, Description, Feature, FrameLimits, GUEST, Launch,
    Layout, Nack, OnDisconnect, OnError, Plan, User, WebSocket, fetched, keys::STORE_PASSWORD,
    require_program,
};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const JAVA_PACKAGE: &str = "openjdk-17-jre-headless";
const USERS: &[User] = &[GUEST, ALICE];

/// The distribution, which holds a starter of its own.
const DISTRIBUTION: &str = "apache-artemis-2.44.0";
/// The archives with our starter.
const ARCHIVES: &str = "artemis-2.57.0";

/// What nobody may send to.
const FORBIDDEN: &str = "forbidden";

/// Artemis 2.44, when it belonged to ActiveMQ, with a persistent store.
///
/// By default, destinations that begin with `/queue/` are queues (anycast), and those that begin with `/topic/` are
/// topics (multicast).
pub static ARTEMIS_2_44: Description = ONE_NODE;

/// Artemis 2.57 from its archives, with a persistent store.
pub static ARTEMIS_2_57: Description = Description {
    name: "Artemis 2.57",
    by_default: true,
    find: || find(ARCHIVES),
    configure: |layout| configure(layout, embedded),
    ..ONE_NODE
};

/// A primary and its backup on one store, of which one serves. The other opens its ports when it gets the lock of the
/// store, and keeps it when the first one is back.
pub static ARTEMIS_2_44_PAIR: Description = Description { name: "Artemis 2.44 pair", nodes: 2, ..ONE_NODE };

/// The same of 2.57.
pub static ARTEMIS_2_57_PAIR: Description = Description {
    name: "Artemis 2.57 pair",
    nodes: 2,
    find: ARTEMIS_2_57.find,
    configure: ARTEMIS_2_57.configure,
    ..ONE_NODE
};

const ONE_NODE: Description = Description {
    name: "Artemis 2.44",
    profile: "Artemis",
    by_default: false,
    application: false,
    system: None,
    nodes: 1,
    // On `bare` every destination is a topic, as where no prefixes are configured.
    node_ports: &["stomp", "tls", "bare"],
    shared_ports: &[],
    users: USERS,
    ready_within: Duration::from_secs(300),
    stops_within: Duration::from_secs(60),
    find: || find(DISTRIBUTION),
    configure: |layout| configure(layout, distributed),
    behaviour: BEHAVIOUR,
};

const BEHAVIOUR: Behaviour = Behaviour {
    versions: &["1.0", "1.1", "1.2"],
    lacks: &[
        (Feature::MemoryAlarm, "an address that is full does not block STOMP"),
        (Feature::QuorumQueues, "it has none"),
        (Feature::FreeReturns, "it has no quorum queues"),
        (Feature::FrameLimit, "no test meets it"),
    ],
    virtual_host: "localhost",
    names_itself_in_1_0: false,
    connect_values: ConnectValues::Literal,
    nack: Nack::Destroy,
    dead_letter: DeadLetter {
        destination: |_| "/queue/DLQ".to_owned(),
        queue_headers: |_| Vec::new(),
        nack_headers: &[],
    },
    cumulative_ack: AckReach::Subscription,
    error: OnError::ClosesFrom1_2,
    error_names_receipt: true,
    receipts_in_order: true,
    disconnect_loses_receipts: true,
    unsubscribe_returns_messages: true,
    marks_redelivery: true,
    disconnect: OnDisconnect::Receipt,
    refused_destination: "/queue/forbidden",
    prefetch_header: "consumer-window-size",
    late_reply_ends_connection: false,
    auto_survives_stall: true,
    farewell_failures: &[],
    // An address that is full and blocks does not block STOMP.
    memory_alarm: None,
    write_queues: None,
    limits: FrameLimits::NONE,
    quorum: None,
    // Every acceptor of STOMP takes WebSockets, at any path.
    web_socket: Some(WebSocket { port: "stomp", tls_port: Some("tls"), ..WebSocket::LIKE_TCP }),
};

fn find(fetched: &str) -> io::Result<()> {
    require_program("Artemis", "java", JAVA_PACKAGE)?;
    fetched::directory(fetched).map(drop)
}

/// What starts the broker whose configuration lies in that directory.
type Start = fn(directory: &Path) -> io::Result<Vec<OsString>>;

fn configure(layout: &Layout, start: Start) -> io::Result<Plan> {
    let nodes = (0..layout.nodes()).map(|node| configure_node(layout, node, start));
    Ok(Plan { helpers: Vec::new(), nodes: nodes.collect::<io::Result<_>>()? })
}

fn configure_node(layout: &Layout, node: usize, start: Start) -> io::Result<Launch> {
    let directory = layout.node_directory(node);
    let etc = directory.join("etc");
    let broker = layout.write(etc.join("broker.xml"), &configuration(layout, node))?;
    layout.write(etc.join("bootstrap.xml"), &bootstrap(&broker))?;
    layout.write(etc.join("management.xml"), MANAGEMENT)?;
    layout.write(etc.join("login.config"), LOGIN)?;
    layout.write(etc.join("artemis-users.properties"), &users(USERS))?;
    layout.write(etc.join("artemis-roles.properties"), &roles(USERS))?;
    layout.write(etc.join("log4j2.properties"), LOGGING)?;
    // Java fails at its first temporary file when the directory for them does not exist.
    fs::create_dir_all(directory.join("temporary"))?;
    Ok(Launch {
        name: name(node),
        program: require_program("Artemis", "java", JAVA_PACKAGE)?,
        arguments: start(&directory)?,
        environment: Vec::new(),
        port: layout.port(node, "stomp"),
        further_ports: vec![layout.port(node, "tls"), layout.port(node, "bare")],
    })
}

fn name(node: usize) -> String {
    format!("artemis{node}")
}

/// The command line of the distribution, in which the script beside the archive would end after a second of its own.
fn distributed(directory: &Path) -> io::Result<Vec<OsString>> {
    let home = fetched::directory(DISTRIBUTION)?;
    let mut arguments = options(directory);
    arguments.extend([
        joined("-Dlog4j2.configurationFile=file:", directory.join("etc/log4j2.properties")),
        joined("-Dartemis.home=", home.clone()),
        joined("-Dartemis.instance.etc=", directory.join("etc")),
        "-classpath".into(),
        home.join("lib/artemis-boot.jar").into(),
        "org.apache.activemq.artemis.boot.Artemis".into(),
        "run".into(),
    ]);
    Ok(arguments)
}

/// The command line of our own starter.
fn embedded(directory: &Path) -> io::Result<Vec<OsString>> {
    let mut arguments = options(directory);
    arguments.extend([
        "-classpath".into(),
        fetched::class_path(&fetched::directory(ARCHIVES)?),
        "Start".into(),
        directory.join("etc/broker.xml").into(),
    ]);
    Ok(arguments)
}

/// A small heap, quick rather than thorough compilation, and every path below `directory`.
fn options(directory: &Path) -> Vec<OsString> {
    let mut options: Vec<OsString> = JAVA_OPTIONS.iter().map(OsString::from).collect();
    options.extend([
        joined("-Djava.io.tmpdir=", directory.join("temporary")),
        joined("-Djava.security.auth.login.config=", directory.join("etc/login.config")),
        joined("-Dartemis.instance=", directory.to_owned()),
        joined("-Ddata.dir=", directory.join("data")),
    ]);
    options
}

fn joined(option: &str, path: PathBuf) -> OsString {
    let mut text = OsString::from(option);
    text.push(path);
    text
}

const JAVA_OPTIONS: [&str; 7] = [
    "-Xms64m",
    "-Xmx512m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Dlog4j2.disableJmx=true",
    // The journal reaches into the runtime's own classes.
    "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
];

const LOGGING: &str = "\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
logger.audit.name = org.apache.activemq.audit
logger.audit.level = OFF
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %-5level [%logger] %msg%n
";

/// Nobody manages it, and without the file it does not start.
const MANAGEMENT: &str = "<management-context xmlns=\"http://activemq.apache.org/schema\"/>\n";

const LOGIN: &str = "\
activemq {
   org.apache.activemq.artemis.spi.core.security.jaas.PropertiesLoginModule required
       org.apache.activemq.jaas.properties.user=\"artemis-users.properties\"
       org.apache.activemq.jaas.properties.role=\"artemis-roles.properties\";
};
";

fn bootstrap(broker: &Path) -> String {
    format!(
        r#"<broker xmlns="http://activemq.apache.org/schema">
   <jaas-security domain="activemq"/>
   <server configuration="file:{}"/>
</broker>
"#,
        broker.display()
    )
}

/// A file of Java's properties, where a backslash is written twice.
fn users(users: &[User]) -> String {
    let line = |user: &User| format!("{} = {}\n", user.login, user.passcode.replace('\\', r"\\"));
    users.iter().map(line).collect()
}

fn roles(users: &[User]) -> String {
    let names: Vec<_> = users.iter().map(|user| user.login).collect();
    format!("users = {}\n", names.join(","))
}

/// The broker's definition. The store is on disk, so that what was receipted survives a kill.
fn configuration(layout: &Layout, node: usize) -> String {
    let name = name(node);
    let (data, policy) = if layout.nodes() > 1 { shared(layout, node) } else { own(layout, node) };
    let data = data.display();
    let acceptors = acceptors(layout, node);
    let security = [security("#", "users"), security(FORBIDDEN, "nobody")].concat();
    format!(
        r##"<configuration xmlns="urn:activemq"><core xmlns="urn:activemq:core">
  <name>{name}</name>
  <persistence-enabled>true</persistence-enabled>
  <journal-type>NIO</journal-type>
  <bindings-directory>{data}/bindings</bindings-directory>
  <journal-directory>{data}/journal</journal-directory>
  <large-messages-directory>{data}/large</large-messages-directory>
  <paging-directory>{data}/paging</paging-directory>
  <journal-min-files>2</journal-min-files>
  <journal-pool-files>2</journal-pool-files>
  <journal-file-size>2M</journal-file-size>
  <max-disk-usage>100</max-disk-usage>
  <critical-analyzer>false</critical-analyzer>
  <global-max-size>100Mb</global-max-size>{policy}
  <acceptors>{acceptors}
  </acceptors>
  <security-settings>{security}
  </security-settings>
  <address-settings>
    <address-setting match="#">
      <dead-letter-address>DLQ</dead-letter-address>
      <expiry-address>ExpiryQueue</expiry-address>
      <address-full-policy>PAGE</address-full-policy>
      <auto-delete-queues>false</auto-delete-queues>
      <auto-delete-addresses>false</auto-delete-addresses>
    </address-setting>
  </address-settings>
  <addresses>
    <address name="DLQ"><anycast><queue name="DLQ"/></anycast></address>
    <address name="ExpiryQueue"><anycast><queue name="ExpiryQueue"/></anycast></address>
  </addresses>
</core></configuration>
"##
    )
}

/// The store of a node by itself, and nothing about others.
fn own(layout: &Layout, node: usize) -> (PathBuf, &'static str) {
    (layout.node_directory(node).join("data"), "")
}

/// The store of a pair, and who serves: the first node to begin with, and from then on whoever has the lock.
fn shared(layout: &Layout, node: usize) -> (PathBuf, &'static str) {
    let policy = if node == 0 { PRIMARY } else { BACKUP };
    (layout.directory().join("data"), policy)
}

const PRIMARY: &str = "
  <ha-policy><shared-store><primary><failover-on-shutdown>true</failover-on-shutdown></primary></shared-store></ha-policy>";
const BACKUP: &str = "
  <ha-policy><shared-store><backup><allow-failback>false</allow-failback></backup></shared-store></ha-policy>";

fn acceptors(layout: &Layout, node: usize) -> String {
    const PREFIXES: &str = ";anycastPrefix=/queue/;multicastPrefix=/topic/";
    let keys = layout.keys();
    let tls = format!(
        "{PREFIXES};sslEnabled=true;needClientAuth=true;enabledProtocols=TLSv1.2,TLSv1.3;keyStoreType=PKCS12;\
         keyStorePath={};keyStorePassword={STORE_PASSWORD};trustStoreType=PKCS12;trustStorePath={};\
         trustStorePassword={STORE_PASSWORD}",
        keys.file("broker.p12"),
        keys.file("trusted.p12")
    );
    let acceptor = |(purpose, parameters): (&str, &str)| {
        let port = layout.port(node, purpose);
        let uri = format!("tcp://{}:{port}?protocols=STOMP{parameters}", layout.listening());
        format!("\n    <acceptor name=\"{purpose}\">{uri}</acceptor>")
    };
    [("stomp", PREFIXES), ("tls", &tls), ("bare", "")].map(acceptor).concat()
}

/// What the users of that role may do with addresses that match: everything.
fn security(addresses: &str, role: &str) -> String {
    let permission = |what| format!("\n      <permission type=\"{what}\" roles=\"{role}\"/>");
    let all = PERMISSIONS.map(permission).concat();
    format!("\n    <security-setting match=\"{addresses}\">{all}\n    </security-setting>")
}

const PERMISSIONS: [&str; 9] = [
    "createNonDurableQueue",
    "deleteNonDurableQueue",
    "createDurableQueue",
    "deleteDurableQueue",
    "createAddress",
    "deleteAddress",
    "consume",
    "browse",
    "send",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_its_ports_store_and_permissions() {
        let layout = Layout::new(&ARTEMIS_2_44).unwrap();
        let text = configuration(&layout, 0);
        let port = |purpose| format!("tcp://127.0.0.1:{}?protocols=STOMP", layout.port(0, purpose));
        for part in [
            "<name>artemis0</name>",
            &format!("{};anycastPrefix=/queue/;multicastPrefix=/topic/</acceptor>", port("stomp")),
            &format!("{};anycastPrefix=/queue/;multicastPrefix=/topic/;sslEnabled=true;", port("tls")),
            &format!("{}</acceptor>", port("bare")),
            &format!("{}/data/journal<", layout.node_directory(0).display()),
            "<security-setting match=\"forbidden\">\n      <permission type=\"createNonDurableQueue\" roles=\"nobody\"/>",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn users_are_written_as_java_reads_them() {
        assert_eq!(users(USERS), "guest = guest\nalice = s3cret:with\\\\odd\n");
        assert_eq!(roles(USERS), "users = guest,alice\n");
    }

    #[test]
    fn every_path_of_the_options_is_the_brokers_own() {
        for argument in options(Path::new("/own")) {
            let argument = argument.to_string_lossy().into_owned();
            let Some(start) = argument.find('/') else { continue };
            let ours = argument[start..].starts_with("/own");
            assert!(ours || argument.starts_with("--add-opens"), "{argument}");
        }
    }
}
