//! Allocations, counted by the allocator of this program.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use stomp_bench::workload::Workload;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Passes before anything is counted: buffers have their room then.
const WARM_UP: u64 = 4;
const PASSES: u64 = 4;

/// Allocations a frame, growth of an allocation included, once buffers have their room.
pub(crate) fn count(mut workload: Workload) -> f64 {
    workload.run(WARM_UP);
    let region = Region::new(ALLOCATOR);
    workload.run(PASSES);
    let change = region.change();
    (change.allocations + change.reallocations) as f64 / (PASSES * workload.frames) as f64
}

/// Octets on the heap that an idle session holds.
#[cfg(not(feature = "client"))]
pub(crate) fn count_idle_session() -> f64 {
    let session = crate::session::Standing::new(1).quiet();
    let region = Region::new(ALLOCATOR);
    drop(session);
    let change = region.change();
    (change.bytes_deallocated - change.bytes_allocated) as f64
}
