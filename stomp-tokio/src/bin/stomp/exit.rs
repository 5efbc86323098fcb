//! What a command comes to: an exit code, words for people, and facts for machines.

use std::{fmt, io, process::ExitCode};

use serde_json::{Map, Value};
use stomp_tokio::{
    AckError, Closed, CommandError, ConnectError, Ended, Lost, NotSent, RequestError, SendError,
    SubscribeError, TransportFailure, Unknown,
};

/// The exit codes, as the help describes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NoConnection = 3,
    TimedOut = 4,
    Partly = 5,
    /// 128 and the number of the signal, as shells have it.
    Interrupted = 130,
    #[cfg_attr(not(unix), allow(dead_code, reason = "there is no such signal"))]
    Terminated = 143,
}

impl Code {
    pub(crate) const HELP: &str = "\
Exit codes:
  0    done
  1    failed: refused by the broker, or an error of this machine
  2    wrong usage
  3    no connection, or the login was refused
  4    timed out: no connection, answer or message in time
  5    partly done: what was done is said, and so is what was not
  130  ended by SIGINT before it was done (143: by SIGTERM)";
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// What is said for machines.
pub(crate) type Facts = Map<String, Value>;

/// The facts of an object that is written with `json!`.
pub(crate) fn facts(value: Value) -> Facts {
    match value {
        Value::Object(facts) => facts,
        _ => Facts::new(),
    }
}

/// What a command has come to that did its work, or a part of it.
pub(crate) struct Outcome {
    pub(crate) code: Code,
    pub(crate) words: String,
    pub(crate) facts: Facts,
    /// The words are what was asked for, and not only news of it.
    pub(crate) is_report: bool,
}

impl Outcome {
    pub(crate) fn new(code: Code, words: impl Into<String>, told: Value) -> Self {
        Self { code, words: words.into(), facts: facts(told), is_report: false }
    }

    pub(crate) fn report(self) -> Self {
        Self { is_report: true, ..self }
    }

    /// There is nothing to say.
    pub(crate) fn silent() -> Self {
        Self::new(Code::Done, "", Value::Null)
    }
}

/// The options that set what the errors of the library name.
const OPTIONS: [(&str, &str); 4] = [
    ("TlsConfig::roots", "--ca-file"),
    ("TlsConfig::client_certificate", "--cert-file"),
    ("Config::add_connect_header", "--client-id"),
    ("Config::limits", "--max-body"),
];

/// Why a command did nothing, or does not go on.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) words: String,
}

impl Failure {
    pub(crate) fn new(code: Code, words: impl Into<String>) -> Self {
        // The library names its settings, and people have options.
        let words =
            OPTIONS.iter().fold(words.into(), |words, (setting, option)| words.replace(setting, option));
        Self { code, words }
    }

    pub(crate) fn usage(words: impl Into<String>) -> Self {
        Self::new(Code::Usage, words)
    }

    /// An error of the system, and what it is about.
    pub(crate) fn io(about: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(Code::Failed, format!("{about}: {error}"))
    }

    fn of(code: Code, error: &impl fmt::Display) -> Self {
        Self::new(code, error.to_string())
    }

    /// The code of a command that failed after it had done a part of its work.
    pub(crate) const fn code_after(&self, done: u64) -> Code {
        if done > 0 { Code::Partly } else { self.code }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

const fn is_timeout(failure: &TransportFailure) -> bool {
    matches!(failure.kind(), Some(io::ErrorKind::TimedOut))
}

const fn of_lost(lost: &Lost) -> Code {
    match lost {
        Lost::ConnectTimeout(_) | Lost::ConnectedTimeout(_) => Code::TimedOut,
        Lost::DialFailed { reason, .. } if is_timeout(reason) => Code::TimedOut,
        _ => Code::NoConnection,
    }
}

const fn of_closed(closed: &Closed) -> Code {
    match closed {
        Closed::GaveUp { last, .. } => of_lost(last),
        _ => Code::Failed,
    }
}

impl From<Closed> for Failure {
    fn from(closed: Closed) -> Self {
        Self::of(of_closed(&closed), &closed)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match &error {
            ConnectError::Closed(closed) => Self::of(of_closed(closed), &error),
            _ => Self::of(Code::Usage, &error),
        }
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        let code = match &error {
            SendError::Closed(closed) => of_closed(closed),
            SendError::NoConnection(_)
            | SendError::NoRoom(_)
            | SendError::NotSent(NotSent::Timeout(_))
            | SendError::Unknown(Unknown::Timeout(_) | Unknown::TimeoutAfter { .. }) => Code::TimedOut,
            _ => Code::Failed,
        };
        Self::of(code, &error)
    }
}

impl From<SubscribeError> for Failure {
    fn from(error: SubscribeError) -> Self {
        match &error {
            SubscribeError::Timeout(_) => Self::of(Code::TimedOut, &error),
            SubscribeError::Ended(Ended::Closed(closed)) => Self::of(of_closed(closed), &error),
            _ => Self::of(Code::Failed, &error),
        }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Send(error) => error.into(),
            RequestError::Subscribe(error) => error.into(),
            RequestError::Closed(closed) => closed.into(),
            RequestError::Timeout(_) => Self::of(Code::TimedOut, &error),
            error => Self::of(Code::Failed, &error),
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Self::of(Code::Failed, &error)
    }
}

impl From<AckError> for Failure {
    fn from(error: AckError) -> Self {
        Self::of(Code::Failed, &error)
    }
}
