//! The clients end to end, as their users have them, beside the peers.

#![forbid(unsafe_code)]

mod contest;
mod goals;
pub mod idle;
mod measure;
mod peers;
mod pin;
mod results;
mod rows;
mod run;
pub mod sink;

pub use run::{check, once, work};
