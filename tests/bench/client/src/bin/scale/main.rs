//! Many of them: idle connections, subscriptions, and connections that come back at once with TLS.

#![forbid(unsafe_code)]

mod fan;
mod quiet;
mod reconnect;
mod tls_server;

use std::{alloc::System, env, io, process::ExitCode};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const USAGE: &str = "usage: scale [idle | subscriptions | reconnect]";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => quiet::run().and_then(|()| fan::run()).and_then(|()| reconnect::run()),
        ["idle"] => quiet::run(),
        ["subscriptions"] => fan::run(),
        ["reconnect"] => reconnect::run(),
        [quiet::SERVE] => quiet::serve(),
        _ => Err(io::Error::other(USAGE)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
