//! The directory and the ports of a broker.

use super::Description;
use super::keys::Keys;
use super::ports::Ports;
use std::fs;
use std::io;
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
}

impl Layout {
    /// Creates an empty directory, and chooses free ports for the purposes in `description`.
    pub(super) fn new(description: &Description) -> io::Result<Self> {
        let count = description.shared_ports.len() + description.nodes * description.node_ports.len();
        let (ports, directory) = (Ports::hold(count)?, new_directory()?);
        Ok(Self {
            ports,
            keys: Keys::make(&directory)?,
            directory,
            nodes: description.nodes,
            node_ports: description.node_ports,
            shared_ports: description.shared_ports,
        })
    }

    /// Returns the number of nodes.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// Returns the directory of the broker, which no other broker uses.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the certificates that the broker uses for TLS.
    pub fn keys(&self) -> &Keys {
        &self.keys
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
    }
}

fn position(purposes: &[&str], purpose: &str) -> usize {
    match purposes.iter().position(|named| *named == purpose) {
        Some(position) => position,
        None => panic!("the description names no port for {purpose:?}, only for {purposes:?}"),
    }
}

/// Makes a directory that no other broker has, of this process or of another one.
fn new_directory() -> io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("stomp-broker-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        match fs::create_dir(&directory) {
            // A process that was killed may have left one under the number that is now ours.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| directory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ACTIVEMQ, RABBITMQ};
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_purpose_of_every_node_has_its_own_port() {
        let cluster = Description { nodes: 3, ..RABBITMQ.clone() };
        let layout = Layout::new(&cluster).unwrap();
        let mut ports = BTreeSet::from([layout.shared_port("names")]);
        for node in 0..layout.nodes() {
            ports.extend(cluster.node_ports.iter().map(|purpose| layout.port(node, purpose)));
        }
        assert_eq!(ports.len(), 1 + 3 * cluster.node_ports.len());
    }

    #[test]
    fn two_layouts_share_no_directory_and_leave_none() {
        let first = Layout::new(&ACTIVEMQ).unwrap();
        let second = Layout::new(&ACTIVEMQ).unwrap();
        assert_ne!(first.directory(), second.directory());
        let file = first.write("deep/below/file", "text").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
        let directory = first.directory().to_owned();
        drop(first);
        assert!(!directory.exists());
    }

    #[test]
    #[should_panic(expected = "names no port for \"telnet\"")]
    fn an_unknown_purpose_is_a_mistake_of_the_description() {
        Layout::new(&ACTIVEMQ).unwrap().port(0, "telnet");
    }
}
