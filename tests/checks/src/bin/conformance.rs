//! Checks files of conformance rows and prints the rows that do not hold.

use std::{env, fs, process::ExitCode};

use stomp_checks::conformance::Report;

fn main() -> ExitCode {
    let files: Vec<String> = env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: conformance FILE.jsonl [FILE...]");
        return ExitCode::from(2);
    }
    let mut report = Report::default();
    for file in &files {
        match fs::read_to_string(file) {
            Ok(lines) => report.judge_lines(file, &lines),
            Err(error) => report.unreadable(file, error),
        }
    }
    for failure in &report.failed {
        println!("{failure}");
    }
    println!("{} passed, {} failed", report.passed, report.failed.len());
    if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
