//! RabbitMQ, as packaged by three versions of Debian: where it is, how it is configured and launched, and how it behaves.

use super::{
    ALICE, AckReach, Behaviour, ConnectValues, DeadLetter, Description, Feature, FrameLimits, GUEST, Keys,
    Launch, Layout, Nack, OnDisconnect, OnError, Plan, Quorum, User, WebSocket, fetched, require_file,
    system::System,
};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PACKAGE: &str = "rabbitmq-server";
const USERS: &[User] = &[GUEST, ALICE];

/// Where the package puts one directory for each version.
const VERSIONS: &str = "/usr/lib/rabbitmq/lib";

/// RabbitMQ of Debian 12 with its STOMP plugin.
pub static RABBITMQ_3_10: Description = ONE_NODE;

/// RabbitMQ of Debian 13 in a system of its own.
pub static RABBITMQ_4_0: Description = Description {
    name: "RabbitMQ 4.0",
    by_default: false,
    system: Some(|| fetched::directory("rabbitmq-4.0")),
    find: || find(&System::within(fetched::directory("rabbitmq-4.0")?)),
    behaviour: Behaviour {
        lacks: &[(Feature::FreeReturns, "whatever goes back counts towards the delivery limit")],
        limits: LIMITS_4_0,
        quorum: Some(QUORUM_4_0),
        web_socket: Some(WEB_SOCKET_4),
        ..BEHAVIOUR
    },
    ..ONE_NODE
};

/// RabbitMQ of Debian's unstable version in a system of its own. Its TLS port opens after the other one.
pub static RABBITMQ_4_3: Description = Description {
    name: "RabbitMQ 4.3",
    system: Some(|| fetched::directory("rabbitmq-4.3")),
    find: || find(&System::within(fetched::directory("rabbitmq-4.3")?)),
    behaviour: Behaviour {
        lacks: &[],
        limits: LIMITS_4_3,
        quorum: Some(QUORUM_4_3),
        web_socket: Some(WEB_SOCKET_4),
        // A queue that is just being deleted refuses the reply, and the STOMP plugin fails over that.
        late_reply_ends_connection: true,
        // Its nodes agree on what queues there are, and have written it before they confirm.
        write_queues: None,
        ..BEHAVIOUR
    },
    ..ONE_NODE
};

/// A RabbitMQ cluster of three nodes. A classic queue is on one of them, its home node, and is unavailable while that
/// node is down.
pub static RABBITMQ_CLUSTER: Description =
    Description { name: "RabbitMQ 3.10 cluster", nodes: 3, ..ONE_NODE };

/// The same of version 4.0.
pub static RABBITMQ_4_0_CLUSTER: Description = Description {
    name: "RabbitMQ 4.0 cluster",
    nodes: 3,
    by_default: false,
    system: Some(|| fetched::directory("rabbitmq-4.0")),
    find: || find(&System::within(fetched::directory("rabbitmq-4.0")?)),
    ..ONE_NODE
};

/// The same of version 4.3.
pub static RABBITMQ_4_3_CLUSTER: Description = Description {
    name: "RabbitMQ 4.3 cluster",
    nodes: 3,
    by_default: false,
    system: Some(|| fetched::directory("rabbitmq-4.3")),
    find: || find(&System::within(fetched::directory("rabbitmq-4.3")?)),
    ..ONE_NODE
};

const ONE_NODE: Description = Description {
    name: "RabbitMQ 3.10",
    profile: "RabbitMQ",
    by_default: true,
    application: false,
    system: None,
    nodes: 1,
    node_ports: &["stomp", "tls", "ws", "wss", "distribution"],
    shared_ports: &["names"],
    users: USERS,
    ready_within: Duration::from_secs(300),
    stops_within: Duration::from_secs(60),
    find: || find(&System::OURS),
    configure,
    behaviour: BEHAVIOUR,
};

pub(super) const BEHAVIOUR: Behaviour = Behaviour {
    versions: &["1.0", "1.1", "1.2"],
    lacks: &[(Feature::FrameLimit, "no test meets it")],
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
    marks_redelivery: true,
    disconnect: OnDisconnect::Receipt,
    refused_destination: "/exchange/that-was-never-declared/key",
    prefetch_header: "prefetch-count",
    late_reply_ends_connection: false,
    auto_survives_stall: false,
    // Seen with 3.10 on a busy machine, once in some thousand times: its own halves of a connection end at the same time.
    farewell_failures: &["Processing error"],
    memory_alarm: Some(memory_alarm),
    write_queues: Some(write_queues),
    limits: FrameLimits::NONE,
    quorum: Some(Quorum {
        headers: &[("x-queue-type", "quorum")],
        delivery_limit: None,
        counts_disconnects: true,
        counts_nacks: true,
    }),
    web_socket: Some(WEB_SOCKET),
};

/// Its answers are text messages, whatever octets they hold.
const WEB_SOCKET: WebSocket =
    WebSocket { path: "/ws", wrong_path: Some(404), disconnect: OnDisconnect::Closes, ..WebSocket::LIKE_TCP };

/// The same, which answers DISCONNECT before it closes.
const WEB_SOCKET_4: WebSocket = WebSocket { disconnect: OnDisconnect::Receipt, ..WEB_SOCKET };

/// A frame has at most 4 MiB, headers and all. One that is larger ends the connection without an ERROR.
const LIMITS_4_0: FrameLimits = FrameLimits { body: Some(4_193_304), headers: None };
/// The number of headers is limited, too; the excess ends the connection in the same way.
const LIMITS_4_3: FrameLimits = FrameLimits { headers: Some(100), ..LIMITS_4_0 };

/// The 21st delivery is the last.
const QUORUM_4_0: Quorum = Quorum {
    headers: &[("x-queue-type", "quorum")],
    delivery_limit: Some(20),
    counts_disconnects: true,
    counts_nacks: true,
};
/// What is given back is not counted.
const QUORUM_4_3: Quorum = Quorum { counts_nacks: false, ..QUORUM_4_0 };

fn dead_letter_queue(queue: &str) -> String {
    format!("DLQ.{queue}")
}

/// Dead letters go through an exchange; the one without a name routes to the queue that the key names.
fn dead_letter_headers(queue: &str) -> Vec<(&'static str, String)> {
    vec![("x-dead-letter-exchange", String::new()), ("x-dead-letter-routing-key", dead_letter_queue(queue))]
}

fn find(system: &System) -> io::Result<()> {
    require_file("RabbitMQ", &system.path("/usr/bin/epmd"), PACKAGE)?;
    require_file("RabbitMQ", &script(system, "rabbitmq-server"), PACKAGE)
}

/// A script of the newest installed version. Those on the `PATH` are Debian's: they change the user and start a child.
fn script(system: &System, name: &str) -> PathBuf {
    let versions = system.path(VERSIONS);
    let found = fs::read_dir(&versions).into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = found.max().unwrap_or_else(|| versions.join("rabbitmq_server"));
    newest.join("sbin").join(name)
}

fn configure(layout: &Layout) -> io::Result<Plan> {
    let definitions = write_common(layout)?;
    let nodes = (0..layout.nodes()).map(|node| configure_node(layout, node, &definitions));
    // Whoever looks for a node asks the name server at its address.
    let name_servers =
        (0..if layout.apart() { layout.nodes() } else { 1 }).map(|node| name_server(layout, node));
    Ok(Plan { nodes: nodes.collect::<io::Result<_>>()?, helpers: name_servers.collect::<io::Result<_>>()? })
}

/// Writes what all nodes share, and returns where the definitions are.
pub(super) fn write_common(layout: &Layout) -> io::Result<PathBuf> {
    layout.write("rabbitmq-env.conf", "")?;
    let cookie = layout.write(".erlang.cookie", "STOMPTESTS")?;
    // Erlang refuses a cookie that others may read.
    fs::set_permissions(cookie, fs::Permissions::from_mode(0o400))?;
    layout.write("definitions.json", &definitions(USERS))
}

fn configure_node(layout: &Layout, node: usize, definitions: &Path) -> io::Result<Launch> {
    let directory = layout.node_directory(node);
    let [stomp, tls_port, ws, wss] = ["stomp", "tls", "ws", "wss"].map(|purpose| layout.port(node, purpose));
    let listening = layout.listening();
    let text = configuration(listening, stomp, definitions)
        + &tls(listening, tls_port, layout.keys())
        + &web_socket(listening, ws)
        + &cluster(layout);
    layout.write(directory.join("rabbitmq.conf"), &text)?;
    layout.write(directory.join("advanced.config"), &secure_web_socket(listening, wss, layout.keys()))?;
    layout.write(directory.join("enabled_plugins"), "[rabbitmq_stomp,rabbitmq_web_stomp].\n")?;
    launch(layout, node, stomp, vec![tls_port, ws, wss])
}

pub(super) fn launch(layout: &Layout, node: usize, port: u16, further_ports: Vec<u16>) -> io::Result<Launch> {
    let (program, arguments) = layout.system().command(script(layout.system(), "rabbitmq-server"))?;
    let (name, environment) = (node_name(layout, node), environment(layout, node));
    Ok(Launch { name, program, arguments, environment, port, further_ports })
}

/// Raises or clears the alarm itself. A limit that is lowered shows only where /proc does, and never in another system.
fn memory_alarm(layout: &Layout, raised: bool) -> io::Result<()> {
    const ALARM: &str = "{resource_limit, memory, node()}";
    let call = if raised { format!("set_alarm({{{ALARM}, []}})") } else { format!("clear_alarm({ALARM})") };
    (0..layout.nodes()).try_for_each(|node| evaluate(layout, node, &format!("rabbit_alarm:{call}.")))
}

/// Before a queue is confirmed, Mnesia has written that it is to be made, and not yet that this was decided: a process of
/// its own writes that, into a buffer that is written every two seconds. A node that is killed before that has no such
/// queue when it is back, and none of the messages that it has confirmed. Here the process has done all that it was told,
/// and then the buffer is written.
fn write_queues(layout: &Layout) -> io::Result<()> {
    const WRITE: &str = "sys:get_state(mnesia_recover), disk_log:sync(latest_log).";
    (0..layout.nodes()).try_for_each(|node| evaluate(layout, node, WRITE))
}

/// Has a node evaluate an expression of Erlang.
fn evaluate(layout: &Layout, node: usize, expression: &str) -> io::Result<()> {
    let (program, arguments) = layout.system().command(script(layout.system(), "rabbitmqctl"))?;
    let mut control = Command::new(program);
    control.args(arguments).args(["--timeout", CONTROL_SECONDS, "-n", &node_name(layout, node)]);
    let output = control.args(["eval", expression]).envs(environment(layout, node)).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// How long a node may take to evaluate an expression.
const CONTROL_SECONDS: &str = "60";

fn node_name(layout: &Layout, node: usize) -> String {
    let address = layout.address(node);
    let host = if layout.apart() { address.to_string() } else { "localhost".to_owned() };
    format!("rabbit{node}@{host}")
}

/// Erlang's name server. Nodes that find none start one of their own, which would outlive them.
pub(super) fn name_server(layout: &Layout, node: usize) -> io::Result<Launch> {
    let port = layout.shared_port("names");
    let (program, mut arguments) = layout.system().command(layout.system().path("/usr/bin/epmd"))?;
    let address = layout.address(node).to_string();
    arguments.extend(["-port", &port.to_string(), "-address", &address].map(OsString::from));
    Ok(Launch {
        name: format!("epmd{node}"),
        program,
        arguments,
        environment: Vec::new(),
        port,
        further_ports: Vec::new(),
    })
}

fn environment(layout: &Layout, node: usize) -> Vec<(&'static str, OsString)> {
    let directory = layout.node_directory(node);
    let path = |name: &str| OsString::from(directory.join(name));
    vec![
        ("HOME", layout.directory().into()),
        ("ERL_EPMD_ADDRESS", layout.address(node).to_string().into()),
        ("ERL_EPMD_PORT", layout.shared_port("names").to_string().into()),
        // No dump of the whole heap when the node dies while it starts.
        ("ERL_CRASH_DUMP_SECONDS", "0".into()),
        // Makes the script become the node instead of waiting for it, so that signals reach the node.
        ("RUNNING_UNDER_SYSTEMD", "true".into()),
        ("RABBITMQ_CONF_ENV_FILE", layout.directory().join("rabbitmq-env.conf").into()),
        ("RABBITMQ_NODENAME", node_name(layout, node).into()),
        // A host that is an address has dots.
        ("RABBITMQ_USE_LONGNAME", layout.apart().to_string().into()),
        ("RABBITMQ_DIST_PORT", layout.port(node, "distribution").to_string().into()),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config")),
        ("RABBITMQ_GENERATED_CONFIG_DIR", path("generated")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
        ("RABBITMQ_FEATURE_FLAGS_FILE", path("feature_flags")),
        ("RABBITMQ_MNESIA_BASE", path("data")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_PID_FILE", path("pid")),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", erlang_arguments(layout.address(node)).into()),
    ]
}

/// Only the own address is listened on, no name server is started, and a test machine is no machine of many cores.
fn erlang_arguments(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("-kernel inet_dist_use_interface {{{a},{b},{c},{d}}} -start_epmd false +S 2:2")
}

pub(super) fn configuration(listening: Ipv4Addr, stomp: u16, definitions: &Path) -> String {
    format!(
        "\
listeners.tcp = none
stomp.listeners.tcp.1 = {listening}:{stomp}
load_definitions = {}
loopback_users = none
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
log.file = false
log.console = true
log.console.level = info
log.console.use_colors = off
",
        definitions.display()
    )
}

fn tls(listening: Ipv4Addr, port: u16, keys: &Keys) -> String {
    format!(
        "\
stomp.listeners.ssl.1 = {listening}:{port}
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

/// The port of WebSockets without TLS.
fn web_socket(listening: Ipv4Addr, port: u16) -> String {
    format!("web_stomp.tcp.ip = {listening}\nweb_stomp.tcp.port = {port}\n")
}

/// The one with TLS, whose certificates of clients the other file cannot ask for.
fn secure_web_socket(listening: Ipv4Addr, port: u16, keys: &Keys) -> String {
    let [authority, certificate, key] =
        ["authority.pem", "broker.pem", "broker.key"].map(|name| keys.file(name));
    format!(
        r#"[{{rabbitmq_web_stomp, [{{ssl_config, [
  {{ip, "{listening}"}}, {{port, {port}}},
  {{cacertfile, "{authority}"}}, {{certfile, "{certificate}"}}, {{keyfile, "{key}"}},
  {{verify, verify_peer}}, {{fail_if_no_peer_cert, true}}, {{versions, ['tlsv1.3', 'tlsv1.2']}}
]}}]}}].
"#
    )
}

/// Nodes that find each other. Those that are cut off from most of the others pause, as RabbitMQ's guide advises.
fn cluster(layout: &Layout) -> String {
    let nodes = layout.nodes();
    if nodes < 2 {
        return String::new();
    }
    let names = (0..nodes)
        .map(|node| format!("cluster_formation.classic_config.nodes.{node} = {}\n", node_name(layout, node)));
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
        let text = configuration(Ipv4Addr::LOCALHOST, 4711, Path::new("/some where/definitions.json"));
        assert!(text.contains("\nstomp.listeners.tcp.1 = 127.0.0.1:4711\n"), "{text}");
        assert!(text.contains("\nload_definitions = /some where/definitions.json\n"), "{text}");
    }

    #[test]
    fn both_ports_of_web_sockets_are_named() {
        let text = web_socket(Ipv4Addr::LOCALHOST, 4711);
        assert_eq!(text, "web_stomp.tcp.ip = 127.0.0.1\nweb_stomp.tcp.port = 4711\n");
        let layout = Layout::new(&RABBITMQ_3_10).unwrap();
        let text = secure_web_socket(Ipv4Addr::LOCALHOST, 4712, layout.keys());
        assert!(text.contains("{ip, \"127.0.0.1\"}, {port, 4712},"), "{text}");
        assert!(text.contains("{fail_if_no_peer_cert, true}"), "{text}");
    }

    #[test]
    fn the_nodes_of_a_cluster_know_each_other() {
        assert_eq!(cluster(&Layout::new(&RABBITMQ_3_10).unwrap()), "");
        let text = cluster(&Layout::new(&RABBITMQ_CLUSTER).unwrap());
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
        let dead_letter = RABBITMQ_3_10.behaviour.dead_letter;
        let headers = (dead_letter.queue_headers)("orders");
        assert_eq!(headers[1], ("x-dead-letter-routing-key", "DLQ.orders".to_owned()));
        assert_eq!((dead_letter.destination)("orders"), "/queue/DLQ.orders");
    }

    #[test]
    fn every_file_of_a_node_is_in_its_own_directory() {
        let layout = Layout::new(&Description { nodes: 2, ..RABBITMQ_3_10.clone() }).unwrap();
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
