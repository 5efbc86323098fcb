//! One event of `tracing` for each notice, at levels that a production system can leave on. No header but a destination
//! is shown, and no body.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tracing::{Level, Span, field::display, level_filters::LevelFilter};

use crate::{
    Closed, Endpoint, Event, Lost, Message, Moved, Outcome,
    client::{contain::HandlerBox, notice::Notice},
};

/// The target of all events and spans.
const TARGET: &str = "stomp";

/// The earlier notices that the one event about a failed attempt needs.
#[derive(Debug, Default)]
pub(in super::super) struct Telemetry {
    /// The number of attempts that have failed since the last connection.
    failures: u64,
    /// The last failed attempt, until an event reports it.
    failed: Option<(Endpoint, Lost)>,
}

/// What is reported once the lock is released, because a subscriber of `tracing` may run any code.
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
    /// Returns the report about this notice, if it is enabled.
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

/// Returns whether an event of this kind may be enabled.
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
            Closed::Disconnected { confirmed, closed, .. } if *confirmed || *closed => Level::INFO,
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

/// The one event about a failed attempt.
fn emit_again(again: &Again) {
    let Again { failures, failed: (broker, error), next, delay } = again;
    tracing::warn!(target: TARGET, %broker, %error, failures, %next, ?delay, "no connection; trying again");
}

fn emit(notice: &Notice) {
    match notice {
        Notice::Connected(connection) => {
            let (broker, server) = (&connection.endpoint, connection.server.as_deref());
            tracing::info!(target: TARGET, %broker, version = %connection.version, server, "connected");
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
            target: TARGET, subscription = %id, error = %reason, ?delay, "the subscription is not active; trying again"
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
        Closed::Disconnected { confirmed, closed, .. } if *confirmed || *closed => {
            tracing::info!(target: TARGET, "disconnected");
        }
        _ => tracing::error!(target: TARGET, error = %closed, "the session has ended"),
    }
}

fn emit_trouble(notice: &Notice) {
    match notice {
        Notice::LocalStall { late } => {
            tracing::warn!(target: TARGET, ?late, "the program, its runtime or the machine was suspended");
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
            let destination = frame.header("destination").map(display);
            tracing::warn!(target: TARGET, command = %frame.command(), destination, "a frame that nothing waits for");
        }
        Notice::AckLost { subscription } => tracing::warn!(
            target: TARGET, %subscription, "a handled message was not acknowledged, since its connection had ended; the broker delivers it again"
        ),
        Notice::Stalled { subscription } => {
            let subscription = subscription.as_ref().map(display);
            tracing::warn!(target: TARGET, subscription, "the connection is not read: messages wait that are not taken");
        }
        Notice::SendFailed(error) => {
            tracing::warn!(target: TARGET, %error, "a buffered message was not sent")
        }
        _ => {}
    }
}

/// The span of a connection, from its dial until the next one: what the driver does is done in it. Each has its own, since a
/// field that is recorded again is shown twice.
#[derive(Clone, Debug)]
pub(in super::super) struct ConnectionSpan {
    /// The span that the driver was spawned in.
    around: Span,
    span: Span,
}

impl Default for ConnectionSpan {
    fn default() -> Self {
        Self { around: Span::none(), span: Span::none() }
    }
}

impl ConnectionSpan {
    /// That of no connection yet.
    pub(in super::super) fn here() -> Self {
        Self { around: Span::current(), span: Span::none() }
    }

    /// That of the next one, beside this.
    pub(in super::super) fn next(&self, broker: &Endpoint) -> Self {
        let span = tracing::info_span!(target: TARGET, parent: &self.around, "stomp.connection", %broker);
        Self { around: self.around.clone(), span }
    }

    pub(in super::super) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(work)
    }
}

/// The future of a handler, polled and dropped in its span. Where nobody listens it has none: a message costs the same then as
/// without this feature.
pub(in super::super) struct Handled<F> {
    future: Option<HandlerBox<F>>,
    span: Option<Box<Span>>,
}

/// Calls a handler, in the span of this attempt. Its future is put into that box, if there is one.
pub(in super::super) fn handled<F>(
    message: &Message,
    attempt: u32,
    empty_box: Option<HandlerBox<F>>,
    call: impl FnOnce() -> F,
) -> Handled<F> {
    if LevelFilter::current() < Level::INFO {
        return Handled { future: Some(HandlerBox::put(empty_box, call())), span: None };
    }
    let destination = message.header("destination").map(display);
    let span = tracing::info_span!(target: TARGET, "stomp.handle", destination, attempt);
    let future = Some(HandlerBox::put(empty_box, span.in_scope(call)));
    Handled { future, span: Some(Box::new(span)) }
}

impl<F> Handled<F> {
    /// Drops the future, and gives its box for another one.
    pub(in super::super) fn empty(mut self) -> Option<HandlerBox<F>> {
        let future = self.future.take()?;
        match &self.span {
            Some(span) => span.in_scope(|| future.empty()),
            None => future.empty(),
        }
    }
}

impl<F: Future> Future for Handled<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, span } = &mut *self;
        let Some(future) = future else { return Poll::Pending };
        match span {
            Some(span) => span.in_scope(|| Pin::new(future).poll(cx)),
            None => Pin::new(future).poll(cx),
        }
    }
}

impl<F> Drop for Handled<F> {
    fn drop(&mut self) {
        if let Some(span) = &self.span {
            let future = self.future.take();
            span.in_scope(|| drop(future));
        }
    }
}
