//! The options of a SEND that is sent at least once.

use core::time::Duration;

/// The options of a SEND that is sent at least once: see
/// [`Session::send_at_least_once`](crate::Session::send_at_least_once).
///
/// ```
/// use std::time::Duration;
/// let options = stomp_session::AtLeastOnce::new().ordered().timeout(Duration::from_secs(3600));
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "it is handed to `Session::send_at_least_once`"]
pub struct AtLeastOnce {
    pub(crate) timeout: Option<Duration>,
    pub(crate) ordered: bool,
}

impl AtLeastOnce {
    /// Creates the default options: not ordered, and with
    /// [`Config::at_least_once_timeout`](crate::Config::at_least_once_timeout) as the time limit.
    pub const fn new() -> Self {
        Self { timeout: None, ordered: false }
    }

    /// Sets the time limit, counted from the call that sends the frame.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the frame only after the RECEIPT of the previous ordered SEND to the same destination has come.
    ///
    /// Without this, SENDs are written in order, and repeated in order. With the repetitions, a queue may hold A B A.
    pub const fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }
}
