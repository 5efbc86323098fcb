//! A STOMP broker for trying things out: `broker [OPTIONS] [ADDRESS]`.

use std::{
    env, fs,
    io::{self, Write as _},
    process::ExitCode,
    thread,
};

use stomp_testkit::{
    broker::{Broker, BrokerConfig, proto::HeartBeat},
    server::{Server, ServerEvent},
};

const HELP: &str = "\
A STOMP 1.0, 1.1 and 1.2 broker for trying things out. Messages are kept in memory.

Usage: broker [OPTIONS] [ADDRESS]

  ADDRESS               the address to listen on, 127.0.0.1:61613 by default; port 0 selects a free port
  --like BROKER         behave like this broker: what NACK does, which ERROR closes, its server header, its limits
                        (rabbitmq, rabbitmq-4.0, rabbitmq-4.3, activemq, activemq-6, artemis, artemis-2.57)
  --user LOGIN          let nobody in without a login, and this user besides guest; the passcode is taken from
                        the environment variable BROKER_PASSCODE
  --passcode-file FILE  take the passcode from the first line of this file instead
  --heart-beat OUT,IN   offer to send a heart-beat every OUT milliseconds and ask for one every IN milliseconds,
                        instead of what each client asks for
  --quiet               print nothing but errors
  --help                print this text

Clients may connect without a login, or as guest with the passcode guest. The broker runs until it is killed.
";

fn main() -> ExitCode {
    match Task::of(env::args().skip(1)) {
        Ok(Task::Help) => {
            say(HELP.trim_end());
            ExitCode::SUCCESS
        }
        Ok(Task::Serve(options)) => serve(*options),
        Err(wrong) => {
            eprintln!("broker: {wrong}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

enum Task {
    Help,
    Serve(Box<Options>),
}

struct Options {
    address: String,
    config: BrokerConfig,
    user: Option<String>,
    quiet: bool,
}

impl Task {
    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut address, mut user, mut file, mut heart_beat) = (None, None, None, None);
        let (mut config, mut quiet) = (BrokerConfig::default(), false);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--help" | "-h" => return Ok(Self::Help),
                "--heart-beat" => heart_beat = Some(periods(&value()?)?),
                "--like" => config = habits(&value()?)?,
                "--passcode-file" => file = Some(value()?),
                "--quiet" | "-q" => quiet = true,
                "--user" => user = Some(value()?),
                option if option.starts_with('-') => return Err(format!("unknown option {option}")),
                _ if address.is_some() => return Err(format!("one address is enough: {argument}")),
                _ => address = Some(argument),
            }
        }
        if let Some(offer) = heart_beat {
            config = config.heart_beat(offer);
        }
        match (&user, file) {
            (Some(login), file) => config = config.user(login, &passcode(file)?).without_anonymous(),
            (None, Some(_)) => return Err("--passcode-file needs --user".to_owned()),
            (None, None) => {}
        }
        let address = address.unwrap_or_else(|| "127.0.0.1:61613".to_owned());
        Ok(Self::Serve(Box::new(Options { address, config, user, quiet })))
    }
}

/// The passcode of the user, which is neither an argument, that everybody on the machine could read, nor ever printed.
fn passcode(file: Option<String>) -> Result<String, String> {
    let Some(file) = file else {
        return env::var("BROKER_PASSCODE")
            .map_err(|_| "--user needs BROKER_PASSCODE in the environment, or --passcode-file".to_owned());
    };
    let text = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn periods(text: &str) -> Result<HeartBeat, String> {
    HeartBeat::from_octets(text.as_bytes())
        .ok_or_else(|| format!("{text} is no pair of periods, such as 10000,10000"))
}

fn habits(broker: &str) -> Result<BrokerConfig, String> {
    match broker {
        "activemq" => Ok(BrokerConfig::activemq()),
        "activemq-6" => Ok(BrokerConfig::activemq_6()),
        "artemis" => Ok(BrokerConfig::artemis()),
        "artemis-2.57" => Ok(BrokerConfig::artemis_2_57()),
        "rabbitmq" => Ok(BrokerConfig::rabbitmq()),
        "rabbitmq-4.0" => Ok(BrokerConfig::rabbitmq_4_0()),
        "rabbitmq-4.3" => Ok(BrokerConfig::rabbitmq_4_3()),
        other => Err(format!("no habits of {other} are known")),
    }
}

fn serve(options: Options) -> ExitCode {
    let Options { address, config, user, quiet } = options;
    let observe = move |event| {
        if !quiet {
            tell(event);
        }
    };
    match Server::observed(&*address, Broker::new(config), observe) {
        Ok(server) => {
            if !quiet {
                say(&format!("listening on {}", server.address()));
                let who = match user {
                    Some(login) => format!("as {login} or guest"),
                    None => "without a login, or as guest with the passcode guest".to_owned(),
                };
                say(&format!("clients connect to tcp://{}, {who}", server.address()));
            }
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
