//! One direction of a connection: octets on their way, then its end.

use std::collections::VecDeque;

use bytes::Bytes;
use stomp_session::{Lost, Timestamp};

/// What arrives.
#[derive(Debug)]
pub(super) enum Parcel {
    Octets(Bytes),
    End(Lost),
}

/// Parcels in order, each with the time of its arrival.
#[derive(Debug)]
pub(super) struct Pipe {
    parcels: VecDeque<(Timestamp, Parcel)>,
    held: usize,
    capacity: usize,
    last: Timestamp,
    /// Nothing arrives before that.
    held_up_until: Timestamp,
    ended: bool,
}

impl Pipe {
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            parcels: VecDeque::new(),
            held: 0,
            capacity,
            last: Timestamp::ZERO,
            held_up_until: Timestamp::ZERO,
            ended: false,
        }
    }

    /// How much it takes in.
    pub(super) const fn room(&self) -> usize {
        if self.ended { 0 } else { self.capacity.saturating_sub(self.held) }
    }

    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Sends on its way what arrives then, or behind what was sent before.
    pub(super) fn put(&mut self, octets: Bytes, arrival: Timestamp) {
        if !self.ended && !octets.is_empty() {
            self.held += octets.len();
            self.push(Parcel::Octets(octets), arrival);
        }
    }

    /// The end, behind everything.
    pub(super) fn end(&mut self, reason: Lost, arrival: Timestamp) {
        if !self.ended {
            self.push(Parcel::End(reason), arrival);
            self.ended = true;
        }
    }

    /// The end, instead of what has not arrived yet.
    pub(super) fn reset(&mut self, arrival: Timestamp) {
        self.parcels.clear();
        self.held = 0;
        self.ended = false;
        self.last = Timestamp::ZERO;
        self.held_up_until = Timestamp::ZERO;
        self.end(reset(), arrival);
    }

    /// The end in good order, instead of what has not arrived yet.
    pub(super) fn end_with(&mut self, reason: Lost, arrival: Timestamp) {
        self.reset(arrival);
        self.parcels.clear();
        self.push(Parcel::End(reason), arrival);
    }

    fn push(&mut self, parcel: Parcel, arrival: Timestamp) {
        self.last = self.last.max(arrival);
        self.parcels.push_back((self.last, parcel));
    }

    /// Lets nothing arrive before that.
    pub(super) fn hold_up(&mut self, until: Timestamp) {
        self.held_up_until = self.held_up_until.max(until);
    }

    pub(super) const fn heal(&mut self) {
        self.held_up_until = Timestamp::ZERO;
    }

    /// When the next parcel arrives.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        let (arrival, _) = self.parcels.front()?;
        Some((*arrival).max(self.held_up_until)).filter(|at| *at < Timestamp::MAX)
    }

    /// What has arrived, at most that number of octets.
    pub(super) fn take(&mut self, now: Timestamp, most: usize) -> Option<Parcel> {
        self.next_at().filter(|at| *at <= now)?;
        if let Some((_, Parcel::Octets(octets))) = self.parcels.front_mut()
            && octets.len() > most
        {
            self.held -= most;
            return Some(Parcel::Octets(octets.split_to(most)));
        }
        let (_, parcel) = self.parcels.pop_front()?;
        if let Parcel::Octets(octets) = &parcel {
            self.held -= octets.len();
        }
        Some(parcel)
    }
}

pub(super) fn reset() -> Lost {
    Lost::Io("connection reset".into())
}
