//! Sends that nobody waits for: they wait for a connection with room by themselves, in the driver's hands and within a bound.

use std::{
    collections::VecDeque,
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    error::SendError,
    notice::Notice,
    send::Sending,
    shared::{Inner, Shared},
};
use crate::Closed;

/// The driver's: what waits, in the order of the calls.
#[derive(Default)]
pub(super) struct Buffer {
    sends: VecDeque<(Sending, usize)>,
}

impl Buffer {
    /// Sends what there is a connection with room for. Whether any left.
    pub(super) fn poll(&mut self, shared: &Arc<Shared>, cx: &mut Context<'_>) -> bool {
        let handed = shared.with(|inner| inner.handed.take());
        for send in handed {
            let size = send.size;
            let mut send = Sending::handed(Arc::clone(shared), send);
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
    fn unbuffer(&mut self, size: usize, sent: Result<(), SendError>) {
        self.handed.end(size);
        match sent {
            // That it ended was told when it did, before the listeners' end.
            Ok(()) | Err(SendError::Closed(_)) => {}
            Err(error) => self.note(&Notice::SendFailed(error)),
        }
    }

    /// The session has ended: what still waits is told to be lost.
    pub(super) fn close_buffer(&mut self, closed: &Closed) {
        for _ in 0..self.handed.end_all() {
            self.note(&Notice::SendFailed(SendError::Closed(closed.clone())));
        }
        for send in self.handed.take() {
            if let Some(ticket) = send.ticket {
                self.leave(send.how.queue(), ticket);
            }
            self.after.drop_content(send.content);
        }
    }
}
