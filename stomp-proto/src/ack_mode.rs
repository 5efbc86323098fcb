//! The `ack` header of SUBSCRIBE.

use core::fmt;

/// The acknowledgement mode of a subscription: who acknowledges messages, and how many one ACK covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the protocol has these modes")]
pub enum AckMode {
    /// The broker considers each message acknowledged as soon as it has sent it.
    Auto,
    /// An ACK covers its message and all earlier ones of the subscription. On RabbitMQ it also covers the earlier ones
    /// of all *other* subscriptions of the connection.
    Client,
    /// An ACK covers only its own message (1.1 and later).
    #[default]
    ClientIndividual,
}

impl AckMode {
    /// Returns the value of the `ack` header for this mode.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Client => "client",
            Self::ClientIndividual => "client-individual",
        }
    }

    /// Returns the mode with this name, or `None` if there is none. Names are case-sensitive.
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
