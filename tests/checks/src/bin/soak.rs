//! Mixed load on brokers that fail at random, for as long as one likes: see the module `soak`.

#![cfg_attr(not(unix), allow(dead_code, unused_imports, reason = "the module is for Unix"))]

use std::{process::ExitCode, time::Duration};

#[cfg(unix)]
use stomp_checks::soak::{Kind, Plan};
#[cfg(unix)]
use stomp_testkit::real;

const USAGE: &str = "usage: soak [--minutes N] [--broker NAME]… [--seed N] [--directory PATH] [URI]…

Puts mixed load on brokers that are killed, frozen and cut off at random, and samples memory, file descriptors, tasks and
latency. It ends with 1 if a message was lost or given up, or if something grows that should not.

  --minutes N      how long (10)
  --broker NAME    a real broker, such as RabbitMQ, or `embedded`; may be given again (embedded)
  --seed N         from what faults are drawn (1)
  --directory PATH where soak.svg and soak.jsonl are written (target/soak)
  URI              a broker that runs already, to which nothing happens";

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("soak runs on Unix");
    ExitCode::FAILURE
}

#[cfg(unix)]
fn main() -> ExitCode {
    match plan(std::env::args().skip(1)) {
        Ok(Some(plan)) => soak(&plan),
        Ok(None) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

#[cfg(unix)]
fn soak(plan: &Plan) -> ExitCode {
    let verdict = match stomp_checks::soak::run(plan) {
        Ok(verdict) => verdict,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{} faults, beside connections that were cut", verdict.faults);
    verdict.brokers.iter().for_each(|line| println!("{line}"));
    verdict.growth.iter().for_each(|line| println!("{line}"));
    if verdict.growth.is_empty() {
        println!("too short to say whether something grows");
    }
    println!("{}", if verdict.is_good() { "ok" } else { "FAILED" });
    if verdict.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(unix)]
fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Option<Plan>, String> {
    let mut plan = Plan {
        length: Duration::from_secs(600),
        brokers: Vec::new(),
        seed: 1,
        directory: "target/soak".into(),
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--help" => return Ok(None),
            "--minutes" => plan.length = minutes(&value()?)?,
            "--broker" => plan.brokers.push(broker(&value()?)?),
            "--seed" => plan.seed = value()?.parse().map_err(|_| "the seed is a number")?,
            "--directory" => plan.directory = value()?.into(),
            option if option.starts_with('-') => return Err(format!("unknown option {option}")),
            _ => plan.brokers.push(Kind::Uri(argument)),
        }
    }
    if plan.brokers.is_empty() {
        plan.brokers.push(Kind::Embedded);
    }
    Ok(Some(plan))
}

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| "minutes are a number")?;
    Duration::try_from_secs_f64(minutes * 60.0).map_err(|error| error.to_string())
}

#[cfg(unix)]
fn broker(name: &str) -> Result<Kind, String> {
    if name == "embedded" {
        return Ok(Kind::Embedded);
    }
    let found = real::ALL.into_iter().find(|description| description.name == name);
    let names = || real::ALL.map(|description| description.name).join(", ");
    found.map(Kind::Real).ok_or_else(|| format!("no broker {name}: embedded, {}", names()))
}
