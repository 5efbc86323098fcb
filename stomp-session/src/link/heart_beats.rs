//! Two deadlines: when we must say something, and when the peer must have.

use core::time::Duration;

use stomp_proto::HeartBeat;

use crate::model::{config::Config, error::Lost, time::Timestamp};

/// The heart-beats of one connection.
#[derive(Debug)]
pub(crate) struct HeartBeats {
    send_every: Option<Duration>,
    hear_within: Option<Duration>,
    /// How late the time may be reported.
    slack: Duration,
    sent: Timestamp,
    heard: Timestamp,
    paused: bool,
    /// The peer's silence was ours once already since it was heard.
    excused: bool,
    /// What the peer has promised, in milliseconds, until its first heart-beat comes.
    owed: Option<u64>,
}

/// What the time says about the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing.
    None,
    /// The time comes so late that nothing can be said about the peer.
    Stall(Duration),
    /// It was silent for too long.
    Dead(Duration),
    /// The time comes late again, and it was silent all the while.
    DeadAfterStall(Duration),
}

impl HeartBeats {
    pub(crate) fn new(agreed: HeartBeat, config: &Config, now: Timestamp) -> Self {
        let scaled = |milliseconds: u64, factor: f64| {
            let period = Duration::from_millis(milliseconds).as_secs_f64();
            (milliseconds > 0).then(|| Duration::try_from_secs_f64(period * factor).unwrap_or(Duration::MAX))
        };
        let silence = scaled(agreed.incoming, config.silence_periods.max(1.0));
        Self {
            send_every: scaled(agreed.outgoing, config.send_fraction.clamp(0.1, 1.0))
                .or_else(|| config.unasked_beats.filter(|period| !period.is_zero())),
            hear_within: silence.map(|silence| silence.saturating_add(config.silence_margin)),
            slack: config.silence_margin,
            sent: now,
            heard: now,
            paused: false,
            excused: false,
            owed: (agreed.incoming > 0).then_some(agreed.incoming),
        }
    }

    /// A heart-beat came. A peer that has much to say sends none for long, so that they prove more than frames.
    pub(crate) const fn beat(&mut self) {
        self.owed = None;
    }

    /// Why a connection is given up on which nothing was heard for so long.
    pub(crate) const fn lost(&self, silence: Duration) -> Lost {
        match self.owed {
            Some(promised) => Lost::NoHeartBeats(Duration::from_millis(promised)),
            None => Lost::HeartBeat(silence),
        }
    }

    pub(crate) const fn sent(&mut self, now: Timestamp) {
        self.sent = now;
    }

    pub(crate) const fn heard(&mut self, now: Timestamp) {
        self.heard = now;
        self.excused = false;
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

    /// Whether the peer has been silent for too long, or only we have been late. It is asked before
    /// [`take_due`](Self::take_due).
    pub(crate) fn silence(&mut self, now: Timestamp) -> Silence {
        let late = self.deadline().map_or(Duration::ZERO, |due| now.since(due));
        let (stalled, silent) = (late > self.slack, self.hear_at().is_some_and(|at| at <= now));
        match (stalled, silent) {
            (false, false) => Silence::None,
            (false, true) => Silence::Dead(now.since(self.heard)),
            (true, true) if self.excused => Silence::DeadAfterStall(late),
            (true, _) => {
                if silent {
                    (self.heard, self.excused) = (now, true);
                }
                Silence::Stall(late)
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        Timestamp::first([self.send_at(), self.hear_at()])
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
        assert_eq!(beats.silence(at(2499)), Silence::None);
        assert_eq!(beats.silence(at(2500)), Silence::Dead(Duration::from_millis(2500)));
        beats.heard(at(2000));
        assert_eq!(beats.silence(at(2500)), Silence::None);
        beats.pause();
        assert_eq!((beats.silence(at(99_000)), beats.deadline()), (Silence::None, None));
        beats.resume(at(99_000));
        assert_eq!(beats.deadline(), Some(at(101_500)));
    }

    #[test]
    fn a_late_report_excuses_the_peer_once() {
        let mut beats = beats(0, 1000);
        assert_eq!(
            beats.silence(at(3000)),
            Silence::Dead(Duration::from_secs(3)),
            "late by no more than the margin"
        );
        assert_eq!(beats.silence(at(3001)), Silence::Stall(Duration::from_millis(501)));
        assert_eq!((beats.silence(at(5000)), beats.deadline()), (Silence::None, Some(at(5501))));
        assert_eq!(beats.silence(at(5501)), Silence::Dead(Duration::from_millis(2500)));
        assert_eq!(beats.silence(at(9000)), Silence::DeadAfterStall(Duration::from_millis(3499)));
        beats.heard(at(9000));
        assert_eq!(
            beats.silence(at(19_000)),
            Silence::Stall(Duration::from_millis(7500)),
            "it was heard between"
        );
    }

    #[test]
    fn our_own_beat_that_comes_late_is_a_stall() {
        let mut beats = beats(1000, 0);
        assert_eq!(beats.silence(at(1300)), Silence::None);
        assert_eq!(beats.silence(at(1301)), Silence::Stall(Duration::from_millis(501)));
    }

    #[test]
    fn nothing_agreed_nothing_due() {
        assert_eq!(beats(0, 0).deadline(), None);
    }
}
