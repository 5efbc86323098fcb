//! `stomp`: sends, receives, moves and measures messages of any broker that speaks STOMP. `stomp --help` describes it.
//!
//! Each command is a file here. It gets a [`Run`], and comes to an [`Outcome`] or a [`Failure`], which [`main`] prints and turns
//! into the exit code. What is asked for goes to stdout; news and progress go to stderr.

#![forbid(unsafe_code)]

mod arrivals;
mod bench;
mod check;
mod drain;
mod exit;
mod flights;
mod frames;
mod histogram;
mod lines;
mod load;
mod manual;
mod news;
mod options;
mod output;
mod properties;
mod record;
mod redrive;
mod reply;
mod request;
mod run;
mod secrets;
mod send;
mod signals;
mod spool;
mod subscribe;
mod trace;
mod words;

use std::process::ExitCode;

use clap::{Arg, ArgAction, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use serde_json::{Value, json};

use exit::{Code, Failure, Outcome};
use options::Options;
use output::Output;
use run::Run;
use signals::Stop;

const ABOUT: &str = "Sends, receives and moves the messages of STOMP brokers";
const SEE: &str = "Options of every command (broker, login, --json, …): stomp --help";
const LINES: &str = "\
Lines of JSON (subscribe --json, drain, load, send --jsonl):
  {\"destination\": \"/queue/a\", \"headers\": {\"colour\": \"red\"}, \"body\": \"text\"}
  A body that is not UTF-8 is in \"body_base64\".";
const ENVIRONMENT: &str = "\
Environment:
  STOMP_URI, STOMP_LOGIN, STOMP_PASSCODE
       the broker and the login. A passcode on a command line can be seen by everybody on
       the machine: set STOMP_PASSCODE or use --passcode-file instead.";

#[derive(Parser)]
#[command(name = "stomp", version, about = ABOUT, after_help = "Exit codes and environment: stomp --help", after_long_help = after_help())]
struct Cli {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
#[command(after_help = SEE)]
enum Action {
    Send(send::Send),
    Subscribe(subscribe::Subscribe),
    Request(request::Request),
    Reply(reply::Reply),
    Move(redrive::Move),
    Drain(drain::Drain),
    Load(load::Load),
    Bench(bench::Bench),
    Check(check::Check),
    Trace(trace::Trace),
    Completions(manual::Completions),
    Man(manual::Man),
}

impl Action {
    /// Whether stdout is for what the command came to. Where it is for messages, machines have the exit code.
    const fn tells(&self) -> bool {
        !matches!(
            self,
            Self::Subscribe(_) | Self::Request(_) | Self::Trace(_) | Self::Completions(_) | Self::Man(_)
        )
    }
}

fn after_help() -> String {
    format!("{}\n\n{LINES}\n\n{ENVIRONMENT}", Code::HELP)
}

/// The command with the options of all commands shown once, and not with each of its commands.
fn command() -> Command {
    let rarely = |option: &Arg| !["uri", "timeout", "json"].contains(&option.get_id().as_str());
    let command = Cli::command().disable_help_subcommand(true);
    let mut command = command.mut_args(|option| match rarely(&option) {
        true => option.hide_short_help(true),
        false => option,
    });
    let common: Vec<_> = command.get_arguments().map(|option| option.get_id().clone()).collect();
    command.build();
    command.mut_subcommands(|action| {
        let action = action.after_help(SEE).mut_args(|option| match common.contains(option.get_id()) {
            true => option.hide(true),
            false => option,
        });
        action.mut_arg("help", |help| help.help("Print help").action(ArgAction::HelpShort))
    })
}

fn main() -> ExitCode {
    let parsed = command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        // Help is no error, and goes to stdout.
        Err(error) => {
            _ = error.print();
            return if error.use_stderr() { Code::Usage } else { Code::Done }.into();
        }
    };
    let output = Output::new(cli.options.json, cli.options.quiet);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.complain(error);
            return Code::Failed.into();
        }
    };
    let code = runtime.block_on(start(cli, output));
    // A thread may hang in a write that nobody reads.
    runtime.shutdown_background();
    code.into()
}

async fn start(cli: Cli, output: Output) -> Code {
    let stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => {
            output.complain(error);
            return Code::Failed;
        }
    };
    let insisted = stop.clone();
    let tells = cli.action.tells();
    let work = async {
        let result = run(cli, output.clone(), stop).await;
        conclude(&output, result, tells).await
    };
    tokio::select! {
        code = work => code,
        code = insisted.insisted() => code,
    }
}

async fn run(cli: Cli, output: Output, stop: Stop) -> Result<Outcome, Failure> {
    let Cli { action, mut options } = cli;
    if let Action::Check(check::Check { broker: Some(uri) }) = &action {
        options.uri = Some(uri.clone());
    }
    let run = &Run::new(options, output, stop)?;
    match action {
        Action::Send(action) => action.run(run).await,
        Action::Subscribe(action) => action.run(run).await,
        Action::Request(action) => action.run(run).await,
        Action::Reply(action) => action.run(run).await,
        Action::Move(action) => action.run(run).await,
        Action::Drain(action) => action.run(run).await,
        Action::Load(action) => action.run(run).await,
        Action::Bench(action) => action.run(run).await,
        Action::Check(action) => action.run(run).await,
        Action::Trace(action) => action.run(run).await,
        Action::Completions(action) => action.run(run, Cli::command()).await,
        Action::Man(action) => action.run(run, Cli::command()).await,
    }
}

/// Says what it came to: words to people, an object to machines unless stdout is for messages.
async fn conclude(output: &Output, result: Result<Outcome, Failure>, tells: bool) -> Code {
    let outcome = result.unwrap_or_else(|failure| {
        Outcome::new(failure.code, &*failure.words, json!({ "error": failure.words }))
    });
    let code = outcome.code;
    match print(output, outcome, tells).await {
        Ok(()) => code,
        Err(failure) => {
            output.complain(failure.words);
            failure.code
        }
    }
}

async fn print(output: &Output, outcome: Outcome, tells: bool) -> Result<(), Failure> {
    let Outcome { code, words, mut facts, is_report } = outcome;
    if output.json && tells && !facts.is_empty() {
        facts.insert("exit_code".into(), (code as u8).into());
        output.print(format!("{}\n", Value::Object(facts)).as_bytes()).await?;
        if is_report {
            return Ok(());
        }
    } else if is_report {
        return output.print(format!("{words}\n").as_bytes()).await.map(|_| ());
    }
    match words.is_empty() {
        true => {}
        false if code == Code::Done => output.news(words),
        false => output.complain(words),
    }
    Ok(())
}
