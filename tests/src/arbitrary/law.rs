//! The laws of an event loop, and how a broken one is told.

use std::{error::Error, fmt};

use stomp_session::Timestamp;

use super::plan::Plan;

/// What must hold for every event loop and every plan. It displays as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// What is written on a connection is STOMP, from CONNECT to DISCONNECT.
    ///
    /// A loop breaks it that loses, repeats or mixes octets, such as those that a short write has left, or those of an earlier
    /// connection.
    Written,
    /// The session gets what the socket gave, all of it and in order.
    ///
    /// A loop breaks it that loses octets, or that reports the end of a connection before the frames that came before it.
    Read,
    /// What is confirmed has reached the broker, and what is reported as not sent has not.
    Confirmed,
    /// Each frame that asked for a RECEIPT has exactly one outcome.
    Outcome,
    /// Each subscription is there again when the loop has reconnected.
    Subscribed,
    /// An acknowledgement goes to the connection on which its message came.
    Acknowledged,
    /// A loop has one connection at a time, and closes what the session has closed.
    OneConnection,
    /// No wait is without end: when the faults are over, the loop is connected again within half an hour of virtual time.
    Patience,
    /// A loop that has nothing to do waits.
    Rest,
    /// The loop ends when it is told to.
    End,
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Written => "what is written on a connection is STOMP, from CONNECT to DISCONNECT",
            Self::Read => "the session gets what the socket gave, all of it and in order",
            Self::Confirmed => "what is confirmed has reached the broker, and what is not sent has not",
            Self::Outcome => "each frame that asked for a RECEIPT has exactly one outcome",
            Self::Subscribed => "each subscription is there again when the loop has reconnected",
            Self::Acknowledged => "an acknowledgement goes to the connection on which its message came",
            Self::OneConnection => {
                "a loop has one connection at a time, and closes what the session has closed"
            }
            Self::Patience => "no wait is without end",
            Self::Rest => "a loop that has nothing to do waits",
            Self::End => "the loop ends when it is told to",
        })
    }
}

/// A law that an event loop has broken.
///
/// It displays as the law, what happened, and the plan in words. `Debug` shows the same, so that a test that unwraps it can be
/// read.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The law.
    pub law: Law,
    /// What happened, in words.
    pub what: String,
    /// When it happened.
    pub at: Timestamp,
    /// The number of the last step that had begun, counted from 1. After the last step the faults are lifted.
    pub step: usize,
    /// The plan.
    pub plan: Box<Plan>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { law, what, at, step, plan } = self;
        writeln!(f, "broken law: {law}\n  {what}")?;
        writeln!(f, "  at {at}, after step {step} of {}", plan.steps.len())?;
        write!(f, "plan:\n{plan}")
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Violation {}
