//! ActiveMQ "Classic", as packaged by Debian: where it is, how it is configured and launched, and how it behaves.

use super::{
    ALICE, AckReach, Behaviour, ConnectValues, DeadLetter, Description, GUEST, Keys, Launch, Layout, Nack,
    OnError, Plan, User, keys::STORE_PASSWORD, require_file, require_program,
};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const NAME: &str = "ActiveMQ";
const PACKAGE: &str = "activemq";
const JAVA_PACKAGE: &str = "openjdk-17-jre-headless";
const HOME: &str = "/usr/share/activemq";
const USERS: &[User] = &[GUEST, ALICE];

/// What a queue's name gets in front to name its dead letter queue.
const DEAD_LETTER_PREFIX: &str = "DLQ.";

/// ActiveMQ "Classic" with a persistent store.
pub static ACTIVEMQ: Description = Description {
    name: NAME,
    nodes: 1,
    node_ports: &["stomp", "tls"],
    shared_ports: &[],
    users: USERS,
    ready_within: Duration::from_secs(120),
    stops_within: Duration::from_secs(30),
    find,
    configure,
    behaviour: Behaviour {
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
        refused_destination: "/remote-temp-queue/ID:nobody-1:1",
        prefetch_header: "activemq.prefetchSize",
        auto_survives_stall: true,
        // Flow control is a matter of single queues, and of how they are configured.
        memory_alarm: None,
    },
};

fn dead_letter_destination(queue: &str) -> String {
    format!("/queue/{DEAD_LETTER_PREFIX}{queue}")
}

fn find() -> io::Result<()> {
    require_program(NAME, "java", JAVA_PACKAGE)?;
    require_file(NAME, &starter(), PACKAGE)
}

/// The archive that finds all others from where it lies. Debian's script would change the user and start a child.
fn starter() -> PathBuf {
    Path::new(HOME).join("bin/activemq.jar")
}

fn configure(layout: &Layout) -> io::Result<Plan> {
    let nodes = (0..layout.nodes()).map(|node| configure_node(layout, node));
    Ok(Plan { helpers: Vec::new(), nodes: nodes.collect::<io::Result<_>>()? })
}

fn configure_node(layout: &Layout, node: usize) -> io::Result<Launch> {
    let directory = layout.node_directory(node);
    let port = layout.port(node, "stomp");
    let tls = (layout.port(node, "tls"), layout.keys());
    layout
        .write(directory.join("activemq.xml"), &configuration(&name(node), port, tls, &directory, USERS))?;
    layout.write(directory.join("log4j.properties"), LOGGING)?;
    // Java fails at its first temporary file when the directory for them does not exist.
    fs::create_dir_all(directory.join("temporary"))?;
    Ok(Launch {
        name: name(node),
        program: require_program(NAME, "java", JAVA_PACKAGE)?,
        arguments: arguments(&directory),
        environment: Vec::new(),
        port,
    })
}

fn name(node: usize) -> String {
    format!("activemq{node}")
}

/// The command line: a small heap, quick rather than thorough compilation, and every path below `directory`.
fn arguments(directory: &Path) -> Vec<OsString> {
    let below = |option: &str, name: &str| joined(option, &directory.join(name));
    let mut arguments: Vec<OsString> = JAVA_OPTIONS.iter().map(OsString::from).collect();
    arguments.extend([
        below("-Djava.io.tmpdir=", "temporary"),
        below("-Dlog4j.configuration=file:", "log4j.properties"),
        joined("-Dactivemq.home=", Path::new(HOME)),
        joined("-Dactivemq.base=", directory),
        joined("-Dactivemq.conf=", directory),
        joined("-Dactivemq.classpath=", directory),
        below("-Dactivemq.data=", "data"),
        "-jar".into(),
        starter().into(),
        "start".into(),
        below("xbean:file:", "activemq.xml"),
    ]);
    arguments
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
fn configuration(name: &str, port: u16, tls: (u16, &Keys), directory: &Path, users: &[User]) -> String {
    let users: String = users.iter().map(user).collect();
    let data = xml(&directory.join("data").display().to_string());
    let (tls, keys) = tls;
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
      <policyEntry queue="&gt;">
        <deadLetterStrategy>
          <individualDeadLetterStrategy queuePrefix="{DEAD_LETTER_PREFIX}" processNonPersistent="true"/>
        </deadLetterStrategy>
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
    <persistenceAdapter><kahaDB directory="{data}/kahadb" journalMaxFileLength="8mb"/></persistenceAdapter>
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
      <transportConnector name="stomp" uri="stomp://127.0.0.1:{port}"/>
      <transportConnector name="tls"
          uri="stomp+ssl://127.0.0.1:{tls}?transport.needClientAuth=true&amp;transport.enabledProtocols=TLSv1.2,TLSv1.3"/>
    </transportConnectors>
  </broker>
</beans>
"#
    )
}

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
        let layout = Layout::new(&ACTIVEMQ).unwrap();
        let tls = (4712, layout.keys());
        let text = configuration("activemq0", 4711, tls, Path::new("/some & where"), USERS);
        for part in [
            r#"uri="stomp+ssl://127.0.0.1:4712?transport.needClientAuth=true&amp;"#,
            r#"brokerName="activemq0""#,
            r#"uri="stomp://127.0.0.1:4711""#,
            r#"<kahaDB directory="/some &amp; where/data/kahadb""#,
            r#"<authenticationUser username="guest" password="guest" groups="users"/>"#,
            r#"<authenticationUser username="alice" password="s3cret:with\odd" groups="users"/>"#,
            r#"queuePrefix="DLQ.""#,
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn attributes_are_escaped_once() {
        assert_eq!(xml(r#"a&b<c"d"#), "a&amp;b&lt;c&quot;d");
    }

    #[test]
    fn every_path_of_the_command_line_is_the_brokers_own_or_the_packages() {
        let own = Path::new("/own");
        for argument in arguments(own) {
            let argument = argument.to_string_lossy().into_owned();
            let Some(start) = argument.find('/') else { continue };
            let path = &argument[start..];
            let ours = path.starts_with("/own") || path.starts_with(HOME);
            assert!(ours || argument.starts_with("--add-opens"), "{argument}");
        }
    }

    #[test]
    fn a_nack_ends_where_dead_letters_are_read() {
        let Nack::DeadLetter(destination) = ACTIVEMQ.behaviour.nack else {
            panic!("a NACK is a dead letter")
        };
        assert_eq!(destination("orders"), "/queue/DLQ.orders");
        assert_eq!(destination("orders"), (ACTIVEMQ.behaviour.dead_letter.destination)("orders"));
    }
}
