//! stomp-smol.

use stomp_smol as adapter;

#[path = "suite.rs"]
mod suite;
