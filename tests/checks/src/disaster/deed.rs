//! What users do, and what goes wrong.

use std::time::Duration;

use super::plan::{Setting, WHOLE};

/// Something that is done at a moment of a run. Numbers choose among what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// A message comes from elsewhere.
    Publish {
        broker: u8,
        queue: u8,
    },
    /// A client does something.
    User {
        client: u8,
        act: Act,
    },
    /// Something goes wrong, at a broker or for a client.
    Fault {
        fault: Fault,
        whom: u8,
        how: u8,
    },
    Nothing,
}

/// What a user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Ack(u8),
    /// Acknowledges all that it has.
    AckAll,
    /// Waits no more for a result.
    Cancel(u8),
    Disconnect,
    /// Forgets a message without settling it.
    Drop(u8),
    /// Settles a message of another client, or ends a subscription or a wait of it.
    Foreign(u8),
    Nack(u8),
    /// Moves to another broker.
    Move(u8),
    Pause,
    Resume,
    Send {
        to: u8,
        how: u8,
    },
    /// Sends a reply to somebody who is gone.
    SendToNobody,
    Subscribe(u8),
    /// Takes a step of a transaction.
    Transact(u8),
    Unsubscribe(u8),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// Octets get nowhere, one way or both, for a while or for ever.
    Blackhole,
    /// The broker ends a subscription by itself.
    Cancel,
    /// The broker dies and is down for a while.
    Crash,
    /// The broker dies at a point of the conversation.
    CrashPoint,
    /// Receipts come a second time, or for frames that were never sent.
    FalseReceipt,
    /// The broker neither reads nor writes for a while.
    Freeze,
    /// The broker closes a connection in good order.
    HalfClose,
    /// Dials never end for a while.
    Hang,
    /// The broker keeps its receipts to itself for a while.
    HoldReceipts,
    /// An ERROR that names nobody.
    LoneError,
    /// A new connection is accepted and never answered, for a while.
    Mute,
    /// Dials are refused for a while.
    Refuse,
    /// A connection is reset.
    Reset,
    /// The client is not run for a while.
    Stall,
    /// Octets are late.
    Delay,
    /// All connections to a broker are reset, and dials refused for a while.
    Flap,
    /// A message that cannot be decoded.
    Poison,
    /// The certificate of a broker is not to be trusted for a while.
    Certificate,
    /// An ERROR that is about the connection.
    ConnectionError,
    /// A quorum queue elects its leader: for a while each SEND and SUBSCRIBE ends its connection without a word.
    Elect,
    /// Handshakes come to nothing for a while.
    EndHandshake,
    /// The login is refused for a while.
    LoginRefused,
    /// A node of a cluster is down for a while, and the queues that live on it.
    NodeDown,
    /// SENDs are refused for a while.
    RefuseSend,
    /// SUBSCRIBEs are refused for a while.
    RefuseSubscribe,
}

impl Fault {
    pub(super) const ALL: [Self; 25] = [
        Self::Blackhole,
        Self::Cancel,
        Self::Crash,
        Self::CrashPoint,
        Self::FalseReceipt,
        Self::Freeze,
        Self::HalfClose,
        Self::Hang,
        Self::HoldReceipts,
        Self::LoneError,
        Self::Mute,
        Self::Refuse,
        Self::Reset,
        Self::Stall,
        Self::Delay,
        Self::Flap,
        Self::Poison,
        Self::Certificate,
        Self::ConnectionError,
        Self::Elect,
        Self::EndHandshake,
        Self::LoginRefused,
        Self::NodeDown,
        Self::RefuseSend,
        Self::RefuseSubscribe,
    ];
}

impl Deed {
    /// The deed that three octets stand for.
    pub(super) fn read(what: u8, a: u8, b: u8, setting: &Setting) -> Self {
        let user = |act| Self::User { client: a, act };
        match what {
            0..24 => Self::Publish { broker: a, queue: b },
            24..60 => user(Act::Send { to: b, how: b / 16 }),
            60..80 => user(Act::Subscribe(b)),
            80..120 => user(Act::Ack(b)),
            120..140 => user(Act::AckAll),
            140..148 => user(Act::Nack(b)),
            148 if WHOLE => user(Act::Foreign(b)),
            201 if WHOLE => user(Act::SendToNobody),
            148..154 => user(Act::Drop(b)),
            154..166 => user(Act::Unsubscribe(b)),
            166..170 => user(Act::Pause),
            170..176 => user(Act::Resume),
            176..184 => user(Act::Cancel(b)),
            184 if b < 128 => user(Act::Disconnect),
            196..200 if WHOLE => user(Act::Move(b)),
            184..200 => user(Act::Transact(b)),
            200..216 => user(Act::Send { to: b, how: 8 + b / 32 }),
            _ => match usize::from(what).checked_rem(setting.faults.len()) {
                Some(which) => Self::Fault { fault: setting.faults[which], whom: a, how: b },
                None => Self::Nothing,
            },
        }
    }
}

/// How long a fault lasts: mostly less than a second, sometimes long enough for every deadline.
pub(super) fn spell(how: u8) -> Duration {
    let number = u64::from(how % 32) + 1;
    Duration::from_millis(match how / 32 {
        0..3 => number,
        3..5 => number * 20,
        5 | 6 => number * 200,
        _ => number * 2_000,
    })
}

impl Fault {
    /// For the report.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Blackhole => "black holes",
            Self::Cancel => "subscriptions cancelled",
            Self::Crash => "crashes",
            Self::CrashPoint => "crash points armed",
            Self::FalseReceipt => "false receipts",
            Self::Freeze => "frozen brokers",
            Self::HalfClose => "closed by the broker",
            Self::Hang => "hanging dials",
            Self::HoldReceipts => "lost receipts",
            Self::LoneError => "lone ERRORs",
            Self::Mute => "mute brokers",
            Self::Refuse => "refused dials",
            Self::Reset => "resets",
            Self::Stall => "stalled clients",
            Self::Delay => "delays",
            Self::Flap => "flaps",
            Self::Poison => "poisons",
            Self::Certificate => "certificates not trusted",
            Self::ConnectionError => "ERRORs about the connection",
            Self::Elect => "elections",
            Self::EndHandshake => "handshakes ended",
            Self::LoginRefused => "logins refused",
            Self::NodeDown => "nodes down",
            Self::RefuseSend => "SENDs refused",
            Self::RefuseSubscribe => "SUBSCRIBEs refused",
        }
    }
}
