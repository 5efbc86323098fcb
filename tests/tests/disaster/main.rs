//! Sessions among disasters: seeds, and the exhaustive parts.

mod exhaustive;
mod laws;
mod seeds;
mod suspects;
