//! ActiveMQ Artemis, as published on Maven Central: where it is, how it is configured and launched, and how it behaves.

use super::{
    ALICE, AckReach, Behaviour, ConnectValues, DeadLetter, Description, GUEST, Launch, Layout, Nack, OnError,
    Plan, User, keys::STORE_PASSWORD, require_program,
};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const NAME: &str = "Artemis";
const JAVA_PACKAGE: &str = "openjdk-17-jre-headless";
const USERS: &[User] = &[GUEST, ALICE];

/// The directory below the user's cache in which `tests/run` unpacks it.
const HOME: &str = "stomp-tests/apache-artemis-2.44.0";

/// What nobody may send to.
const FORBIDDEN: &str = "forbidden";

/// ActiveMQ Artemis with a persistent store.
///
/// By default, destinations that begin with `/queue/` are queues (anycast), and those that begin with `/topic/` are
/// topics (multicast).
pub static ARTEMIS: Description = Description {
    name: NAME,
    nodes: 1,
    // On `bare` every destination is a topic, as where no prefixes are configured.
    node_ports: &["stomp", "tls", "bare"],
    shared_ports: &[],
    users: USERS,
    ready_within: Duration::from_secs(120),
    stops_within: Duration::from_secs(30),
    find,
    configure,
    behaviour: Behaviour {
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
        refused_destination: "/queue/forbidden",
        prefetch_header: "consumer-window-size",
        auto_survives_stall: true,
        // An address that is full and blocks does not block STOMP.
        memory_alarm: None,
    },
};

fn find() -> io::Result<()> {
    require_program(NAME, "java", JAVA_PACKAGE)?;
    let starter = starter()?;
    if starter.is_file() {
        return Ok(());
    }
    let text = format!("{NAME} is not installed ({} is missing): tests/run fetches it", starter.display());
    Err(io::Error::new(io::ErrorKind::NotFound, text))
}

/// Where it is unpacked.
fn home() -> io::Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")));
    let missing = || io::Error::new(io::ErrorKind::NotFound, "neither HOME nor XDG_CACHE_HOME is set");
    Ok(cache.ok_or_else(missing)?.join(HOME))
}

/// The archive that finds all others. The script beside it would end in the same line after a second of its own.
fn starter() -> io::Result<PathBuf> {
    Ok(home()?.join("lib/artemis-boot.jar"))
}

fn configure(layout: &Layout) -> io::Result<Plan> {
    let nodes = (0..layout.nodes()).map(|node| configure_node(layout, node));
    Ok(Plan { helpers: Vec::new(), nodes: nodes.collect::<io::Result<_>>()? })
}

fn configure_node(layout: &Layout, node: usize) -> io::Result<Launch> {
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
        program: require_program(NAME, "java", JAVA_PACKAGE)?,
        arguments: arguments(&home()?, &directory),
        environment: Vec::new(),
        port: layout.port(node, "stomp"),
    })
}

fn name(node: usize) -> String {
    format!("artemis{node}")
}

/// The command line: a small heap, quick rather than thorough compilation, and every path below `directory`.
fn arguments(home: &Path, directory: &Path) -> Vec<OsString> {
    let joined = |option: &str, path: PathBuf| {
        let mut text = OsString::from(option);
        text.push(path);
        text
    };
    let mut arguments: Vec<OsString> = JAVA_OPTIONS.iter().map(OsString::from).collect();
    arguments.extend([
        joined("-Djava.io.tmpdir=", directory.join("temporary")),
        joined("-Djava.security.auth.login.config=", directory.join("etc/login.config")),
        joined("-Dlog4j2.configurationFile=file:", directory.join("etc/log4j2.properties")),
        joined("-Dartemis.home=", home.to_owned()),
        joined("-Dartemis.instance=", directory.to_owned()),
        joined("-Dartemis.instance.etc=", directory.join("etc")),
        joined("-Ddata.dir=", directory.join("data")),
        "-classpath".into(),
        home.join("lib/artemis-boot.jar").into(),
        "org.apache.activemq.artemis.boot.Artemis".into(),
        "run".into(),
    ]);
    arguments
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
    let data = layout.node_directory(node).join("data");
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
  <max-disk-usage>99</max-disk-usage>
  <critical-analyzer>false</critical-analyzer>
  <global-max-size>100Mb</global-max-size>
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
        let uri = format!("tcp://127.0.0.1:{port}?protocols=STOMP{parameters}");
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
        let layout = Layout::new(&ARTEMIS).unwrap();
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
    fn every_path_of_the_command_line_is_the_brokers_own_or_the_distributions() {
        for argument in arguments(Path::new("/home"), Path::new("/own")) {
            let argument = argument.to_string_lossy().into_owned();
            let Some(start) = argument.find('/') else { continue };
            let path = &argument[start..];
            let ours = path.starts_with("/own") || path.starts_with("/home");
            assert!(ours || argument.starts_with("--add-opens"), "{argument}");
        }
    }
}
