//! Allocations, counted by the allocator of this program.

use std::{alloc::System, hint::black_box};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use stomp_bench::{
    corpus::{self, Corpus},
    decoders::{self, Decode as _},
};
use stomp_proto::{Item, Parser};

use crate::workload;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Passes before anything is counted: buffers have their room then.
const WARM_UP: u64 = 4;
const PASSES: u64 = 4;
/// What a read buffer holds.
const BUFFER: usize = 64 * 1024;

/// Allocations a frame, growth of an allocation included, once buffers have their room.
pub(crate) fn count(name: &str) -> Result<f64, String> {
    let mut workload = workload::find(name).ok_or("no such workload")?;
    workload.run(WARM_UP);
    let allocations = during(|| workload.run(PASSES));
    Ok(allocations as f64 / (PASSES * workload.frames) as f64)
}

/// Allocations for each 64 KiB of frames that are all kept.
pub(crate) fn count_kept() -> f64 {
    let small = corpus::whole().swap_remove(0);
    let mut parser = decoders::ours();
    parser.pass(&small);
    let mut kept = Vec::with_capacity(small.frames as usize);
    let allocations = during(|| keep_all(&mut parser, &small, &mut kept));
    black_box(&kept);
    allocations as f64 / (small.stream.len() as f64 / BUFFER as f64)
}

fn keep_all(parser: &mut Parser, corpus: &Corpus, kept: &mut Vec<Item>) {
    for octets in corpus.stream.chunks(corpus.read) {
        parser.feed(octets);
        kept.extend(std::iter::from_fn(|| parser.next_item().expect("the corpora are valid")));
    }
}

fn during(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.allocations + change.reallocations
}
