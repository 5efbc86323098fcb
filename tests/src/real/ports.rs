//! Knows which ports of 127.0.0.1 nobody uses.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The ports that brokers of this process hold. A broker binds its ports seconds after they were chosen, and the
/// system would hand them out again meanwhile.
static HELD: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Ports held for one broker, free for others when this is dropped.
#[derive(Debug)]
pub(super) struct Ports {
    numbers: Vec<u16>,
}

impl Ports {
    /// Holds `count` different ports that are free now.
    ///
    /// Another process may still take one before the broker does; then the broker dies and is tried elsewhere.
    pub(super) fn hold(count: usize) -> io::Result<Self> {
        let mut ports = Self { numbers: Vec::with_capacity(count) };
        // The listeners stay open until all ports are chosen, so that none is chosen twice.
        let mut listeners = Vec::new();
        while ports.numbers.len() < count {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            listeners.push(listener);
            if held().insert(port) {
                ports.numbers.push(port);
            }
        }
        Ok(ports)
    }

    /// The held ports, in the order in which they were chosen.
    pub(super) fn numbers(&self) -> &[u16] {
        &self.numbers
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        let mut held = held();
        self.numbers.iter().for_each(|port| {
            held.remove(port);
        });
    }
}

fn held() -> MutexGuard<'static, BTreeSet<u16>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_ports_differ_and_can_be_bound() {
        let first = Ports::hold(3).unwrap();
        let second = Ports::hold(3).unwrap();
        let all: BTreeSet<u16> = first.numbers().iter().chain(second.numbers()).copied().collect();
        assert_eq!(all.len(), 6);
        for port in all {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn dropped_ports_are_no_longer_held() {
        let ports = Ports::hold(2).unwrap();
        let numbers = ports.numbers().to_vec();
        drop(ports);
        let held = held();
        assert!(numbers.iter().all(|port| !held.contains(port)));
    }
}
