//! The parts of the client that threads share without its lock, from its own source, run by loom in every order that the
//! threads and their memory allow.
#![cfg(test)]

/// As in `stomp-session`.
mod client {
    pub(super) mod sync;

    #[path = "../../../../stomp-session/src/client/gauge.rs"]
    mod gauge;
    #[path = "../../../../stomp-session/src/client/runner/ready.rs"]
    mod ready;

    mod reading;
    mod waking;
}
