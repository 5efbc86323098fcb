//! What the crates of this project are checked with. It is not published, and changes without notice.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`sim`] | clients, brokers and the network between them on one thread, in virtual time, from a seed |
//! | [`disaster`] | the same for sessions without a client: all that can go wrong, and the laws that hold nevertheless |
//! | [`play`] | one session that takes random steps, and the laws that hold after each |
//! | [`presets`] | what real brokers answer to many questions, which the presets of the embedded one are held to |
//! | [`planted`] | bugs, each of which breaks a law, to see that they are found |
//! | [`conformance`] | the rows of `tests/data/conformance.jsonl`, and who judges them |
//! | [`codec`] | the laws of parser and encoder |
//! | [`fuzzing`] | what the fuzz targets run |
//! | [`wire`] | a stream in memory of which a test plays the other end, WebSockets included |
//! | `soak` (feature `real`) | mixed load on brokers that fail, for hours |
//! | `cluster` (feature `real`) | clusters of real brokers in network namespaces, under load, while nodes die |

#![forbid(unsafe_code)]

#[cfg(all(target_os = "linux", feature = "real"))]
pub mod cluster;
pub mod codec;
pub mod conformance;
pub mod disaster;
pub mod fuzzing;
pub mod planted;
pub mod play;
pub mod presets;
pub mod sim;
#[cfg(all(unix, feature = "real"))]
pub mod soak;
pub mod wire;
