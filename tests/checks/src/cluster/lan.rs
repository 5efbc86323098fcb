//! Networks between nodes and clients: each node is in a network namespace of its own, with a line into each network.
//! A line that is cut swallows everything, and neither side is told.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::Ipv4Addr,
    process::{Command, Stdio},
};

/// The networks of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Between the nodes.
    Nodes = 0,
    /// Between the nodes and the clients.
    Clients = 1,
    /// Between the nodes and those clients before which the network goes dark.
    Victims = 2,
}

const LINES: [Line; 3] = [Line::Nodes, Line::Clients, Line::Victims];

/// The second octets of the addresses among which a cluster takes one for itself.
const BLOCKS: std::ops::Range<u8> = 64..128;

/// The networks of a cluster, with the namespaces of its nodes. Dropping it removes them.
#[derive(Debug)]
pub struct Lans {
    block: u8,
    nodes: usize,
}

impl Lans {
    /// Makes a namespace for each node and joins it to all networks. Takes root.
    pub(super) fn new(nodes: usize) -> io::Result<Self> {
        let lans = Self::take(nodes)?;
        LINES.into_iter().skip(1).try_for_each(|line| ip(&bridge(lans.block, line)))?;
        ip(&LINES.map(|line| lans.bridge_up(line)).concat())?;
        (0..nodes).try_for_each(|node| lans.build(node))?;
        Ok(lans)
    }

    /// A block is taken by whoever makes its first bridge.
    fn take(nodes: usize) -> io::Result<Self> {
        let mut refused = io::Error::other("no block is free");
        for block in BLOCKS {
            match ip(&bridge(block, Line::Nodes)) {
                Ok(()) => return Ok(Self { block, nodes }),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// The clients are where the bridge is. Nobody is asked for a hardware address, whose silence would be an error.
    fn bridge_up(&self, line: Line) -> String {
        let bridge = self.bridge_name(line);
        let mut text = format!("addr add {}/24 dev {bridge}\nlink set {bridge} up\n", self.at(line, 1));
        for node in 0..self.nodes {
            let (address, hardware) = (self.address(line, node), self.hardware(line, Some(node)));
            let _ = writeln!(text, "neigh replace {address} lladdr {hardware} dev {bridge} nud permanent");
        }
        text
    }

    fn build(&self, node: usize) -> io::Result<()> {
        let namespace = self.namespace(node);
        ip(&format!("netns add {namespace}\n"))?;
        let mut without = String::new();
        let mut within = "link set lo up\n".to_owned();
        for line in LINES {
            let (port, bridge) = (self.port(line, node), self.bridge_name(line));
            let (inner, hardware) = (format!("line{}", line as u8), self.hardware(line, Some(node)));
            let _ = writeln!(
                without,
                "link add {port} type veth peer name {inner} address {hardware} netns {namespace}\n\
                 link set {port} master {bridge}\nlink set {port} up"
            );
            let _ = writeln!(
                within,
                "addr add {}/24 dev {inner}\nlink set {inner} up\n\
                 neigh replace {} lladdr {} dev {inner} nud permanent",
                self.address(line, node),
                self.at(line, 1),
                self.hardware(line, None)
            );
            for other in (0..self.nodes).filter(|other| *other != node) {
                let (address, hardware) = (self.address(line, other), self.hardware(line, Some(other)));
                let _ =
                    writeln!(within, "neigh replace {address} lladdr {hardware} dev {inner} nud permanent");
            }
        }
        ip(&without)?;
        ip_in(Some(&namespace), &within)
    }

    /// Returns the address of a node in a network.
    pub fn address(&self, line: Line, node: usize) -> Ipv4Addr {
        self.at(line, u8::try_from(node + 2).unwrap_or(u8::MAX))
    }

    fn at(&self, line: Line, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.block, line as u8, host)
    }

    fn hardware(&self, line: Line, node: Option<usize>) -> String {
        hardware(self.block, line, node)
    }

    /// Returns the name of a node's namespace.
    pub fn namespace(&self, node: usize) -> String {
        format!("stomp{}-node{node}", self.block)
    }

    fn bridge_name(&self, line: Line) -> String {
        bridge_name(self.block, line)
    }

    /// The end of a node's line at the bridge.
    fn port(&self, line: Line, node: usize) -> String {
        format!("stomp{}-{}n{node}", self.block, line as u8)
    }

    /// Cuts a node's line. Both of its ends stay up.
    ///
    /// # Errors
    /// Returns an error if `ip` fails.
    pub fn cut(&self, line: Line, node: usize) -> io::Result<()> {
        ip(&format!("link set {} nomaster\n", self.port(line, node)))
    }

    /// Joins a line that was cut.
    ///
    /// # Errors
    /// Returns an error if `ip` fails.
    pub fn join(&self, line: Line, node: usize) -> io::Result<()> {
        ip(&format!("link set {} master {}\n", self.port(line, node), self.bridge_name(line)))
    }
}

impl Drop for Lans {
    fn drop(&mut self) {
        // A namespace takes its ends of the lines along; the port that goes with each may be gone before it is asked.
        for node in 0..self.nodes {
            let _ = ip(&format!("netns del {}\n", self.namespace(node)));
        }
        for line in LINES {
            for node in 0..self.nodes {
                let _ = ip(&format!("link del {}\n", self.port(line, node)));
            }
            let _ = ip(&format!("link del {}\n", self.bridge_name(line)));
        }
    }
}

fn bridge_name(block: u8, line: Line) -> String {
    format!("stomp{block}-{}", line as u8)
}

/// That of a node, or of the bridge.
fn hardware(block: u8, line: Line, node: Option<usize>) -> String {
    let host = node.map_or(1, |node| node + 2);
    format!("02:53:{block:02x}:{:02x}:00:{host:02x}", line as u8)
}

fn bridge(block: u8, line: Line) -> String {
    format!(
        "link add name {} address {} type bridge\n",
        bridge_name(block, line),
        hardware(block, line, None)
    )
}

fn ip(commands: &str) -> io::Result<()> {
    ip_in(None, commands)
}

/// Has `ip` do all of it, within a namespace.
fn ip_in(namespace: Option<&str>, commands: &str) -> io::Result<()> {
    let mut command = Command::new("ip");
    if let Some(namespace) = namespace {
        command.args(["-n", namespace]);
    }
    command.args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| io::Error::new(error.kind(), format!("ip: {error}")))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(commands.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("ip: {} (clusters take root)", said.trim())))
}
