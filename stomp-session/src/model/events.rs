//! What the owner of a session has not been told yet.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use bytes::Bytes;
use stomp_proto::{Frame, Item};

use super::{
    error::{Closed, Outcome},
    event::Event,
    ids::ReceiptId,
};

/// Events, oldest first, and what became of the frames whose senders waited when the end began.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: VecDeque<Event>,
    traces_frames: bool,
    farewell: Option<Box<Told>>,
    departure: Option<Box<Told>>,
    /// Bodies that are done with, where the owner wants to drop them.
    discarded: Option<Vec<Bytes>>,
}

/// What became of things since somebody began to count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) receipted: usize,
    pub(crate) unreceipted: usize,
    /// Messages that were not handed out.
    pub(crate) returned: usize,
}

/// How the broker answered the DISCONNECT.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parting {
    /// With its RECEIPT.
    Confirmed,
    /// By closing the connection in good order. It is unknown whether it has so many SENDs.
    Closed { unknown: usize },
    /// Not at all, or with an error.
    Unconfirmed,
}

impl Events {
    pub(crate) fn push(&mut self, event: Event) {
        self.queue.push_back(event);
    }

    pub(crate) fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        self.queue.extend(events);
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.queue.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Gives memory back that a quiet session does not need.
    pub(crate) fn shrink(&mut self) {
        self.queue.shrink_to_fit();
    }

    /// Tells the outcome of a frame to whoever has sent it.
    pub(crate) fn tell(&mut self, id: ReceiptId, outcome: Outcome) {
        for told in self.farewell.iter_mut().chain(&mut self.departure) {
            let count = match outcome {
                Outcome::Confirmed => &mut told.receipted,
                _ => &mut told.unreceipted,
            };
            *count = count.saturating_add(1);
        }
        self.push(Event::Receipt { id, outcome });
    }

    /// Counts outcomes from here on.
    pub(crate) fn begin_farewell(&mut self) {
        self.farewell = Some(Box::default());
    }

    /// What the end of a session says that its owner has asked for.
    pub(crate) fn end_farewell(&mut self, parting: Parting) -> Closed {
        let Told { receipted, unreceipted, .. } = *self.farewell.take().unwrap_or_default();
        let (confirmed, unknown) = match parting {
            Parting::Confirmed => (true, None),
            Parting::Closed { unknown } => (false, Some(unknown)),
            Parting::Unconfirmed => (false, None),
        };
        let unreceipted = unreceipted.saturating_add(unknown.unwrap_or_default());
        Closed::Disconnected { confirmed, closed: unknown.is_some(), receipted, unreceipted }
    }

    /// Counts what becomes of things until a connection is left.
    pub(crate) fn begin_departure(&mut self) {
        self.departure = Some(Box::default());
    }

    /// What had become of things when a connection was left.
    pub(crate) fn end_departure(&mut self) -> Told {
        *self.departure.take().unwrap_or_default()
    }

    /// Counts a message that is not handed out, since its connection is being left.
    pub(crate) fn count_returned(&mut self) {
        if let Some(told) = &mut self.departure {
            told.returned = told.returned.saturating_add(1);
        }
    }

    pub(crate) const fn trace_frames(&mut self, traces: bool) {
        self.traces_frames = traces;
    }

    pub(crate) const fn traces_frames(&self) -> bool {
        self.traces_frames
    }

    /// Tells that something came, if that is wanted.
    pub(crate) fn trace(&mut self, item: &Item) {
        match item {
            Item::Frame(frame) | Item::TooLarge { frame, .. } => self.trace_frame(frame),
            _ if self.traces_frames => self.push(Event::HeartBeatReceived),
            _ => {}
        }
    }

    #[inline]
    pub(crate) fn trace_frame(&mut self, frame: &Frame) {
        if self.traces_frames {
            self.push_received(frame);
        }
    }

    #[cold]
    fn push_received(&mut self, frame: &Frame) {
        self.push(Event::FrameReceived(frame.clone().into_owned()));
    }

    /// Drops bodies, or keeps them for the owner: they are not ours, and dropping one may run anything.
    pub(crate) fn discard(&mut self, bodies: impl IntoIterator<Item = Bytes>) {
        match &mut self.discarded {
            Some(discarded) => discarded.extend(bodies),
            None => bodies.into_iter().for_each(drop),
        }
    }

    /// From here on bodies are kept for the owner. Takes those that were.
    #[cfg(feature = "client")]
    pub(crate) fn take_discarded(&mut self) -> Vec<Bytes> {
        self.discarded.replace(Vec::new()).unwrap_or_default()
    }
}
