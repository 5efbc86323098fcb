//! The client as a script uses it: every call waits in the thread that makes it. One suite for every adapter.

#![allow(clippy::duplicate_mod, reason = "the suite is compiled for each adapter")]

mod smol;
mod tokio;
