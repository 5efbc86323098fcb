//! What TCP is to notice by itself of a peer that is gone.

use std::time::Duration;

/// When the system gives up a TCP connection whose peer does not answer.
///
/// Heart-beats notice a dead peer sooner, but not every broker sends them: there are none in STOMP 1.0, nor from a broker that
/// answers `heart-beat:0,0`. With the defaults an idle connection whose peer has vanished ends after 60 s + 4 × 15 s = 2 min.
///
/// The values are rounded up to whole seconds and kept within what systems take: 1 to 32,767 s, 1 to 127 probes. A system
/// that lacks one of the options does without it.
///
/// ```
/// use std::time::Duration;
/// use stomp_session::client::{Client, KeepAlive};
///
/// let mut patient = KeepAlive::default();
/// patient.idle = Duration::from_secs(600);
/// let builder = Client::builder("tcp://broker.example").keep_alive(patient);
/// let builder = builder.keep_alive(None); // as the system does it for others, which is mostly not at all
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// The silence after which the peer is asked whether it is still there (`TCP_KEEPIDLE`). 60 s.
    pub idle: Duration,
    /// The time between two such probes (`TCP_KEEPINTVL`). 15 s.
    pub interval: Duration,
    /// The probes without an answer after which the connection is over (`TCP_KEEPCNT`). 4.
    pub probes: u32,
    /// How long what was sent may stay unacknowledged (`TCP_USER_TIMEOUT`; Linux and Android). 2 min, in which an idle
    /// connection is given up, too; without it Linux repeats what was sent for some 15 min. It also ends the connection to a
    /// peer that is there but reads nothing, as brokers do that are short of memory: so it is switched off as soon as a
    /// broker has promised heart-beats, which tell the one from the other.
    pub user_timeout: Option<Duration>,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(15),
            probes: 4,
            user_timeout: Some(Duration::from_secs(120)),
        }
    }
}

impl KeepAlive {
    /// The same with values that every system takes. For adapters.
    #[must_use]
    pub fn rounded(&self) -> Self {
        Self {
            idle: seconds(self.idle),
            interval: seconds(self.interval),
            probes: self.probes.clamp(1, 127),
            user_timeout: self.user_timeout.map(seconds),
        }
    }
}

/// Rounded up: a system would cut off what is left of a second, and takes no zero.
fn seconds(time: Duration) -> Duration {
    let begun = u64::from(time.subsec_nanos() > 0);
    Duration::from_secs(time.as_secs().saturating_add(begun).clamp(1, 32_767))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_system_takes_is_left() {
        let rounded = |time, probes| {
            let wild = KeepAlive { idle: time, interval: time, probes, user_timeout: Some(time) };
            let kept = wild.rounded();
            assert_eq!((kept.interval, kept.user_timeout), (kept.idle, Some(kept.idle)));
            (kept.idle.as_secs_f64(), kept.probes)
        };
        assert_eq!(rounded(Duration::ZERO, 0), (1.0, 1));
        assert_eq!(rounded(Duration::from_millis(1), 1), (1.0, 1));
        assert_eq!(rounded(Duration::from_secs(7), 127), (7.0, 127));
        assert_eq!(rounded(Duration::from_millis(7_001), 128), (8.0, 127));
        assert_eq!(rounded(Duration::MAX, u32::MAX), (32_767.0, 127));
        assert_eq!(KeepAlive::default().rounded(), KeepAlive::default());
    }
}
