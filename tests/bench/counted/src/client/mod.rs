//! Messages that a client receives or sends.

mod line;
mod received;
mod sent;
mod still;
mod taker;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use stomp_bench::workload::Workload;

/// Messages in a pass.
const MESSAGES: u64 = 256;

/// The workload of that name.
pub(crate) fn find(name: &str) -> Option<Workload> {
    Some(match name {
        "received" => received::received(),
        "acknowledged" => received::acknowledged(),
        "handled" => received::handled(),
        "sent" => sent::sent(),
        "confirmed" => sent::confirmed(),
        "ping-pong" => sent::ping_pong(),
        "published" => sent::published(),
        "published-confirmed" => sent::published_confirmed(),
        _ => return None,
    })
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Whoever polls comes again by himself.
fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
