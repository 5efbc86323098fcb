//! Why messages are in dead letter queues.

use core::fmt;

/// Why a message is in a dead letter queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Death {
    /// Its time was over before anybody had it.
    Expired,
    /// A consumer has refused it with a NACK.
    Refused,
    /// It has come back more often than the [`DeliveryLimit`](super::DeliveryLimit) allows.
    ReturnedTooOften,
    /// The version of its consumer cannot express it.
    Unwritable,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "expired",
            Self::Refused => "refused by its consumer",
            Self::ReturnedTooOften => "came back too often",
            Self::Unwritable => "cannot be written in the version of its consumer",
        })
    }
}
