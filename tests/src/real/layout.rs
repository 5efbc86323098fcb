//! The directory and the ports of a broker.

use super::Description;
use super::keys::Keys;
use super::ports::Ports;
use super::system::System;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The directory and the ports of a broker. Dropping it removes the directory.
#[derive(Debug)]
pub struct Layout {
    directory: PathBuf,
    nodes: usize,
    node_ports: &'static [&'static str],
    shared_ports: &'static [&'static str],
    ports: Ports,
    keys: Keys,
    system: System,
    addresses: Vec<Ipv4Addr>,
}

impl Layout {
    /// Creates an empty directory, and chooses free ports for the purposes in `description`.
    pub(super) fn new(description: &Description) -> io::Result<Self> {
        Self::at(description, Vec::new())
    }

    /// The same for nodes that each have an address of their own, at which the others reach them.
    #[doc(hidden)]
    pub fn at(description: &Description, addresses: Vec<Ipv4Addr>) -> io::Result<Self> {
        let count = description.shared_ports.len() + description.nodes * description.node_ports.len();
        let system = description.system.map_or(Ok(System::OURS), |root| root().map(System::within))?;
        let (ports, directory) = (Ports::hold(count)?, new_directory(&system.writable())?);
        Ok(Self {
            system,
            ports,
            keys: Keys::make(&directory)?,
            directory,
            nodes: description.nodes,
            node_ports: description.node_ports,
            shared_ports: description.shared_ports,
            addresses,
        })
    }

    /// Returns the number of nodes.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// Returns the address at which the other nodes reach a node, counted from 0: the loopback, unless each node has an
    /// address of its own.
    pub fn address(&self, node: usize) -> Ipv4Addr {
        self.addresses.get(node).copied().unwrap_or(Ipv4Addr::LOCALHOST)
    }

    /// Returns the address on which nodes listen for clients: all of their own, or the loopback that they share.
    pub fn listening(&self) -> Ipv4Addr {
        if self.addresses.is_empty() { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED }
    }

    /// Returns whether each node has an address of its own.
    pub fn apart(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// Returns the directory of the broker, which no other broker uses.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the certificates that the broker uses for TLS.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The system that the broker is installed in.
    pub(super) fn system(&self) -> &System {
        &self.system
    }

    /// Returns the directory of a node, counted from 0. It exists once something has been written there.
    pub fn node_directory(&self, node: usize) -> PathBuf {
        self.directory.join(format!("node{node}"))
    }

    /// Returns the port of a node for a purpose in its description.
    ///
    /// # Panics
    ///
    /// Panics if the description has no such purpose or no such node.
    pub fn port(&self, node: usize, purpose: &str) -> u16 {
        assert!(node < self.nodes, "there is no node {node}");
        let first = self.shared_ports.len() + node * self.node_ports.len();
        self.ports.numbers()[first + position(self.node_ports, purpose)]
    }

    /// Returns the port that all nodes share for a purpose in their description.
    ///
    /// # Panics
    ///
    /// Panics if the description has no such purpose.
    pub fn shared_port(&self, purpose: &str) -> u16 {
        self.ports.numbers()[position(self.shared_ports, purpose)]
    }

    /// Writes a file below the directory of the broker, creates the directories that it needs, and returns its path.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>, text: &str) -> io::Result<PathBuf> {
        let path = self.directory.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("cannot remove {}: {error}", self.directory.display());
        }
        if let Some(link) = link_to(&self.directory) {
            let _ = fs::remove_file(link);
        }
    }
}

fn position(purposes: &[&str], purpose: &str) -> usize {
    match purposes.iter().position(|named| *named == purpose) {
        Some(position) => position,
        None => panic!("the description names no port for {purpose:?}, only for {purposes:?}"),
    }
}

/// Makes a directory below `parent` that no other broker has, of this process or of another one.
fn new_directory(parent: &Path) -> io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("stomp-broker-{}-{number}", std::process::id());
        let directory = parent.join(name);
        match fs::create_dir(&directory) {
            // A process that was killed may have left one under the number that is now ours.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => made?,
        }
        if let Some(link) = link_to(&directory) {
            symlink(&directory, link)?;
        }
        return Ok(directory);
    }
}

/// Whoever clears up after a process that was killed looks among the temporary files: there a link leads to a directory
/// that lies elsewhere.
fn link_to(directory: &Path) -> Option<PathBuf> {
    let link = std::env::temp_dir().join(directory.file_name()?);
    (link != directory).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::super::{ACTIVEMQ_5_17, RABBITMQ_3_10};
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_purpose_of_every_node_has_its_own_port() {
        let cluster = Description { nodes: 3, ..RABBITMQ_3_10.clone() };
        let layout = Layout::new(&cluster).unwrap();
        let mut ports = BTreeSet::from([layout.shared_port("names")]);
        for node in 0..layout.nodes() {
            ports.extend(cluster.node_ports.iter().map(|purpose| layout.port(node, purpose)));
        }
        assert_eq!(ports.len(), 1 + 3 * cluster.node_ports.len());
    }

    #[test]
    fn two_layouts_share_no_directory_and_leave_none() {
        let first = Layout::new(&ACTIVEMQ_5_17).unwrap();
        let second = Layout::new(&ACTIVEMQ_5_17).unwrap();
        assert_ne!(first.directory(), second.directory());
        let file = first.write("deep/below/file", "text").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
        let directory = first.directory().to_owned();
        drop(first);
        assert!(!directory.exists());
    }

    #[test]
    fn a_directory_in_another_system_is_found_among_the_temporary_files() {
        fn root() -> io::Result<PathBuf> {
            let root = std::env::temp_dir().join(format!("stomp-root-{}", std::process::id()));
            fs::create_dir_all(root.join("srv"))?;
            Ok(root)
        }
        let layout = Layout::new(&Description { system: Some(root), ..ACTIVEMQ_5_17.clone() }).unwrap();
        let link = link_to(layout.directory()).expect("it lies elsewhere");
        assert_eq!(fs::read_link(&link).unwrap(), layout.directory());
        assert!(layout.directory().starts_with(root().unwrap().join("srv")));
        drop(layout);
        assert!(!link.is_symlink());
        fs::remove_dir_all(root().unwrap()).unwrap();
    }

    #[test]
    #[should_panic(expected = "names no port for \"telnet\"")]
    fn an_unknown_purpose_is_a_mistake_of_the_description() {
        Layout::new(&ACTIVEMQ_5_17).unwrap().port(0, "telnet");
    }
}
