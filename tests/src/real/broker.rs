//! A whole broker: its ports, its configuration, its processes, and their end.

use super::process::{Failure, Limits, Process, Readiness};
use super::{Description, GUEST, Launch, Layout, User, WebSocket};
use std::io;

/// How often a broker that dies while it starts is tried, each time with new ports and a new directory.
const ATTEMPTS: u32 = 3;

/// A real broker that this process has started. Dropping it kills all its processes and removes its directory.
#[derive(Debug)]
pub struct RealBroker {
    // Dropped in this order: nodes are killed before what they need, and nobody writes when the directory goes.
    nodes: Vec<Process>,
    helpers: Vec<Process>,
    layout: Layout,
    description: Description,
}

impl RealBroker {
    /// Starts the described broker in its own directory and on free ports, and waits until it answers a CONNECT.
    ///
    /// # Errors
    ///
    /// Returns an error if the broker is not installed (the error then says how to install it), if it dies three times
    /// while it starts, or if it is not ready in time (the errors then quote its log).
    pub fn start(description: &Description) -> io::Result<Self> {
        (description.find)()?;
        let mut attempt = 1;
        loop {
            match Self::try_start(description) {
                // Another process may have taken one of its ports after they were chosen.
                Err(Failure::Died(_)) if attempt < ATTEMPTS => attempt += 1,
                outcome => return Ok(outcome?),
            }
        }
    }

    fn try_start(description: &Description) -> Result<Self, Failure> {
        let layout = Layout::new(description)?;
        let plan = (description.configure)(&layout)?;
        let mut broker = Self {
            nodes: nodes(plan.nodes, &layout, description),
            helpers: processes(plan.helpers, &layout, description, Readiness::Listens),
            layout,
            description: description.clone(),
        };
        for helper in &mut broker.helpers {
            helper.launch()?;
            helper.wait_ready()?;
        }
        broker.launch_nodes()?;
        Ok(broker)
    }

    /// Launches all nodes before it waits for any: the nodes of a cluster wait for each other.
    fn launch_nodes(&mut self) -> Result<(), Failure> {
        self.nodes.iter_mut().try_for_each(Process::launch)?;
        self.nodes.iter_mut().try_for_each(Process::wait_ready)
    }

    /// Returns the description from which the broker was started.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Returns the directory and the ports of the broker.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the STOMP port of the first node, on 127.0.0.1.
    pub fn stomp_port(&self) -> u16 {
        self.layout.port(0, "stomp")
    }

    /// Returns the URI of the first node, with the credentials of [`Self::login`]: over a WebSocket if the broker is
    /// reached in no other way.
    pub fn uri(&self) -> String {
        if self.description.node_ports.contains(&"stomp") { self.node_uri(0) } else { self.web_socket_uri() }
    }

    /// Returns the URI of a node, counted from 0, with the credentials of [`Self::login`].
    ///
    /// # Panics
    ///
    /// Panics if the broker has fewer nodes.
    pub fn node_uri(&self, node: usize) -> String {
        let User { login, passcode } = self.login();
        format!("tcp://{login}:{passcode}@127.0.0.1:{}", self.layout.port(node, "stomp"))
    }

    /// Returns the URI of the first node over TLS, with the credentials of [`Self::login`]. The certificates are in
    /// [`Layout::keys`].
    pub fn tls_uri(&self) -> String {
        let User { login, passcode } = self.login();
        format!("ssl://{login}:{passcode}@localhost:{}", self.layout.port(0, "tls"))
    }

    /// Returns the URI of the first node over a WebSocket, with the credentials of [`Self::login`].
    ///
    /// # Panics
    ///
    /// Panics if the broker is not reached over a WebSocket.
    pub fn web_socket_uri(&self) -> String {
        self.web_socket().uri(&self.layout, 0, self.login())
    }

    /// Returns the URI of the first node over a WebSocket with TLS, with the credentials of [`Self::login`], or `None` if
    /// the broker has none. The certificates are in [`Layout::keys`].
    ///
    /// # Panics
    ///
    /// Panics if the broker is not reached over a WebSocket.
    pub fn secure_web_socket_uri(&self) -> Option<String> {
        self.web_socket().tls_uri(&self.layout, 0, self.login())
    }

    fn web_socket(&self) -> &WebSocket {
        self.description.behaviour.web_socket.as_ref().expect("the broker is reached over a WebSocket")
    }

    /// Returns the user with which clients log in by default.
    pub fn login(&self) -> User {
        GUEST
    }

    /// Returns a node, counted from 0, to control one node of a cluster by itself.
    ///
    /// # Panics
    ///
    /// Panics if the broker has fewer nodes.
    pub fn node(&mut self, node: usize) -> &mut Process {
        &mut self.nodes[node]
    }

    /// Kills all nodes without warning (SIGKILL). Returns once they have ended.
    ///
    /// # Errors
    ///
    /// Returns an error if the signal cannot be sent.
    pub fn kill(&mut self) -> io::Result<()> {
        self.nodes.iter_mut().try_for_each(Process::kill)
    }

    /// Asks all nodes to end (SIGTERM), and kills those that do not end in time.
    ///
    /// # Errors
    ///
    /// Returns an error if the signal cannot be sent.
    pub fn stop(&mut self) -> io::Result<()> {
        self.nodes.iter_mut().try_for_each(Process::stop)
    }

    /// Kills the nodes that still run, launches all of them again in the same directory and on the same ports, and
    /// waits until each is ready.
    ///
    /// # Errors
    ///
    /// Returns an error if a node is not ready in time. The error quotes its log.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        Ok(self.launch_nodes()?)
    }

    /// Stops all nodes (SIGSTOP). Connections stay open, and nothing is answered.
    ///
    /// # Errors
    ///
    /// Returns an error if a node is not running.
    pub fn freeze(&mut self) -> io::Result<()> {
        self.nodes.iter_mut().try_for_each(Process::freeze)
    }

    /// Continues stopped nodes (SIGCONT).
    ///
    /// # Errors
    ///
    /// Returns an error if a node is not running.
    pub fn thaw(&mut self) -> io::Result<()> {
        self.nodes.iter_mut().try_for_each(Process::thaw)
    }
}

/// The nodes, which are ready when they answer a CONNECT, and open a WebSocket where they have one.
fn nodes(launches: Vec<Launch>, layout: &Layout, description: &Description) -> Vec<Process> {
    let Description { node_ports, behaviour, .. } = description;
    let readiness = match node_ports.contains(&"stomp") {
        true => Readiness::Answers(GUEST, behaviour.virtual_host),
        false => Readiness::Listens,
    };
    let nodes = processes(launches, layout, description, readiness).into_iter().enumerate();
    let opening = |(node, process): (usize, Process)| match behaviour.web_socket {
        Some(WebSocket { port, path, .. }) => process.opening(layout.port(node, port), path),
        None => process,
    };
    nodes.map(opening).collect()
}

fn processes(
    launches: Vec<Launch>,
    layout: &Layout,
    description: &Description,
    readiness: Readiness,
) -> Vec<Process> {
    let Description { ready_within, stops_within, .. } = *description;
    let limits = Limits { ready_within, stops_within };
    launches.into_iter().map(|launch| Process::new(launch, layout.directory(), limits, readiness)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{ACTIVEMQ_5_17, Plan};
    use super::*;
    use std::path::PathBuf;
    use std::time::Duration;

    fn installed() -> io::Result<()> {
        Ok(())
    }

    /// A broker that notes each attempt outside of its own directory, which does not survive, and dies.
    fn dies(layout: &Layout) -> io::Result<Plan> {
        let text = "echo \"$0\" >> \"$1\"; echo port is taken; exit 1";
        let port = layout.port(0, "stomp");
        let arguments = ["-c", text, &port.to_string()].map(Into::into).into_iter();
        let launch = Launch {
            name: "broken".to_owned(),
            program: "/bin/sh".into(),
            arguments: arguments.chain([attempts().into_os_string()]).collect(),
            environment: Vec::new(),
            port,
            further_ports: Vec::new(),
        };
        Ok(Plan { helpers: Vec::new(), nodes: vec![launch] })
    }

    fn attempts() -> PathBuf {
        std::env::temp_dir().join(format!("stomp-attempts-{}", std::process::id()))
    }

    #[test]
    fn a_broker_that_dies_is_tried_three_times_on_new_ports() {
        let description = Description {
            find: installed,
            configure: dies,
            ready_within: Duration::from_secs(5),
            ..ACTIVEMQ_5_17.clone()
        };
        let error = RealBroker::start(&description).unwrap_err();
        assert!(error.to_string().contains("port is taken"), "{error}");
        let ports = std::fs::read_to_string(attempts()).unwrap();
        std::fs::remove_file(attempts()).unwrap();
        assert_eq!(ports.lines().count(), 3, "{ports}");
    }

    #[test]
    fn a_broker_that_is_not_installed_is_not_tried() {
        let missing = || Err(io::Error::new(io::ErrorKind::NotFound, "install it"));
        let description = Description { find: missing, ..ACTIVEMQ_5_17.clone() };
        assert_eq!(RealBroker::start(&description).unwrap_err().to_string(), "install it");
    }
}
