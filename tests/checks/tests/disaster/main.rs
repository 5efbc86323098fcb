//! Sessions among disasters: seeds, and the exhaustive parts.

mod clusters;
mod exhaustive;
mod laws;
mod seeds;
mod suspects;
