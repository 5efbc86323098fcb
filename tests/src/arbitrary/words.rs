//! Plans in words.

use std::fmt::{Display, Formatter, Result};

use super::plan::{Fault, Operation, Plan, Step};

/// Shows a line for each step, and one for what limits reads or writes.
impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {}. {step}", number + 1)?;
        }
        limit(f, "each read gives", &self.reads, "")?;
        limit(f, "the socket takes", &self.writes, " in a millisecond")
    }
}

fn limit(f: &mut Formatter<'_>, what: &str, sizes: &[usize], unit: &str) -> Result {
    if sizes.is_empty() {
        return Ok(());
    }
    let sizes: Vec<_> = sizes.iter().map(|size| many(*size.max(&1), "octet")).collect();
    writeln!(f, "  {what} at most {}{unit}", sizes.join(", then "))
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Do(operation) => write!(f, "the application {operation}"),
            Self::Suffer(fault) => fault.fmt(f),
            Self::Wait(time) => write!(f, "{time:?} pass"),
        }
    }
}

/// Shows what comes behind "the application".
impl Display for Operation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Subscribe { destination, ack } => {
                write!(f, "subscribes to /queue/{destination} with ack mode {}", ack.as_str())
            }
            Self::Unsubscribe { subscription } => write!(f, "ends {}", nth(*subscription, "subscription")),
            Self::Send { destination, length } => {
                write!(f, "sends {} to /queue/{destination}", many(*length, "octet"))
            }
            Self::SendConfirmed { destination, length } => {
                write!(f, "sends {} to /queue/{destination} and asks for a RECEIPT", many(*length, "octet"))
            }
            Self::SendAtLeastOnce { destination, length } => {
                write!(f, "sends {} to /queue/{destination} at least once", many(*length, "octet"))
            }
            Self::Ack { message } => write!(f, "acknowledges {}", nth(*message, "message")),
            Self::AckConfirmed { message } => {
                write!(f, "acknowledges {} and asks for a RECEIPT", nth(*message, "message"))
            }
            Self::Nack { message } => write!(f, "refuses {}", nth(*message, "message")),
            Self::Begin => f.write_str("begins a transaction"),
            Self::SendIn { transaction, destination } => {
                write!(f, "sends to /queue/{destination} in {}", nth(*transaction, "transaction"))
            }
            Self::AckIn { transaction, message } => {
                let (message, transaction) = (nth(*message, "message"), nth(*transaction, "transaction"));
                write!(f, "acknowledges {message} in {transaction}")
            }
            Self::Commit { transaction } => write!(f, "commits {}", nth(*transaction, "transaction")),
            Self::Abort { transaction } => write!(f, "aborts {}", nth(*transaction, "transaction")),
            Self::Disconnect => f.write_str("disconnects"),
        }
    }
}

/// Shows a sentence.
impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Close { after } => {
                let octets = many(*after, "more octet");
                write!(f, "the broker closes the connection when the loop has read {octets}")
            }
            Self::Reset { after } => {
                let octets = many(*after, "more octet");
                write!(f, "the connection is reset when the loop has written {octets}")
            }
            Self::RefuseConnections { count } => {
                write!(f, "{} refused", next(*count, "attempt to connect", "attempts to connect"))
            }
            Self::IgnoreConnections { count } => {
                write!(f, "{} opened and never answered", next(*count, "connection", "connections"))
            }
            Self::FallSilent => f.write_str("the broker says nothing more on the connection"),
            Self::SendError => f.write_str("the broker sends an ERROR and closes the connection"),
            Self::RefuseSend => f.write_str("the broker refuses the next SEND with an ERROR"),
            Self::StoreTwice => f.write_str("the broker stores the message of the next SEND twice"),
            Self::DropReceipts => f.write_str("the broker sends no RECEIPT until the connection ends"),
            Self::DelayReceipt { by } => write!(f, "the RECEIPT of the next SEND comes {by:?} late"),
            Self::RepeatReceipt => f.write_str("the broker sends the next RECEIPT twice"),
        }
    }
}

pub(super) fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn next(count: usize, one: &str, several: &str) -> String {
    if count == 1 { format!("the next {one} is") } else { format!("the next {count} {several} are") }
}

/// The newest thing, or one before it.
fn nth(back: usize, what: &str) -> String {
    match back {
        0 => format!("the newest {what}"),
        back => format!("the {what} that is {back} before the newest"),
    }
}
