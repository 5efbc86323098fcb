//! Two deadlines: when we must say something, and when the peer must have.

use core::time::Duration;

use stomp_proto::HeartBeat;

use crate::{Config, Timestamp};

/// The heart-beats of one connection.
#[derive(Debug)]
pub(crate) struct HeartBeats {
    send_every: Option<Duration>,
    hear_within: Option<Duration>,
    sent: Timestamp,
    heard: Timestamp,
    paused: bool,
}

impl HeartBeats {
    pub(crate) fn new(agreed: HeartBeat, config: &Config, now: Timestamp) -> Self {
        let scaled = |milliseconds: u64, factor: f64| {
            let period = Duration::from_millis(milliseconds).as_secs_f64();
            (milliseconds > 0).then(|| Duration::try_from_secs_f64(period * factor).unwrap_or(Duration::MAX))
        };
        let silence = scaled(agreed.incoming, config.silence_periods.max(1.0));
        Self {
            send_every: scaled(agreed.outgoing, config.send_fraction.clamp(0.1, 1.0)),
            hear_within: silence.map(|silence| silence.saturating_add(config.silence_margin)),
            sent: now,
            heard: now,
            paused: false,
        }
    }

    pub(crate) const fn sent(&mut self, now: Timestamp) {
        self.sent = now;
    }

    pub(crate) const fn heard(&mut self, now: Timestamp) {
        self.heard = now;
    }

    /// While we do not read, the peer's silence is our doing.
    pub(crate) const fn pause(&mut self) {
        self.paused = true;
    }

    pub(crate) const fn resume(&mut self, now: Timestamp) {
        self.paused = false;
        self.heard = now;
    }

    /// Whether a heart-beat is due; if so it counts as sent.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> bool {
        let due = self.send_at().is_some_and(|at| at <= now);
        if due {
            self.sent = now;
        }
        due
    }

    /// How long the peer has been silent, if that is too long.
    pub(crate) fn silence(&self, now: Timestamp) -> Option<Duration> {
        self.hear_at().filter(|at| *at <= now).map(|_| now.since(self.heard))
    }

    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        [self.send_at(), self.hear_at()].into_iter().flatten().min()
    }

    fn send_at(&self) -> Option<Timestamp> {
        self.send_every.map(|period| self.sent.after(period))
    }

    fn hear_at(&self) -> Option<Timestamp> {
        self.hear_within.filter(|_| !self.paused).map(|silence| self.heard.after(silence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Timestamp {
        Timestamp::from_start(Duration::from_millis(milliseconds))
    }

    fn beats(outgoing: u64, incoming: u64) -> HeartBeats {
        let config = Config::new("tcp://h".parse().unwrap());
        HeartBeats::new(HeartBeat { outgoing, incoming }, &config, Timestamp::ZERO)
    }

    #[test]
    fn sends_before_the_agreed_period_and_only_when_silent() {
        let mut beats = beats(1000, 0);
        assert_eq!(beats.deadline(), Some(at(800)));
        beats.sent(at(300));
        assert!(!beats.take_due(at(800)));
        assert!(beats.take_due(at(1100)));
        assert_eq!(beats.deadline(), Some(at(1900)));
    }

    #[test]
    fn a_peer_is_dead_after_two_periods_and_a_margin() {
        let mut beats = beats(0, 1000);
        assert_eq!(beats.silence(at(2499)), None);
        assert_eq!(beats.silence(at(2500)), Some(Duration::from_millis(2500)));
        beats.heard(at(2000));
        assert_eq!(beats.silence(at(2500)), None);
        beats.pause();
        assert_eq!((beats.silence(at(99_000)), beats.deadline()), (None, None));
        beats.resume(at(99_000));
        assert_eq!(beats.deadline(), Some(at(101_500)));
    }

    #[test]
    fn nothing_agreed_nothing_due() {
        assert_eq!(beats(0, 0).deadline(), None);
    }
}
