//! What a client saw, and when it had done all that it could and waited for its broker.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use stomp_session::{Outcome, client::Notice, proto::Command};

use super::ledger::Gap;

/// How many lines of a client are kept, to be told when something was late or lost.
const LINES: usize = 60;

/// The diary of a client.
#[derive(Debug, Default)]
pub(super) struct Diary(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    lines: VecDeque<(Instant, String)>,
    /// Since when the broker owes an answer.
    owed: Option<Instant>,
    /// The times for which it owed one.
    waits: Vec<Gap>,
}

impl Diary {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is worth telling.
    pub(super) fn note(&self, notice: &Notice) {
        let (mut pages, now) = (self.pages(), Instant::now());
        match notice {
            // A SEND is owed its RECEIPT; an accepted subscription is owed messages.
            Notice::Sent(frame) if frame.command() == Command::Send => pages.owes(now),
            Notice::Subscribed(_) => pages.owes(now),
            // A consumer's is that of its SUBSCRIBE, and comes first.
            Notice::Received(frame) if frame.command() == Command::Receipt => pages.paid(now),
            Notice::Disconnected { .. } => pages.paid(now),
            _ => {}
        }
        pages.lines.extend(line(notice).map(|line| (now, line)));
        if pages.lines.len() > LINES {
            pages.lines.pop_front();
        }
    }

    /// The times for which the broker owed an answer since the last call, and since when it does now.
    pub(super) fn take_waits(&self) -> Vec<Gap> {
        let mut pages = self.pages();
        let now = Instant::now();
        let mut waits = std::mem::take(&mut pages.waits);
        waits.extend(pages.owed.map(|from| Gap { from, to: now }));
        waits
    }

    /// The lines since then.
    pub(super) fn since(&self, since: Instant) -> Vec<String> {
        let pages = self.pages();
        let late = pages.lines.iter().filter(|(at, _)| *at >= since);
        late.map(|(at, text)| format!("{:8.3} {text}", at.duration_since(since).as_secs_f64())).collect()
    }
}

impl Pages {
    fn owes(&mut self, now: Instant) {
        self.owed.get_or_insert(now);
    }

    fn paid(&mut self, now: Instant) {
        if let Some(from) = self.owed.take() {
            self.waits.push(Gap { from, to: now });
        }
    }
}

/// What is told of a notice.
fn line(notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::Sent(frame) | Notice::Received(frame) if is_routine(frame.command()) => return None,
        Notice::Sent(frame) => format!("-> {:?} {}", frame.command(), text(frame.body())),
        Notice::Received(frame) => {
            let message = frame.header_str("message").unwrap_or_default();
            format!("<- {:?} {message} {}", frame.command(), text(frame.body()))
        }
        Notice::Receipt { outcome: Outcome::Confirmed, .. }
        | Notice::HeartBeatSent
        | Notice::HeartBeatReceived
        | Notice::Reconnecting { delay: Duration::ZERO, .. } => return None,
        Notice::Connecting(attempt) => format!("dials {}", attempt.endpoint.host()),
        Notice::Connected(connection) => format!("connected {}", connection.endpoint.host()),
        Notice::Disconnected { reason, .. } => format!("lost: {reason}"),
        Notice::ConnectFailed { endpoint, reason } => format!("{} failed: {reason}", endpoint.host()),
        Notice::Reconnecting { delay, .. } => format!("waits {delay:?}"),
        _ => format!("{notice:?}"),
    })
}

const fn is_routine(command: Command) -> bool {
    matches!(command, Command::Message | Command::Ack)
}

/// The first words of a body.
fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stomp_session::proto::Frame;

    #[test]
    fn a_send_without_its_receipt_is_waited_for() {
        let diary = Diary::default();
        let start = Instant::now();
        diary.note(&Notice::Sent(Frame::new(Command::Send)));
        assert_eq!(diary.take_waits().len(), 1, "it is owed still");
        diary.note(&Notice::Received(Frame::new(Command::Receipt)));
        assert_eq!(diary.take_waits().len(), 1);
        assert_eq!(diary.take_waits().len(), 0);
        assert!(diary.since(start)[0].contains("-> Send"));
    }
}
