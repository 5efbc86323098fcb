//! Without the feature `tracing`, nothing is reported.

use crate::{
    Endpoint, Event, Message,
    client::{contain::HandlerBox, notice::Notice},
};

#[derive(Debug, Default)]
pub(in super::super) struct Telemetry {}

/// There is none.
#[derive(Debug)]
pub(in super::super) enum Report {}

impl Telemetry {
    #[allow(clippy::unused_self, reason = "the other one has a state")]
    pub(in super::super) const fn note(&mut self, _: &Notice) -> Option<Report> {
        None
    }
}

impl Report {
    pub(in super::super) const fn emit(self) {
        match self {}
    }
}

pub(in super::super) const fn is_on(_: &Event) -> bool {
    false
}

/// There is none.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct ConnectionSpan {}

impl ConnectionSpan {
    pub(in super::super) const fn here() -> Self {
        Self {}
    }

    #[allow(clippy::unused_self, reason = "the other one has a state")]
    pub(in super::super) const fn next(&self, _: &Endpoint) -> Self {
        Self {}
    }

    #[allow(clippy::unused_self, reason = "the other one has a state")]
    pub(in super::super) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        work()
    }
}

pub(in super::super) type Handled<F> = HandlerBox<F>;

/// Calls a handler. Its future is put into that box, if there is one.
pub(in super::super) fn handled<F>(
    _: &Message,
    _: u32,
    empty_box: Option<HandlerBox<F>>,
    call: impl FnOnce() -> F,
) -> Handled<F> {
    HandlerBox::put(empty_box, call())
}
