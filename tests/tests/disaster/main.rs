//! Sessions among disasters: seeds, and the exhaustive parts.

mod seeds;
