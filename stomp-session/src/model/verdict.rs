//! What a refusal means, and for whom: the one table. Nothing else decides what is final.
//!
//! | what comes | the first time | once it had stood |
//! | --- | --- | --- |
//! | CONNECT is refused in known words | final for that broker | passes, told each time |
//! | CONNECT fails otherwise | passes | passes |
//! | SUBSCRIBE is refused | the caller's answer | tried again; final only in whole phrases that answer it alone |
//! | a SEND that is kept is refused by name | rejected; tried again for words that pass | |
//! | an ERROR that names nobody meets it alone | a strike; tried again for words that pass | |
//! | an ERROR that names nobody is about the connection | blames nobody | blames nobody |
//! | the connection is closed in silence when a frame is alone | a strike; six of them over more than a minute, at more than one broker, blame it | the same for a SEND; a SUBSCRIBE is then refused |
//!
//! Words that are in no table pass.

use stomp_proto::Version;

use super::{
    error::{Lost, ServerError},
    profile::{Meaning, Profile},
};

/// What any broker may say. A profile's own phrases are looked at first.
const COMMON: &[(&str, Meaning)] = &[
    ("cancelled subscription", Meaning::Cancelled),
    ("canceled subscription", Meaning::Cancelled),
    ("consumer cancelled", Meaning::Cancelled),
    ("shutdown", Meaning::Connection),
    ("shutting down", Meaning::Connection),
    ("shut down", Meaning::Connection),
    ("going down", Meaning::Connection),
    ("stopping", Meaning::Connection),
    ("is stopped", Meaning::Connection),
    ("connection closure", Meaning::Connection),
    (CLOSED_BEHIND, Meaning::Connection),
    ("connection forced", Meaning::Connection),
    ("connection_forced", Meaning::Connection),
    ("memory", Meaning::Connection),
    ("disk space", Meaning::Connection),
    ("is down", Meaning::Connection),
    ("maintenance", Meaning::Connection),
    ("internal error", Meaning::Connection),
    ("timed out", Meaning::Passing),
    ("temporarily", Meaning::Passing),
    ("try again", Meaning::Passing),
    ("unavailable", Meaning::Passing),
    ("not available", Meaning::Passing),
];

/// What an ERROR says, if anything in it is known.
pub(crate) fn meaning(profile: &Profile, error: &ServerError) -> Option<Meaning> {
    let phrases = profile.phrases.iter().chain(COMMON);
    phrases.into_iter().find(|(text, _)| error.says(text)).map(|(_, meaning)| *meaning)
}

/// What Spring's relay says when the broker behind it has closed its connection, instead of closing its own in silence.
const CLOSED_BEHIND: &str = "connection to broker closed";

/// Whether an ERROR stands for the end of a connection that somebody else has closed.
pub(crate) fn tells_of_close(error: &ServerError) -> bool {
    error.says(CLOSED_BEHIND)
}

/// Which frame a refusal meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A SUBSCRIBE whose caller waits for its first answer.
    First,
    /// A SUBSCRIBE of a subscription that once stood, or the subscription itself.
    Again,
    /// A SEND that is kept until it is confirmed, named by the ERROR.
    Named,
    /// The same, alone on the wire when an ERROR came that names nobody.
    Alone,
}

/// How something that was refused is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BackOff {
    /// 1 s doubling to 60 s.
    Refused,
    /// As a login that was refused: a minute doubling to 15.
    Login,
}

/// What follows for the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is over: its owner gets the answer.
    Final,
    /// It is tried again.
    Again(BackOff),
    /// It is tried again, and over when that has happened often enough.
    Strike,
}

/// The table of the frames.
pub(crate) const fn judge(asked: Asked, said: Option<Meaning>) -> Verdict {
    match (asked, said) {
        (Asked::First, _) | (Asked::Again, Some(Meaning::Invalid)) => Verdict::Final,
        (Asked::Again, Some(Meaning::Permission | Meaning::Login)) => Verdict::Again(BackOff::Login),
        (Asked::Again, _) => Verdict::Again(BackOff::Refused),
        (Asked::Named | Asked::Alone, Some(Meaning::Connection | Meaning::Passing)) => {
            Verdict::Again(BackOff::Refused)
        }
        (Asked::Named, _) => Verdict::Final,
        (Asked::Alone, _) => Verdict::Strike,
    }
}

/// What an attempt that failed says about its broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Its other addresses may do better.
    Passing,
    /// Its other addresses may do better, but it is left alone for a while.
    Refusal,
    /// Nothing was asked of it.
    NotAsked,
    /// No retry helps, as far as is known.
    Final,
    /// No retry helps, as far as is known: it has refused the login, and its other addresses would refuse it as well.
    Login,
}

/// The row of CONNECT.
pub(crate) fn failure(reason: &Lost, profile: &Profile, offered: &[Version]) -> Failure {
    let refuses_login = |error: &ServerError| meaning(profile, error) == Some(Meaning::Login);
    match reason {
        Lost::NoCredentials(_) | Lost::LoginHeldBack(_) => Failure::NotAsked,
        Lost::DialFailed { permanent: true, .. }
        | Lost::VersionMismatch(_)
        | Lost::InvalidHeartBeat(_)
        | Lost::Disconnected
        | Lost::DriverDropped => Failure::Final,
        Lost::LoginRefused(_) => Failure::Login,
        Lost::Refused(error) | Lost::BackslashRefused { error: Some(error), .. } => {
            match (refuses_login(error), error.speaks_none_of(offered)) {
                (true, _) => Failure::Login,
                (false, true) => Failure::Final,
                (false, false) => Failure::Refusal,
            }
        }
        Lost::BackslashRefused { error: None, .. }
        | Lost::BrokeBeforeConnected(_)
        | Lost::ClosedBeforeConnected => Failure::Refusal,
        _ => Failure::Passing,
    }
}
