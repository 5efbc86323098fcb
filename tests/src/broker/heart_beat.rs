//! The heart-beats of one connection: when something must be sent, and when the client has been silent too long.

use core::time::Duration;

use stomp_proto::HeartBeat;

/// Two periods and the two times that they run from.
#[derive(Debug, Default)]
pub(super) struct HeartBeats {
    /// How many periods the client may be silent.
    silent_periods: u32,
    outgoing: Option<Duration>,
    incoming: Option<Duration>,
    sent: Duration,
    heard: Duration,
    /// When a connection ends that has not logged in.
    login_until: Option<Duration>,
}

impl HeartBeats {
    /// Ends the connection at that time unless it has logged in.
    pub(super) const fn await_login(&mut self, until: Option<Duration>) {
        self.login_until = until;
    }

    /// Begins to keep what was agreed on.
    pub(super) fn agree(&mut self, agreed: HeartBeat, silent_periods: u32, now: Duration) {
        let period = |milliseconds| (milliseconds > 0).then(|| Duration::from_millis(milliseconds));
        self.outgoing = period(agreed.outgoing);
        self.incoming = period(agreed.incoming);
        self.silent_periods = silent_periods;
        self.sent = now;
        self.heard = now;
        self.login_until = None;
    }

    /// What was agreed on, in milliseconds; the broker's own beats first.
    pub(super) fn agreed(&self) -> HeartBeat {
        let milliseconds = |period: Option<Duration>| {
            period.map_or(0, |period| u64::try_from(period.as_millis()).unwrap_or(u64::MAX))
        };
        HeartBeat { outgoing: milliseconds(self.outgoing), incoming: milliseconds(self.incoming) }
    }

    pub(super) const fn note_sent(&mut self, now: Duration) {
        self.sent = now;
    }

    pub(super) const fn note_heard(&mut self, now: Duration) {
        self.heard = now;
    }

    /// Half of the promised period, as RabbitMQ does: a beat that is due at its very end arrives after it.
    pub(super) fn beat_at(&self) -> Option<Duration> {
        Some(self.sent.saturating_add(self.outgoing? / 2))
    }

    /// When the connection ends: without a login, or after some periods without a sign of life (1.2, "Heart-beating": "an error margin is acceptable").
    pub(super) fn silent_at(&self) -> Option<Duration> {
        if self.login_until.is_some() {
            return self.login_until;
        }
        Some(self.heard.saturating_add(self.incoming?.saturating_mul(self.silent_periods)))
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.beat_at().into_iter().chain(self.silent_at()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn deadlines_follow_what_was_agreed() {
        let rows = [
            (0, 0, None),
            (100, 0, Some(ms(1050))),
            (0, 100, Some(ms(1200))),
            (1000, 100, Some(ms(1200))),
            (u64::MAX, u64::MAX, Some(ms(1000) + ms(u64::MAX) / 2)),
        ];
        for (outgoing, incoming, deadline) in rows {
            let mut beats = HeartBeats::default();
            beats.agree(HeartBeat { outgoing, incoming }, 2, ms(1000));
            assert_eq!(beats.deadline(), deadline, "{outgoing},{incoming}");
        }
    }
}
