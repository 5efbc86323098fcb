//! How a SEND is to be sent at least once.

use core::time::Duration;

/// How a SEND is to be delivered at least once. See [`Session::send_at_least_once`](crate::Session::send_at_least_once).
///
/// ```
/// use std::time::Duration;
/// let how = stomp_session::AtLeastOnce::new().ordered().timeout(Duration::from_secs(3600));
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "it is handed to `Session::send_at_least_once`"]
pub struct AtLeastOnce {
    pub(crate) timeout: Option<Duration>,
    pub(crate) ordered: bool,
}

impl AtLeastOnce {
    /// For [`Config::at_least_once_timeout`](crate::Config::at_least_once_timeout), and not ordered.
    pub const fn new() -> Self {
        Self { timeout: None, ordered: false }
    }

    /// How long to try, from the call on.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Waits for the RECEIPT of the one before it to the same destination that is ordered too. Without it SENDs are written
    /// in order, and written again in order: with copies a queue may hold A B A.
    pub const fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }
}
