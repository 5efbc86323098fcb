//! The `heart-beat` header of CONNECT and CONNECTED.

use core::fmt;

use crate::text::{parse_number, parse_padded_number};

/// The heart-beats that one side offers: how often it can send something, and how often it wants to receive something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "the header has these two numbers")]
pub struct HeartBeat {
    /// The shortest interval at which this side can send something, in milliseconds. 0 means that it cannot send
    /// heart-beats.
    pub outgoing: u64,
    /// The interval at which this side wants to receive something, in milliseconds. 0 means that it wants no
    /// heart-beats.
    pub incoming: u64,
}

impl HeartBeat {
    /// Parses the value of a `heart-beat` header.
    ///
    /// Returns `None` unless the value is two numbers separated by a comma, and nothing else.
    ///
    /// ```
    /// use stomp_proto::HeartBeat;
    /// assert_eq!(HeartBeat::from_octets(b"500,0"), Some(HeartBeat { outgoing: 500, incoming: 0 }));
    /// assert_eq!(HeartBeat::from_octets(b"500, 0"), None);
    /// ```
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        Self::read(octets, parse_number)
    }

    /// Parses the value of a `heart-beat` header, ignoring spaces and tabs around the numbers.
    ///
    /// Some brokers write such white space, which [`from_octets`](Self::from_octets) does not accept.
    ///
    /// ```
    /// use stomp_proto::HeartBeat;
    /// assert_eq!(HeartBeat::from_padded(b" 500, 0"), Some(HeartBeat { outgoing: 500, incoming: 0 }));
    /// ```
    #[must_use]
    pub fn from_padded(octets: &[u8]) -> Option<Self> {
        Self::read(octets, parse_padded_number)
    }

    fn read(octets: &[u8], number: impl Fn(&[u8]) -> Option<u64>) -> Option<Self> {
        let comma = memchr::memchr(b',', octets)?;
        let (outgoing, rest) = octets.split_at_checked(comma)?;
        Some(Self { outgoing: number(outgoing)?, incoming: number(rest.strip_prefix(b",")?)? })
    }

    /// Returns the intervals on which two sides agree, in milliseconds and from the point of view of `self`.
    ///
    /// In each direction the longer of the two intervals counts. The result is 0, which means no heart-beats, if the
    /// sender cannot send any or the receiver wants none (STOMP 1.1 and 1.2, "Heart-beating").
    #[must_use]
    pub fn agree(self, peer: Self) -> Self {
        let slower = |send: u64, want: u64| if send == 0 || want == 0 { 0 } else { send.max(want) };
        Self {
            outgoing: slower(self.outgoing, peer.incoming),
            incoming: slower(peer.outgoing, self.incoming),
        }
    }
}

impl fmt::Display for HeartBeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.outgoing, self.incoming)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1.2, "Heart-beating": none unless one can and the other wants, and then the slower.
    #[test]
    fn the_slower_counts_and_zero_means_none() {
        let beat = |outgoing, incoming| HeartBeat { outgoing, incoming };
        for (ours, theirs, agreed) in [
            (beat(10, 20), beat(30, 40), beat(40, 30)),
            (beat(50, 60), beat(30, 40), beat(50, 60)),
            (beat(0, 20), beat(30, 40), beat(0, 30)),
            (beat(10, 0), beat(30, 40), beat(40, 0)),
            (beat(10, 20), beat(0, 40), beat(40, 0)),
            (beat(10, 20), beat(30, 0), beat(0, 30)),
        ] {
            assert_eq!(ours.agree(theirs), agreed, "{ours} and {theirs}");
        }
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        let beat = HeartBeat { outgoing: 7, incoming: 0 };
        assert_eq!(alloc::format!("{beat}"), "7,0");
        assert_eq!(HeartBeat::from_octets(b"7,0"), Some(beat));
        for wrong in [&b""[..], b",", b"7", b"7,", b",0", b"7,0,", b"7;0", b"-7,0"] {
            assert_eq!(HeartBeat::from_octets(wrong), None, "{wrong:?}");
        }
    }

    /// What is no pair of numbers, or below zero, has no type here, and is not read.
    #[test]
    fn it_is_two_unsigned_numbers_and_nothing_else() {
        let HeartBeat { outgoing, incoming } = HeartBeat::default();
        let numbers: [u64; 2] = [outgoing, incoming];
        assert_eq!(numbers, [0, 0]);
        for wrong in ["x,y", "-1,0", "0,-1", "-1,-1", "1", "-1", "x"] {
            assert_eq!(HeartBeat::from_octets(wrong.as_bytes()), None, "{wrong}");
            assert_eq!(HeartBeat::from_padded(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
