//! The three versions of the protocol: their order and their names on the wire.

use core::fmt;

/// A version of STOMP, ordered from the oldest to the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(
    clippy::exhaustive_enums,
    reason = "the protocol has these versions and a fourth would change every match"
)]
pub enum Version {
    /// STOMP 1.0: no escaping, no heart-beats, no NACK.
    V1_0,
    /// STOMP 1.1: escapes `\\`, `\c` and `\n`; heart-beats and NACK.
    V1_1,
    /// STOMP 1.2: escapes also `\r`; lines may end in CR LF; ACK by the `ack` header.
    V1_2,
}

impl Version {
    /// All versions, oldest first.
    pub const ALL: [Self; 3] = [Self::V1_0, Self::V1_1, Self::V1_2];

    /// The name that `accept-version` and `version` carry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    /// The version of that exact name: no white space, no other spelling.
    ///
    /// ```
    /// use stomp_proto::Version;
    /// assert_eq!(Version::from_name("1.2"), Some(Version::V1_2));
    /// assert_eq!(Version::from_name(" 1.2"), None);
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == name)
    }

    /// Whether header names and values are escaped in this version (1.1 and 1.2 are, 1.0 is not).
    #[must_use]
    pub const fn escapes(self) -> bool {
        !matches!(self, Self::V1_0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_protocol() {
        for (version, name) in Version::ALL.into_iter().zip(["1.0", "1.1", "1.2"]) {
            assert_eq!((version.as_str(), Version::from_name(name)), (name, Some(version)));
            assert_eq!((alloc::format!("{version}"), version.escapes()), (name.into(), name != "1.0"));
        }
        assert_eq!(Version::from_name("1.3"), None);
    }
}
