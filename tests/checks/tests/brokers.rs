//! One suite over real brokers: each case for each broker, adapter and version.
//!
//! A broker is a description (`stomp_testkit::real`); nothing here asks for a broker's name. A broker that cannot be started
//! is a failure. Each broker's cases run in a process of their own, several at a time, and what it prints is shown when it
//! has ended. In the end a table shows each case with each broker, and `target/brokers.jsonl` the same for machines.
//!
//! Arguments choose: `--all` (else those that are tested by default), `--without NAME, NAME`, `--at-once N`, the names of
//! brokers, and parts of the titles that cases have.

mod real_cases;
mod real_suite;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;

use real_suite::{child, parent};

fn main() -> ExitCode {
    let arguments = match real_suite::Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match &arguments.child {
        Some(child) => child::run(child, &arguments.parts),
        None => parent::run(&arguments),
    }
}
