//! Prints how long clients are away when their broker dies, in virtual time: see the module `outage`.

mod outage;

use std::{process::ExitCode, time::Duration};

use outage::{Absence, Outage, Third};

const USAGE: &str = "usage: failover [OPTIONS]

Prints how long clients are away when a broker dies, with the default options of a failover URI or with these
(for example `maxReconnectDelay=5000&fullJitter=false`), beside clients that follow the rule of ActiveMQ's own client.";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let options: &'static str = match &arguments[..] {
        [] => "",
        [options] if !options.starts_with('-') => Box::leak(options.clone().into_boxed_str()),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(u8::from(arguments != ["--help"]) * 2);
        }
    };
    println!(
        "| brokers            | the other opens | clients | median | last | attempts each | in 100 ms | ActiveMQ's: last | in 100 ms |"
    );
    println!(
        "| ------------------ | --------------- | ------- | ------ | ---- | ------------- | --------- | ---------------- | --------- |"
    );
    for (name, third) in
        [("2", Third::None), ("3, one refuses", Third::Refuses), ("3, one is silent", Third::Silent)]
    {
        for opens in [0, 1500, 5000, 30_000].map(Duration::from_millis) {
            for clients in [31, 1000] {
                let outage = Outage { options, clients, opens, third };
                match outage.ours() {
                    Ok(ours) => row(name, &outage, &ours, &outage.activemq()),
                    Err(error) => {
                        eprintln!("{error}");
                        return ExitCode::from(2);
                    }
                }
            }
        }
    }
    ExitCode::SUCCESS
}

fn row(name: &str, outage: &Outage, ours: &Absence, theirs: &Absence) {
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let each = ours.dials() as f64 / f64::from(outage.clients);
    println!(
        "| {name:<18} | {:>15} | {:>7} | {:>6} | {:>4} | {each:>13.1} | {:>9} | {:>16} | {:>9} |",
        seconds(outage.opens),
        outage.clients,
        seconds(ours.median()),
        seconds(ours.last()),
        ours.rush(),
        seconds(theirs.last()),
        theirs.rush(),
    );
}
