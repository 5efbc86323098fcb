//! What happens in a session as spans and events of `tracing`, with the feature of that name; without it, nothing.

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(feature = "tracing")]
mod on;

#[cfg(not(feature = "tracing"))]
pub(super) use off::{ConnectionSpan, Handled, Report, Telemetry, handled, is_on};
#[cfg(feature = "tracing")]
pub(super) use on::{ConnectionSpan, Handled, Report, Telemetry, handled, is_on};
