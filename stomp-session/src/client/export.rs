//! The statistics of a session as metrics, with the feature `metrics`. Without it, this does nothing.

#[cfg(not(feature = "metrics"))]
mod off;
#[cfg(feature = "metrics")]
mod on;

#[cfg(not(feature = "metrics"))]
pub(super) use off::Export;
#[cfg(feature = "metrics")]
pub(super) use on::Export;
