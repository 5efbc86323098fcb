//! What happens in a session as events of `tracing`, with the feature of that name; without it, nothing.

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(feature = "tracing")]
mod on;

#[cfg(not(feature = "tracing"))]
pub(super) use off::{Report, Telemetry, in_span, is_on};
#[cfg(feature = "tracing")]
pub(super) use on::{Report, Telemetry, in_span, is_on};
