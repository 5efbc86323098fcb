//! Several attempts to reach the same host, of which the first that succeeds is used.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use super::runtime::{Addresses, Runtime};

/// The delay before the next attempt begins (RFC 8305, "Happy Eyeballs": 250 ms).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to one of the addresses of a host name, and reports how many there are.
///
/// The addresses are tried in the [order](Addresses::order) of the attempt; see [`race`]. This is for adapters:
/// [`Runtime::dial_counted`] resolves the name and then calls this function.
///
/// This function is cancel safe: if its future is dropped, its attempts are dropped.
///
/// # Errors
/// Returns the same errors as [`race`].
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

/// Runs attempts until one of them succeeds, and returns its result.
///
/// Each attempt begins 250 ms after the previous one, or at once when an attempt fails. This is for adapters: a host
/// name may have several addresses, and an unresponsive one must not hold up the others.
///
/// This function is cancel safe: if its future is dropped, its attempts are dropped.
///
/// # Errors
/// Returns the error of the attempt that failed last, or an error of the kind [`io::ErrorKind::NotFound`] if there was
/// no attempt.
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

/// Returns the first result, and removes its attempt.
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
