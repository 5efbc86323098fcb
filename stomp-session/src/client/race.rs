//! Several ways to the same place: begun one after the other, and the first that arrives wins.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use super::runtime::{Addresses, Runtime};

/// How long an attempt has the field to itself (RFC 8305, "Happy Eyeballs": 250 ms).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to one of the addresses that a name was resolved to, in the [order](Addresses::order) of the attempt, and
/// reports how many there are. For adapters, whose [`Runtime::dial_counted`] is this once they have resolved the name.
///
/// Cancel safe: dropping it drops what it has begun.
///
/// # Errors
/// As of [`race`].
pub async fn race_addresses<R, A, T, F>(
    runtime: &R,
    addresses: &Addresses,
    resolved: impl IntoIterator<Item = A>,
    is_ipv6: impl Fn(&A) -> bool,
    connect: impl FnMut(A) -> F,
) -> io::Result<T>
where
    R: Runtime,
    F: Future<Output = io::Result<T>> + Send,
{
    let ordered = addresses.order(resolved.into_iter().collect(), is_ipv6);
    let count = ordered.len();
    let won = race(runtime, ordered.into_iter().map(connect)).await?;
    addresses.reached(count);
    Ok(won)
}

/// Runs attempts 250 ms apart, and the next one at once where one has failed, until one succeeds. For adapters: a name has
/// several addresses, and a dead one must not hold up the others.
///
/// Cancel safe: dropping it drops all attempts.
///
/// # Errors
/// That of the attempt that failed last; [`io::ErrorKind::NotFound`] when there was none.
pub async fn race<R, T, F>(runtime: &R, attempts: impl IntoIterator<Item = F>) -> io::Result<T>
where
    R: Runtime,
    F: Future<Output = io::Result<T>> + Send,
{
    let mut waiting = attempts.into_iter();
    let mut running: Vec<Pin<Box<F>>> = Vec::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        running.extend(waiting.next().map(Box::pin));
        if running.is_empty() {
            return Err(last);
        }
        let mut head_start = pin!(runtime.sleep_until(runtime.now().after(HEAD_START)));
        let mut step = |cx: &mut Context<'_>| match poll_all(&mut running, cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => head_start.as_mut().poll(cx).map(|()| None),
        };
        match poll_fn(&mut step).await {
            Some(Ok(won)) => return Ok(won),
            Some(Err(error)) => last = error,
            None => {}
        }
    }
}

/// The first result, its attempt removed.
fn poll_all<T, F: Future<Output = io::Result<T>>>(
    running: &mut Vec<Pin<Box<F>>>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    for at in 0..running.len() {
        let Some(attempt) = running.get_mut(at) else { break };
        if let Poll::Ready(result) = attempt.as_mut().poll(cx) {
            drop(running.swap_remove(at));
            return Poll::Ready(result);
        }
    }
    Poll::Pending
}
