//! Spans and events of `tracing` about what happens in a session, with the feature `tracing`. Without it, this does
//! nothing.

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(feature = "tracing")]
mod on;

#[cfg(not(feature = "tracing"))]
pub(super) use off::{ConnectionSpan, Handled, Report, Telemetry, handled, is_on};
#[cfg(feature = "tracing")]
pub(super) use on::{ConnectionSpan, Handled, Report, Telemetry, handled, is_on};
