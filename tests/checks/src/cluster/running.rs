//! A cluster that runs: its processes in their namespaces.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use stomp_testkit::real::{GUEST, Launch, Layout, Process};

use super::{
    Interrupt,
    kind::{Kind, Shape},
    lan::{Lans, Line},
    probe,
};

/// A cluster that runs. Dropping it kills its processes and removes its directory and its networks.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: nodes are killed before what they need, and nobody writes when the directory goes.
    nodes: Vec<Process>,
    helpers: Vec<Process>,
    layout: Layout,
    lans: Lans,
    kind: &'static Kind,
    /// How often each node had said that it waits when it was launched last.
    waited: Vec<usize>,
    interrupt: Interrupt,
}

impl Cluster {
    /// Starts a cluster, and waits until it serves.
    ///
    /// # Errors
    /// Returns an error if the broker is not installed, if this is not root, or if a node is not ready in time.
    pub fn start(kind: &'static Kind, interrupt: &Interrupt) -> io::Result<Self> {
        let description = kind.description;
        (description.find)()?;
        let lans = Lans::new(description.nodes)?;
        let addresses = (0..description.nodes).map(|node| lans.address(Line::Nodes, node)).collect();
        let layout = Layout::at(description, addresses)?;
        let plan = (description.configure)(&layout)?;
        let process = |(node, launch): (usize, Launch)| {
            Process::of(description, within(&lans.namespace(node), launch), &layout)
        };
        let nodes = plan.nodes.into_iter().enumerate().map(process).collect();
        let helpers = plan.helpers.into_iter().enumerate().map(process).collect();
        let waited = vec![0; description.nodes];
        let mut cluster = Self { nodes, helpers, layout, lans, kind, waited, interrupt: interrupt.clone() };
        cluster.launch_all()?;
        Ok(cluster)
    }

    fn launch_all(&mut self) -> io::Result<()> {
        self.helpers.iter_mut().try_for_each(Process::launch)?;
        // Nodes that find no name server start one of their own, which would outlive them.
        for node in 0..self.helpers.len() {
            self.wait("the name server", node, |cluster, node| probe::listens(cluster.helper(node)))?;
        }
        self.launch_nodes()
    }

    /// Launches all nodes that do not run, and waits until they are back. The first node of a pair serves.
    ///
    /// # Errors
    /// Returns an error if one is not.
    pub fn launch_nodes(&mut self) -> io::Result<()> {
        for node in 0..self.nodes.len() {
            self.launch(node)?;
            if matches!(self.kind.shape, Shape::Pair(_)) {
                self.wait_back(node)?;
            }
        }
        (0..self.nodes.len()).try_for_each(|node| self.wait_back(node))
    }

    /// Launches a node without waiting for it.
    ///
    /// # Errors
    /// Returns an error if it cannot be launched.
    pub fn launch(&mut self, node: usize) -> io::Result<()> {
        self.waited[node] = self.waits(node);
        self.nodes[node].launch()
    }

    /// Waits until a node serves, or waits for the store of the one that serves.
    ///
    /// # Errors
    /// Returns an error that quotes the log if it does not in time.
    pub fn wait_back(&mut self, node: usize) -> io::Result<()> {
        self.wait("a node", node, |cluster, node| {
            probe::answers(cluster.address(node), cluster.virtual_host())
                || cluster.waits(node) > cluster.waited[node]
        })
    }

    /// How often a node has said that it waits for the store.
    fn waits(&self, node: usize) -> usize {
        let Shape::Pair(words) = self.kind.shape else { return 0 };
        self.nodes[node].log().map_or(0, |log| words.iter().map(|words| log.matches(words).count()).sum())
    }

    fn wait(&self, what: &str, node: usize, mut is_so: impl FnMut(&Self, usize) -> bool) -> io::Result<()> {
        let deadline = Instant::now() + self.kind.description.ready_within;
        while !is_so(self, node) {
            if Instant::now() > deadline {
                let log = self.nodes[node].log().unwrap_or_default();
                let tail = &log[log.len().saturating_sub(3_000)..];
                return Err(io::Error::other(format!("{what} is not back: {node}; its log ends:\n{tail}")));
            }
            self.interrupt.sleep(Duration::from_millis(100))?;
        }
        Ok(())
    }

    /// Returns the number of nodes.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// Returns its kind.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// Returns its networks.
    pub fn lans(&self) -> &Lans {
        &self.lans
    }

    /// Returns a node.
    pub fn node(&mut self, node: usize) -> &mut Process {
        &mut self.nodes[node]
    }

    /// Returns where a node serves clients.
    pub fn address(&self, node: usize) -> SocketAddr {
        self.address_in(Line::Clients, node)
    }

    fn address_in(&self, line: Line, node: usize) -> SocketAddr {
        (self.lans.address(line, node), self.layout.port(node, "stomp")).into()
    }

    fn helper(&self, node: usize) -> SocketAddr {
        (self.lans.address(Line::Nodes, node), self.helpers[node].port()).into()
    }

    pub(super) fn virtual_host(&self) -> &'static str {
        self.kind.description.behaviour.virtual_host
    }

    /// Returns the URI of all nodes, in that network.
    pub fn uri(&self, line: Line) -> String {
        let (login, passcode) = (GUEST.login, GUEST.passcode);
        let nodes =
            (0..self.size()).map(|node| format!("tcp://{login}:{passcode}@{}", self.address_in(line, node)));
        format!("failover:({})", nodes.collect::<Vec<_>>().join(","))
    }

    /// Returns the node with that host in any network.
    pub fn node_at(&self, host: &str) -> Option<usize> {
        let line = [Line::Clients, Line::Victims];
        (0..self.size())
            .find(|node| line.iter().any(|line| self.lans.address(*line, *node).to_string() == host))
    }
}

/// The same in that namespace. `ip` becomes the program, so that signals reach it.
fn within(namespace: &str, launch: Launch) -> Launch {
    let mut arguments = ["netns", "exec", namespace].map(Into::into).to_vec();
    arguments.push(launch.program.into_os_string());
    arguments.extend(launch.arguments);
    Launch { program: "ip".into(), arguments, ..launch }
}
