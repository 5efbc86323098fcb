//! A STOMP broker for trying things out: `broker [--like BROKER] [ADDRESS]`.

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
    thread,
};

use stomp_testkit::{
    broker::{Broker, BrokerConfig},
    server::{Server, ServerEvent},
};

const HELP: &str = "\
A STOMP 1.0, 1.1 and 1.2 broker for trying things out. Messages are kept in memory.

Usage: broker [--like BROKER] [ADDRESS]

  ADDRESS        the address to listen on, 127.0.0.1:61613 by default; port 0 selects a free port
  --like BROKER  behave like this broker: what NACK does, which ERROR closes, its server header, its limits
                 (rabbitmq, rabbitmq-4.0, rabbitmq-4.3, activemq, activemq-6, artemis, artemis-2.57)
  --help         print this text

Clients may connect without a login, or as guest with the passcode guest. The broker runs until it is killed.
";

fn main() -> ExitCode {
    match Task::of(env::args().skip(1)) {
        Ok(Task::Help) => {
            say(HELP.trim_end());
            ExitCode::SUCCESS
        }
        Ok(Task::Serve { address, config }) => serve(&address, config),
        Err(wrong) => {
            eprintln!("broker: {wrong}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

enum Task {
    Help,
    Serve { address: String, config: Box<BrokerConfig> },
}

impl Task {
    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut address = None;
        let mut config = BrokerConfig::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--help" | "-h" => return Ok(Self::Help),
                "--like" => config = habits(arguments.next().as_deref())?,
                option if option.starts_with('-') => return Err(format!("unknown option {option}")),
                _ if address.is_some() => return Err(format!("one address is enough: {argument}")),
                _ => address = Some(argument),
            }
        }
        let address = address.unwrap_or_else(|| "127.0.0.1:61613".to_owned());
        Ok(Self::Serve { address, config: Box::new(config) })
    }
}

fn habits(broker: Option<&str>) -> Result<BrokerConfig, String> {
    match broker {
        Some("activemq") => Ok(BrokerConfig::activemq()),
        Some("activemq-6") => Ok(BrokerConfig::activemq_6()),
        Some("artemis") => Ok(BrokerConfig::artemis()),
        Some("artemis-2.57") => Ok(BrokerConfig::artemis_2_57()),
        Some("rabbitmq") => Ok(BrokerConfig::rabbitmq()),
        Some("rabbitmq-4.0") => Ok(BrokerConfig::rabbitmq_4_0()),
        Some("rabbitmq-4.3") => Ok(BrokerConfig::rabbitmq_4_3()),
        Some(other) => Err(format!("no habits of {other} are known")),
        None => Err("--like needs a broker".to_owned()),
    }
}

fn serve(address: &str, config: Box<BrokerConfig>) -> ExitCode {
    match Server::observed(address, Broker::new(*config), tell) {
        Ok(server) => {
            say(&format!("listening on {}", server.address()));
            loop {
                thread::park();
            }
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            eprintln!("broker: {address} is no address: {error}\n\n{HELP}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("broker: cannot listen on {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tell(event: ServerEvent) {
    match event {
        ServerEvent::Opened { connection, client } => {
            say(&format!("connection {connection} opened by {client}"))
        }
        ServerEvent::Closed { connection } => say(&format!("connection {connection} closed")),
        _ => {}
    }
}

/// A closed standard output does not stop the broker.
fn say(line: &str) {
    _ = writeln!(io::stdout().lock(), "{line}");
}
