//! What both programs share: the frames to read and to write, and everything that reads or writes them.

#![forbid(unsafe_code)]

pub mod corpus;
pub mod decoders;
pub mod encoders;
pub mod lower_bound;
pub mod mask;
pub mod table;
pub mod workload;
