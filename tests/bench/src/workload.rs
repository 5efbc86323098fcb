//! What is counted: a pass is a whole number of frames, so that counts can be divided by frames or octets.

use std::fmt;

/// Frames of one kind, read or written.
pub struct Workload {
    /// Frames in a pass.
    pub frames: u64,
    /// Octets in a pass.
    pub octets: u64,
    /// Does it.
    pub pass: Box<dyn FnMut()>,
}

impl Workload {
    /// Does that many passes.
    pub fn run(&mut self, passes: u64) {
        for _ in 0..passes {
            (self.pass)();
        }
    }
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workload")
            .field("frames", &self.frames)
            .field("octets", &self.octets)
            .finish_non_exhaustive()
    }
}
