//! Sends that nobody waits for: they wait for a connection with room by themselves, in the driver's hands and within a bound.

use std::{
    collections::VecDeque,
    future::Future as _,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use super::{
    Notice, SendError, Sending,
    shared::{Inner, Shared},
};
use crate::Closed;

/// What was handed in, and how much of it waits here or in the driver's hands.
#[derive(Default)]
pub(super) struct Handed {
    sends: Vec<(Sending, usize)>,
    octets: usize,
    count: usize,
}

/// The driver's: what waits, in the order of the calls.
#[derive(Default)]
pub(super) struct Buffer {
    sends: VecDeque<(Sending, usize)>,
}

impl Buffer {
    /// Sends what there is a connection with room for. Whether any left.
    pub(super) fn poll(&mut self, shared: &Shared, cx: &mut Context<'_>) -> bool {
        let handed = shared.with(|inner| mem::take(&mut inner.handed.sends));
        for (mut send, size) in handed {
            // It has its caller's waker until it is polled here.
            match Pin::new(&mut send).poll(cx) {
                Poll::Ready(sent) => shared.with(|inner| inner.unbuffer(size, sent)),
                Poll::Pending => self.sends.push_back((send, size)),
            }
        }
        let before = self.sends.len();
        while let Some((first, size)) = self.sends.front_mut() {
            let Poll::Ready(sent) = Pin::new(first).poll(cx) else { break };
            shared.with(|inner| inner.unbuffer(*size, sent));
            self.sends.pop_front();
        }
        before != self.sends.len()
    }
}

impl Inner {
    pub(super) fn has_buffer(&self, size: usize, budget: usize) -> bool {
        self.handed.octets.saturating_add(size) <= budget
    }

    pub(super) fn buffer(&mut self, send: Sending, size: usize) {
        self.handed.octets = self.handed.octets.saturating_add(size);
        self.handed.count = self.handed.count.saturating_add(1);
        self.handed.sends.push((send, size));
        self.wake_driver();
    }

    fn unbuffer(&mut self, size: usize, sent: Result<(), SendError>) {
        self.handed.octets = self.handed.octets.saturating_sub(size);
        self.handed.count = self.handed.count.saturating_sub(1);
        match sent {
            // That it ended was told when it did, before the listeners' end.
            Ok(()) | Err(SendError::Closed(_)) => {}
            Err(error) => self.note(&Notice::SendFailed(error)),
        }
    }

    /// The session has ended: what still waits is told to be lost.
    pub(super) fn close_buffer(&mut self, closed: &Closed) {
        for _ in 0..mem::take(&mut self.handed.count) {
            self.note(&Notice::SendFailed(SendError::Closed(closed.clone())));
        }
        let sends = mem::take(&mut self.handed.sends);
        self.after.drop_sends(sends.into_iter().map(|(send, _)| send));
    }
}
