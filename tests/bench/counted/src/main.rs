//! What the gates count: the session alone, or with the feature `client` the client around it, in memory and without a runtime.

#![forbid(unsafe_code)]

mod allocations;
#[cfg(feature = "client")]
mod client;
#[cfg(not(feature = "client"))]
mod session;

use std::{env, process::ExitCode};

use stomp_bench::workload::Workload;

const USAGE: &str = "usage: counted NAME PASSES | --pass NAME | --allocations NAME | --idle-session";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let Some(answer) = answer(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    println!("{answer}");
    ExitCode::SUCCESS
}

fn answer(arguments: &[&str]) -> Option<String> {
    Some(match *arguments {
        ["--pass", name] => find(name).map(|workload| format!("{} {}", workload.frames, workload.octets))?,
        ["--allocations", name] => find(name).map(allocations::count)?.to_string(),
        #[cfg(not(feature = "client"))]
        ["--idle-session"] => allocations::count_idle_session().to_string(),
        [name, passes] => {
            find(name)?.run(passes.parse().ok()?);
            String::new()
        }
        _ => return None,
    })
}

/// A program has the workloads of the client or those of the session, which is counted without the client.
fn find(name: &str) -> Option<Workload> {
    #[cfg(feature = "client")]
    return client::find(name);
    #[cfg(not(feature = "client"))]
    return session::find(name);
}
