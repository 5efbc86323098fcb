//! The three versions of the protocol: their order and their names on the wire.

use core::fmt;

/// A version of STOMP, ordered from the oldest to the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(
    clippy::exhaustive_enums,
    reason = "the protocol has these versions and a fourth would change every match"
)]
pub enum Version {
    /// STOMP 1.0. It has no escapes, no heart-beats and no NACK.
    V1_0,
    /// STOMP 1.1. It adds the escapes `\\`, `\c` and `\n`, heart-beats, and NACK.
    V1_1,
    /// STOMP 1.2. It adds the escape `\r`, line ends of CR LF, and the `ack` header of a MESSAGE.
    V1_2,
}

impl Version {
    /// All versions, from the oldest to the newest.
    pub const ALL: [Self; 3] = [Self::V1_0, Self::V1_1, Self::V1_2];

    /// Returns the name of the version, as used in `accept-version` and `version`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    /// Returns the version with exactly this name, or `None` if there is none.
    ///
    /// White space and other spellings are not accepted.
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

    /// Returns `true` if header names and values are escaped in this version, which is the case in 1.1 and 1.2.
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
