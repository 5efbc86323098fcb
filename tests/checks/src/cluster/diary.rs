//! What a client saw, and when it had done all that it could and waited for its broker.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use stomp_session::{
    Outcome,
    client::Notice,
    proto::{Command, Frame},
};

use super::ledger::Gap;

/// How long the lines of a client are kept, to be told when something was late or lost.
const KEPT: Duration = Duration::from_secs(400);

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
        while pages.lines.front().is_some_and(|(at, _)| now.duration_since(*at) > KEPT) {
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

    /// The lines of that time, the seconds since its beginning in front of each.
    pub(super) fn during(&self, gap: Gap) -> Vec<String> {
        let pages = self.pages();
        let late = pages.lines.iter().filter(|(at, _)| gap.from <= *at && *at <= gap.to);
        late.map(|(at, text)| format!("{:8.3} {text}", at.duration_since(gap.from).as_secs_f64())).collect()
    }

    /// The moments at which a line ended with that.
    pub(super) fn told(&self, end: &str) -> Vec<Instant> {
        let pages = self.pages();
        pages.lines.iter().filter(|(_, text)| text.ends_with(end)).map(|(at, _)| *at).collect()
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
        Notice::Sent(frame) => format!("-> {}", frame_line(frame)),
        Notice::Received(frame) => format!("<- {}", frame_line(frame)),
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

/// The headers that say which frame it is.
const NAMING: [&str; 6] = ["receipt", "receipt-id", "message", "message-id", "id", "redelivered"];

fn frame_line(frame: &Frame) -> String {
    let named = NAMING.iter().filter_map(|name| Some(format!("{name}:{}", frame.header_str(name)?)));
    let headers = named.collect::<Vec<_>>().join(" ");
    format!("{:?} {headers} {}", frame.command(), text(frame.body()))
}

/// The first words of a body.
fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_without_its_receipt_is_waited_for() {
        let diary = Diary::default();
        let start = Instant::now();
        diary.note(&Notice::Sent(Frame::new(Command::Send)));
        assert_eq!(diary.take_waits().len(), 1, "it is owed still");
        diary.note(&Notice::Received(Frame::new(Command::Receipt)));
        assert_eq!(diary.take_waits().len(), 1);
        assert_eq!(diary.take_waits().len(), 0);
        let lines = diary.during(Gap { from: start, to: Instant::now() });
        assert!(lines[0].contains("-> Send"), "{lines:?}");
        assert!(diary.told("nothing").is_empty());
    }
}
