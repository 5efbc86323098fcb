//! What the tests of the driver share: settings, seeds, and a way to poll a future by hand.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use stomp_session::{
    Config,
    client::{Builder, Client},
};

/// One broker, tried for ever, at once after each loss, and no heart-beats.
pub(crate) fn config() -> Config {
    let mut config = Config::new("failover:(tcp://broker)?startupMaxReconnectAttempts=-1".parse().unwrap());
    (config.send_beat, config.receive_beat) = (Duration::ZERO, Duration::ZERO);
    config.stable_after = Duration::ZERO;
    config.prefetch_budget = 100_000;
    config
}

/// What is set of a client beyond its session: nothing.
pub(crate) fn settings() -> Builder {
    Client::builder("tcp://broker")
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// That many seeds, or as many as `SIM_SEEDS` says, or the one that `SIM_SEED` names.
pub(crate) fn seeds(usual: u64) -> impl Iterator<Item = u64> {
    let asked = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    match asked("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..asked("SIM_SEEDS").unwrap_or(usual),
    }
}

/// Polls the future so often, each time when it was woken, then drops it. Whether it had ended before, and with what.
pub(crate) async fn poll_times<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Polls a future once.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}
