//! One event of `tracing` for each notice, at levels that a production system can leave on. No header but a destination is
//! shown, and no body.

use std::{future::Future, time::Duration};

use tracing::{Instrument as _, Level, Span, field::Empty, level_filters::LevelFilter};

use crate::{Closed, Endpoint, Event, Lost, Moved, Outcome, client::notice::Notice};

/// The target of all events and of the span.
const TARGET: &str = "stomp";

/// What one line about an attempt needs of the notices before it.
#[derive(Debug, Default)]
pub(in super::super) struct Telemetry {
    /// Attempts that have failed since a connection stood.
    failures: u64,
    /// The last one, until a line tells of it.
    failed: Option<(Endpoint, Lost)>,
}

/// What is to be said, once the lock is left: whoever listens is not ours.
#[derive(Debug)]
pub(in super::super) enum Report {
    Again(Box<Again>),
    Notice(Box<Notice>),
}

/// An attempt has failed, and another one follows.
#[derive(Debug)]
pub(in super::super) struct Again {
    failures: u64,
    failed: (Endpoint, Lost),
    next: Endpoint,
    delay: Duration,
}

impl Telemetry {
    /// What is to be said about that, if anybody listens.
    pub(in super::super) fn note(&mut self, notice: &Notice) -> Option<Report> {
        match notice {
            // It was told to.
            Notice::ConnectFailed { reason: Lost::Left, .. } => return None,
            Notice::ConnectFailed { endpoint, reason } => {
                self.failures = self.failures.saturating_add(1);
                self.failed = Some((endpoint.clone(), reason.clone()));
                return None;
            }
            Notice::Reconnecting { endpoint, delay } => {
                if let Some(failed) = self.failed.take() {
                    let (next, delay) = (endpoint.clone(), *delay);
                    let again = Again { failures: self.failures, failed, next, delay };
                    return Some(Report::Again(Box::new(again)));
                }
            }
            Notice::Connected(_) => self.failures = 0,
            _ => {}
        }
        (level(notice) <= LevelFilter::current()).then(|| Report::Notice(Box::new(notice.clone())))
    }
}

/// Whether anybody may want to hear of that.
pub(in super::super) fn is_on(event: &Event) -> bool {
    let least = match event {
        Event::Receipt { .. } => Level::TRACE,
        Event::FrameReceived(_) | Event::FrameSent(_) | Event::HeartBeatReceived | Event::HeartBeatSent => {
            return false;
        }
        _ => Level::ERROR,
    };
    least <= LevelFilter::current()
}

const fn level(notice: &Notice) -> Level {
    match notice {
        Notice::Connected(_) | Notice::Moving { .. } | Notice::Moved(_) => Level::INFO,
        Notice::Closed(closed) => match closed {
            Closed::Disconnected { confirmed: true, .. } => Level::INFO,
            _ => Level::ERROR,
        },
        Notice::Receipt { outcome: Outcome::Confirmed, .. }
        | Notice::Received(_)
        | Notice::Sent(_)
        | Notice::HeartBeatReceived
        | Notice::HeartBeatSent => Level::TRACE,
        Notice::Connecting(_)
        // It was told to.
        | Notice::Disconnected { reason: Lost::Disconnected | Lost::Left, .. }
        | Notice::ConnectFailed { reason: Lost::Left, .. }
        | Notice::Reconnecting { .. }
        | Notice::Receipt { .. }
        | Notice::Subscribed(_)
        | Notice::Unsubscribed(_)
        | Notice::Disconnecting => Level::DEBUG,
        _ => Level::WARN,
    }
}

impl Report {
    pub(in super::super) fn emit(self) {
        match self {
            Self::Again(again) => emit_again(&again),
            Self::Notice(notice) => emit(&notice),
        }
    }
}

/// The one line about an attempt.
fn emit_again(again: &Again) {
    let Again { failures, failed: (broker, error), next, delay } = again;
    tracing::warn!(target: TARGET, %broker, %error, failures, %next, ?delay, "no connection; trying again");
}

fn emit(notice: &Notice) {
    match notice {
        Notice::Connected(connection) => {
            let broker = tracing::field::display(&connection.endpoint);
            Span::current().record("broker", &broker);
            let server = connection.server.as_deref();
            tracing::info!(target: TARGET, broker, version = %connection.version, server, "connected");
        }
        Notice::Connecting(attempt) => {
            tracing::debug!(target: TARGET, broker = %attempt.endpoint, "dialling")
        }
        Notice::Reconnecting { endpoint, delay } => {
            tracing::debug!(target: TARGET, broker = %endpoint, ?delay, "reconnecting");
        }
        Notice::Disconnected { reason: Lost::Disconnected | Lost::Left, .. } => {
            tracing::debug!(target: TARGET, "the connection has ended");
        }
        Notice::Disconnected { reason, .. } => {
            tracing::warn!(target: TARGET, error = %reason, "the connection is lost");
        }
        Notice::Subscribed(id) => tracing::debug!(target: TARGET, subscription = %id, "subscribed"),
        Notice::Unsubscribed(id) => tracing::debug!(target: TARGET, subscription = %id, "unsubscribed"),
        Notice::SubscriptionEnded { id, reason } => {
            tracing::warn!(target: TARGET, subscription = %id, error = %reason, "the subscription has ended");
        }
        Notice::Resubscribing { id, reason, delay } => tracing::warn!(
            target: TARGET, subscription = %id, error = %reason, ?delay, "the subscription does not stand; trying again"
        ),
        Notice::Moving { reason, .. } => {
            tracing::info!(target: TARGET, reason, "leaving the connection for another one");
        }
        Notice::Moved(moved) => {
            let Moved { reason, connection, graceful, confirmed, unconfirmed, unhandled, returned, .. } =
                &**moved;
            let broker = &connection.endpoint;
            tracing::info!(
                target: TARGET, reason, %broker, graceful, confirmed, unconfirmed, unhandled, returned, "moved"
            );
        }
        Notice::Disconnecting => tracing::debug!(target: TARGET, "disconnecting"),
        Notice::Closed(closed) => emit_closed(closed),
        other => emit_trouble(other),
    }
}

fn emit_closed(closed: &Closed) {
    match closed {
        Closed::Disconnected { confirmed: true, .. } => tracing::info!(target: TARGET, "disconnected"),
        _ => tracing::error!(target: TARGET, error = %closed, "the session has ended"),
    }
}

fn emit_trouble(notice: &Notice) {
    match notice {
        Notice::LocalStall { late } => {
            tracing::warn!(target: TARGET, ?late, "the program stood still, or its runtime, or the machine");
        }
        Notice::Receipt { id, outcome: Outcome::Confirmed } => {
            tracing::trace!(target: TARGET, receipt = %id, "confirmed");
        }
        Notice::Receipt { id, outcome } => {
            tracing::debug!(target: TARGET, receipt = %id, ?outcome, "not confirmed");
        }
        Notice::Error(error) => tracing::warn!(target: TARGET, %error, "the broker sent an ERROR"),
        Notice::TooLarge { subscription, excess } => {
            tracing::warn!(target: TARGET, %subscription, ?excess, "a message over the limits was read past");
        }
        Notice::Unroutable(frame) => {
            let destination = frame.header("destination").map(tracing::field::display);
            tracing::warn!(target: TARGET, command = %frame.command(), destination, "a frame that nobody waits for");
        }
        Notice::AckLost { subscription } => tracing::warn!(
            target: TARGET, %subscription, "handled, and not acknowledged: the connection had ended; the message comes again"
        ),
        Notice::Stalled { subscription } => {
            let subscription = subscription.as_ref().map(tracing::field::display);
            tracing::warn!(target: TARGET, subscription, "nothing is read: messages wait that nobody takes");
        }
        Notice::SendFailed(error) => {
            tracing::warn!(target: TARGET, %error, "a buffered message was not sent")
        }
        _ => {}
    }
}

/// Runs the driver in a span that knows the broker.
pub(in super::super) fn in_span<F: Future>(future: F) -> impl Future<Output = F::Output> {
    future.instrument(tracing::info_span!(target: TARGET, "stomp", broker = Empty))
}
