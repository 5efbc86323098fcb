//! RabbitMQ, as packaged by Debian: where it is, how it is configured and launched, and how it behaves.

use super::{
    ALICE, AckReach, Behaviour, ConnectValues, DeadLetter, Description, GUEST, Keys, Launch, Layout, Nack,
    OnError, Plan, User, require_file, require_program,
};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const NAME: &str = "RabbitMQ";
const PACKAGE: &str = "rabbitmq-server";
const USERS: &[User] = &[GUEST, ALICE];

/// Where the package puts one directory for each version.
const VERSIONS: &str = "/usr/lib/rabbitmq/lib";

/// RabbitMQ with its STOMP plugin.
pub static RABBITMQ: Description = ONE_NODE;

/// A RabbitMQ cluster of three nodes. A classic queue is on one of them, its home node, and is unavailable while that
/// node is down.
pub static RABBITMQ_CLUSTER: Description = Description { name: "RabbitMQ cluster", nodes: 3, ..ONE_NODE };

const ONE_NODE: Description = Description {
    name: NAME,
    nodes: 1,
    node_ports: &["stomp", "tls", "distribution"],
    shared_ports: &["names"],
    users: USERS,
    ready_within: Duration::from_secs(120),
    stops_within: Duration::from_secs(30),
    find,
    configure,
    behaviour: Behaviour {
        virtual_host: "/",
        names_itself_in_1_0: true,
        connect_values: ConnectValues::Unescaped,
        nack: Nack::Requeue,
        dead_letter: DeadLetter {
            destination: |queue| format!("/queue/{}", dead_letter_queue(queue)),
            queue_headers: dead_letter_headers,
            nack_headers: &[("requeue", "false")],
        },
        cumulative_ack: AckReach::Connection,
        error: OnError::ClosesWhenGrave,
        error_names_receipt: false,
        receipts_in_order: false,
        disconnect_loses_receipts: true,
        unsubscribe_returns_messages: false,
        refused_destination: "/exchange/that-was-never-declared/key",
        prefetch_header: "prefetch-count",
        auto_survives_stall: false,
        memory_alarm: Some(memory_alarm),
    },
};

fn dead_letter_queue(queue: &str) -> String {
    format!("DLQ.{queue}")
}

/// Dead letters go through an exchange; the one without a name routes to the queue that the key names.
fn dead_letter_headers(queue: &str) -> Vec<(&'static str, String)> {
    vec![("x-dead-letter-exchange", String::new()), ("x-dead-letter-routing-key", dead_letter_queue(queue))]
}

fn find() -> io::Result<()> {
    require_program(NAME, "epmd", PACKAGE)?;
    require_file(NAME, &server()?, PACKAGE)
}

/// The newest installed server script.
fn server() -> io::Result<PathBuf> {
    script("rabbitmq-server")
}

/// A script of the newest version. Those on the `PATH` are Debian's: they change the user and start a child.
fn script(name: &str) -> io::Result<PathBuf> {
    let mut versions: Vec<PathBuf> = match fs::read_dir(VERSIONS) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?,
        Err(_) => Vec::new(),
    };
    versions.sort();
    let newest = versions.pop().unwrap_or_else(|| Path::new(VERSIONS).join("rabbitmq_server"));
    Ok(newest.join("sbin").join(name))
}

fn configure(layout: &Layout) -> io::Result<Plan> {
    layout.write("rabbitmq-env.conf", "")?;
    let cookie = layout.write(".erlang.cookie", "STOMPTESTS")?;
    // Erlang refuses a cookie that others may read.
    fs::set_permissions(cookie, fs::Permissions::from_mode(0o400))?;
    let definitions = layout.write("definitions.json", &definitions(USERS))?;
    let nodes = (0..layout.nodes()).map(|node| configure_node(layout, node, &definitions));
    Ok(Plan { nodes: nodes.collect::<io::Result<_>>()?, helpers: vec![name_server(layout)?] })
}

fn configure_node(layout: &Layout, node: usize, definitions: &Path) -> io::Result<Launch> {
    let directory = layout.node_directory(node);
    let stomp = layout.port(node, "stomp");
    let text = configuration(stomp, definitions)
        + &tls(layout.port(node, "tls"), layout.keys())
        + &cluster(layout.nodes());
    layout.write(directory.join("rabbitmq.conf"), &text)?;
    layout.write(directory.join("enabled_plugins"), "[rabbitmq_stomp].\n")?;
    Ok(Launch {
        name: node_name(node),
        program: server()?,
        arguments: Vec::new(),
        environment: environment(layout, node),
        port: stomp,
    })
}

fn memory_alarm(layout: &Layout, raised: bool) -> io::Result<()> {
    let limit = if raised { "1MB" } else { MEMORY };
    for node in 0..layout.nodes() {
        let mut control = Command::new(script("rabbitmqctl")?);
        control.args(["-n", &node_name(node), "set_vm_memory_high_watermark", "absolute", limit]);
        let output = control.envs(environment(layout, node)).output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
    }
    Ok(())
}

fn node_name(node: usize) -> String {
    format!("rabbit{node}@localhost")
}

/// Erlang's name server. Nodes that find none start one of their own, which would outlive them.
fn name_server(layout: &Layout) -> io::Result<Launch> {
    let port = layout.shared_port("names");
    Ok(Launch {
        name: "epmd".to_owned(),
        program: require_program(NAME, "epmd", PACKAGE)?,
        arguments: ["-port", &port.to_string(), "-address", "127.0.0.1"].map(OsString::from).into(),
        environment: Vec::new(),
        port,
    })
}

fn environment(layout: &Layout, node: usize) -> Vec<(&'static str, OsString)> {
    let directory = layout.node_directory(node);
    let path = |name: &str| OsString::from(directory.join(name));
    vec![
        ("HOME", layout.directory().into()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
        ("ERL_EPMD_PORT", layout.shared_port("names").to_string().into()),
        // No dump of the whole heap when the node dies while it starts.
        ("ERL_CRASH_DUMP_SECONDS", "0".into()),
        // Makes the script become the node instead of waiting for it, so that signals reach the node.
        ("RUNNING_UNDER_SYSTEMD", "true".into()),
        ("RABBITMQ_CONF_ENV_FILE", layout.directory().join("rabbitmq-env.conf").into()),
        ("RABBITMQ_NODENAME", node_name(node).into()),
        ("RABBITMQ_DIST_PORT", layout.port(node, "distribution").to_string().into()),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config")),
        ("RABBITMQ_GENERATED_CONFIG_DIR", path("generated")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
        ("RABBITMQ_FEATURE_FLAGS_FILE", path("feature_flags")),
        ("RABBITMQ_MNESIA_BASE", path("data")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_PID_FILE", path("pid")),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG_ARGUMENTS.into()),
    ]
}

/// Only the loopback is listened on, no name server is started, and a test machine is no machine of many cores.
const ERLANG_ARGUMENTS: &str = "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false +S 2:2";

/// What a node may use.
const MEMORY: &str = "1GB";

fn configuration(stomp: u16, definitions: &Path) -> String {
    format!(
        "\
listeners.tcp = none
stomp.listeners.tcp.1 = 127.0.0.1:{stomp}
load_definitions = {}
loopback_users = none
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = {MEMORY}
log.file = false
log.console = true
log.console.level = info
log.console.use_colors = off
",
        definitions.display()
    )
}

fn tls(port: u16, keys: &Keys) -> String {
    format!(
        "\
stomp.listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = {}
ssl_options.certfile = {}
ssl_options.keyfile = {}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
",
        keys.file("authority.pem"),
        keys.file("broker.pem"),
        keys.file("broker.key")
    )
}

/// Nodes that find each other. Those that are cut off from most of the others pause, as RabbitMQ's guide advises.
fn cluster(nodes: usize) -> String {
    if nodes < 2 {
        return String::new();
    }
    let names = (0..nodes)
        .map(|node| format!("cluster_formation.classic_config.nodes.{node} = {}\n", node_name(node)));
    format!(
        "\
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.target_cluster_size_hint = {nodes}
cluster_partition_handling = pause_minority
{}",
        names.collect::<String>()
    )
}

/// Users and permissions, loaded at every start: no second program has to be run once the broker is up.
fn definitions(users: &[User]) -> String {
    let each = |one: fn(&User) -> String| users.iter().map(one).collect::<Vec<_>>().join(",\n    ");
    format!(
        r#"{{
  "vhosts": [{{"name": "/"}}],
  "users": [
    {}
  ],
  "permissions": [
    {}
  ]
}}
"#,
        each(user),
        each(permission)
    )
}

fn user(user: &User) -> String {
    let (login, passcode) = (json(user.login), json(user.passcode));
    format!(r#"{{"name": {login}, "password": {passcode}, "tags": ""}}"#)
}

fn permission(user: &User) -> String {
    let login = json(user.login);
    format!(r#"{{"user": {login}, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}}"#)
}

/// A JSON string of printable text.
fn json(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', r#"\""#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_the_listener_and_the_definitions() {
        let text = configuration(4711, Path::new("/some where/definitions.json"));
        assert!(text.contains("\nstomp.listeners.tcp.1 = 127.0.0.1:4711\n"), "{text}");
        assert!(text.contains("\nload_definitions = /some where/definitions.json\n"), "{text}");
    }

    #[test]
    fn the_nodes_of_a_cluster_know_each_other() {
        assert_eq!(cluster(1), "");
        let text = cluster(3);
        assert!(text.contains("\ncluster_formation.classic_config.nodes.2 = rabbit2@localhost\n"), "{text}");
    }

    #[test]
    fn definitions_hold_every_user_and_what_they_may_do() {
        let text = definitions(USERS);
        for line in [
            r#"{"name": "guest", "password": "guest", "tags": ""},"#,
            r#"{"name": "alice", "password": "s3cret:with\\odd", "tags": ""}"#,
            r#"{"user": "alice", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}"#,
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn json_strings_are_escaped_once() {
        assert_eq!(json(r#"a\b"c"#), r#""a\\b\"c""#);
    }

    #[test]
    fn dead_letters_of_a_queue_go_where_they_are_read() {
        let dead_letter = RABBITMQ.behaviour.dead_letter;
        let headers = (dead_letter.queue_headers)("orders");
        assert_eq!(headers[1], ("x-dead-letter-routing-key", "DLQ.orders".to_owned()));
        assert_eq!((dead_letter.destination)("orders"), "/queue/DLQ.orders");
    }

    #[test]
    fn every_file_of_a_node_is_in_its_own_directory() {
        let layout = Layout::new(&Description { nodes: 2, ..RABBITMQ.clone() }).unwrap();
        let own = layout.node_directory(1);
        let environment = environment(&layout, 1);
        let value = |name| &environment.iter().find(|(named, _)| *named == name).unwrap().1;
        for name in ["RABBITMQ_CONFIG_FILE", "RABBITMQ_MNESIA_BASE", "RABBITMQ_PID_FILE"] {
            assert!(Path::new(value(name)).starts_with(&own), "{name}");
        }
        assert_eq!(value("RABBITMQ_NODENAME"), "rabbit1@localhost");
        assert_eq!(value("RABBITMQ_DIST_PORT"), layout.port(1, "distribution").to_string().as_str());
    }
}
