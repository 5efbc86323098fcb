//! The `ack` header of SUBSCRIBE.

use core::fmt;

/// Who acknowledges a subscription's messages, and how many one ACK covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the protocol has these modes")]
pub enum AckMode {
    /// The broker takes each message as acknowledged once it was sent.
    Auto,
    /// An ACK covers its message and all before it. RabbitMQ counts those of *other* subscriptions too.
    Client,
    /// An ACK covers its message alone (1.1 and later).
    #[default]
    ClientIndividual,
}

impl AckMode {
    /// The header's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Client => "client",
            Self::ClientIndividual => "client-individual",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Auto, Self::Client, Self::ClientIndividual].into_iter().find(|mode| mode.as_str() == name)
    }
}

impl fmt::Display for AckMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_protocol() {
        for (mode, name) in [
            (AckMode::Auto, "auto"),
            (AckMode::Client, "client"),
            (AckMode::ClientIndividual, "client-individual"),
        ] {
            assert_eq!((mode.as_str(), AckMode::from_name(name)), (name, Some(mode)));
            assert_eq!(alloc::format!("{mode}"), name);
        }
        assert_eq!(AckMode::from_name("AUTO"), None);
    }
}
