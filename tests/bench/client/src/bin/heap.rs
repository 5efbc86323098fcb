//! Octets on the heap that an idle connection holds, counted by the allocator of this program. `client` runs it.

#![forbid(unsafe_code)]

use std::{alloc::System, env, io, time::Duration};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use stomp_bench_client::idle::{self, Hosts, Idle};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Connections, so that what a runtime keeps for itself counts little.
const CONNECTIONS: usize = 200;
/// After which buffers that are not used have been given back.
const QUIET: Duration = Duration::from_secs(2);

fn main() -> io::Result<()> {
    if env::args().nth(1).as_deref() == Some(idle::SERVE) {
        return idle::serve();
    }
    let hosts = Hosts::start()?;
    for idle in idle::all() {
        println!("{}\t{}", idle.name, count(&hosts, idle));
    }
    Ok(())
}

fn count(hosts: &Hosts, idle: Idle) -> usize {
    // What is made once.
    let first = hosts.connect(idle, 1);
    hosts.wait(idle, QUIET);
    let region = Region::new(ALLOCATOR);
    let others = hosts.connect(idle, CONNECTIONS);
    hosts.wait(idle, QUIET);
    let change = region.change();
    drop((first, others));
    change.bytes_allocated.saturating_sub(change.bytes_deallocated) / CONNECTIONS
}
