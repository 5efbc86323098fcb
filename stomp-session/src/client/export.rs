//! The statistics of a session as metrics, with the feature `metrics`. Without it, this does nothing.

#[cfg(feature = "metrics")]
mod on;

#[cfg(feature = "metrics")]
pub(super) use on::Export;

#[cfg(not(feature = "metrics"))]
use super::shared::Shared;
#[cfg(not(feature = "metrics"))]
use crate::Endpoint;

/// Without the feature, nothing is recorded.
#[cfg(not(feature = "metrics"))]
#[derive(Debug, Default)]
pub(super) struct Export {}

#[cfg(not(feature = "metrics"))]
impl Export {
    #[allow(clippy::unused_self, reason = "the other one has a state")]
    pub(super) const fn begin(&mut self, _: &Endpoint) {}

    #[allow(clippy::unused_self, reason = "the other one has a state")]
    pub(super) const fn record(&mut self, _: &Shared) {}
}
