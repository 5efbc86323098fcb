//! What a message costs from end to end, ours beside the peers: CPU time of the client's threads over loopback.

#![forbid(unsafe_code)]

use std::{env, io, process::ExitCode};

use stomp_bench_client::{check, once, work};

const USAGE: &str = "usage: client [--check] [--only PREFIX] | --work NAME ROUNDS";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => succeed(once("")),
        ["--only", prefix] => succeed(once(prefix)),
        ["--check"] => judge(check("")),
        ["--check", "--only", prefix] => judge(check(prefix)),
        ["--work", name, rounds] => match rounds.parse().ok().and_then(|rounds| work(name, rounds)) {
            Some(()) => ExitCode::SUCCESS,
            None => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn succeed(run: io::Result<Vec<bool>>) -> ExitCode {
    match run {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn judge(missed: io::Result<usize>) -> ExitCode {
    match missed {
        Ok(missed) => {
            println!("{missed} missed");
            if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &io::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}
