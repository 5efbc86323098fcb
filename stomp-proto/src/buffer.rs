//! The read buffer: the owner of a socket reads straight into it, and frames are slices of it.

use core::mem;

use bytes::{Buf as _, Bytes, BytesMut};

/// The room of a new buffer. An idle connection needs no more.
const SMALL: usize = 256;
/// The room to which it grows while reads fill it, so that reads are few and a frame with a body of 64 KiB fits.
const LARGE: usize = 128 * 1024;
/// The smallest room that is worth a read.
const LEAST: usize = 128;
/// From this size on, what is in the buffer is not copied to make room behind it: its memory grows, which large allocations
/// mostly do where they are.
const HEAVY: usize = LARGE;
/// How much of the room for a large frame is zeroed at a time. With less, it is read into in many small steps.
const PART: usize = 512 * 1024;
/// Room beyond this was made for one large frame, and goes with it.
const OUTGROWN: usize = 2 * LARGE;

/// Received octets. Everything in `bytes` is initialised; the first `filled` octets are data.
///
/// What is taken out stays in the same allocation, which is used again once all of it was dropped, so that frames cost
/// no allocation. It is zeroed each time it is used again, not at each read.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    bytes: BytesMut,
    filled: usize,
    room: usize,
}

impl ReadBuffer {
    pub(crate) fn data(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    pub(crate) const fn len(&self) -> usize {
        self.filled
    }

    /// Free room to read into. `expected` is how many octets the frame in progress is known to have.
    pub(crate) fn space(&mut self, expected: usize) -> &mut [u8] {
        let wanted = match expected.saturating_sub(self.filled) {
            0 => LEAST,
            // A large frame is not copied once more to make room for its last octets.
            missing => missing.min(LEAST),
        };
        if self.bytes.len().saturating_sub(self.filled) < wanted {
            self.make_room(expected);
        }
        self.space_left()
    }

    /// The room that is left for a read.
    pub(crate) fn space_left(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// How many octets can be appended without more room.
    pub(crate) fn room_left(&self) -> usize {
        self.bytes.capacity().saturating_sub(self.filled)
    }

    /// Takes out everything, including the allocation, and leaves a buffer with room for exactly `room` octets.
    pub(crate) fn replace(&mut self, room: usize) -> BytesMut {
        self.bytes.truncate(self.filled);
        self.filled = 0;
        mem::replace(&mut self.bytes, BytesMut::zeroed(room))
    }

    /// Marks the first `count` octets of the space as data.
    pub(crate) fn commit(&mut self, count: usize) {
        self.filled = self.filled.saturating_add(count).min(self.bytes.len());
        if self.filled == self.bytes.len() {
            self.grow();
        }
    }

    /// Makes room for this number of octets; `expected` is as in [`space`](Self::space).
    #[cold]
    pub(crate) fn make_room_for(&mut self, octets: usize, expected: usize) {
        self.grow();
        self.reserve(octets.max(self.wanted(expected)));
    }

    /// Moves a frame in progress that will have `expected` octets to where it fits, while less than half of it would be copied.
    pub(crate) fn fit(&mut self, expected: usize) {
        let missing = expected.saturating_sub(self.filled);
        if expected <= self.room && self.filled <= missing && self.room_left() < missing {
            self.reserve(self.room);
        }
    }

    /// Copies in octets, for which there must be room. Memory that is written here need not be zeroed first.
    #[inline(always)]
    pub(crate) fn append(&mut self, octets: &[u8]) {
        let rest = if self.filled < self.bytes.len() { self.fill(octets) } else { octets };
        if !rest.is_empty() {
            self.bytes.extend_from_slice(rest);
            self.filled = self.bytes.len();
        }
    }

    /// Copies into the room that is initialised already, and returns what did not fit.
    fn fill<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let room = self.bytes.get_mut(self.filled..).unwrap_or_default();
        let (now, later) = octets.split_at_checked(room.len()).unwrap_or((octets, &[]));
        if let Some(room) = room.get_mut(..now.len()) {
            room.copy_from_slice(now);
        }
        self.filled = self.filled.saturating_add(now.len());
        later
    }

    /// Takes the first `count` octets out, without a copy.
    pub(crate) fn take(&mut self, count: usize) -> Bytes {
        let count = count.min(self.filled);
        if self.is_outgrown_after(count) {
            return self.take_memory(count);
        }
        self.filled = self.filled.saturating_sub(count);
        self.bytes.split_to(count).freeze()
    }

    /// Drops the first `count` octets.
    pub(crate) fn skip(&mut self, count: usize) {
        let count = count.min(self.filled);
        if self.is_outgrown_after(count) {
            drop(self.start_anew(count));
            return;
        }
        self.filled = self.filled.saturating_sub(count);
        self.bytes.advance(count);
    }

    /// Whether the buffer has grown for what it had to hold, and will not need that much without its first `count` octets.
    fn is_outgrown_after(&self, count: usize) -> bool {
        self.bytes.capacity() > OUTGROWN && self.filled.saturating_sub(count) <= LARGE
    }

    /// Takes out the first `count` octets, and with them the memory.
    #[cold]
    fn take_memory(&mut self, count: usize) -> Bytes {
        let mut octets = self.start_anew(count);
        octets.truncate(count);
        octets.freeze()
    }

    /// Copies what follows the first `count` octets into new memory. Returns the old.
    #[cold]
    fn start_anew(&mut self, count: usize) -> BytesMut {
        let rest = BytesMut::from(self.data().get(count..).unwrap_or_default());
        self.filled = rest.len();
        mem::replace(&mut self.bytes, rest)
    }

    /// The room that the buffer should have. For a frame in progress it doubles, so that each octet is copied a bounded
    /// number of times, up to what the frame needs. It never depends on an announced length alone.
    fn wanted(&self, expected: usize) -> usize {
        let missing = if expected > self.filled { expected.saturating_sub(self.filled) } else { self.filled };
        missing.min(self.filled).max(self.room).max(SMALL)
    }

    /// Makes room for a read. What is reserved for a large frame is zeroed a part at a time, so that it is in the cache when
    /// it is read into, and takes no memory before.
    fn make_room(&mut self, expected: usize) {
        let wanted = self.wanted(expected);
        self.bytes.truncate(self.filled);
        if self.filled < HEAVY || self.room_left() < wanted.min(LEAST) {
            self.reserve(wanted);
        }
        let part = expected.saturating_sub(self.filled).clamp(LARGE, PART);
        let zeroed = self.filled.saturating_add(part).min(self.bytes.capacity());
        self.bytes.resize(zeroed, 0);
    }

    /// Enlarges the room for later reads, since this one was filled.
    fn grow(&mut self) {
        self.room = self.room.saturating_mul(4).clamp(SMALL, LARGE);
    }

    /// Makes room behind the data, and drops whatever followed the data.
    fn reserve(&mut self, room: usize) {
        self.bytes.truncate(self.filled);
        if self.filled >= HEAVY {
            self.bytes.reserve(room);
        } else if !self.bytes.try_reclaim(room) {
            let mut fresh = BytesMut::with_capacity(self.filled.saturating_add(room));
            fresh.extend_from_slice(&self.bytes);
            self.bytes = fresh;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(buffer: &mut ReadBuffer, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            let space = buffer.space(0);
            let count = space.len().min(rest.len());
            space[..count].copy_from_slice(&rest[..count]);
            buffer.commit(count);
            rest = &rest[count..];
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let octets: alloc::vec::Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let mut buffer = ReadBuffer::default();
        fill(&mut buffer, &octets);
        buffer.skip(3);
        let taken = buffer.take(150_000);
        fill(&mut buffer, &octets);
        assert_eq!(taken, octets[3..150_003]);
        assert_eq!(buffer.data()[..49_997], octets[150_003..]);
        assert_eq!(buffer.data()[49_997..], octets);
    }

    #[test]
    fn an_announced_length_reserves_no_more_than_arrived() {
        let mut buffer = ReadBuffer::default();
        fill(&mut buffer, &[7; 100_000]);
        buffer.bytes.truncate(buffer.filled);
        assert!(buffer.space(usize::MAX).len() <= 2 * 100_000 + LARGE);
    }

    #[test]
    fn the_end_of_a_large_frame_costs_no_copy() {
        let mut buffer = ReadBuffer::default();
        fill(&mut buffer, &[7; 1 << 20]);
        let expected = (1 << 20) + (1 << 19);
        let (mut copies, mut place) = (0, buffer.data().as_ptr());
        while buffer.len() < expected {
            let count = buffer.space(expected).len().min(expected - buffer.len()).min(300);
            buffer.commit(count);
            copies += usize::from(buffer.data().as_ptr() != place);
            place = buffer.data().as_ptr();
        }
        assert!(copies <= 1, "{copies}");
    }

    #[test]
    fn a_frame_of_unknown_length_is_copied_a_bounded_number_of_times() {
        let mut buffer = ReadBuffer::default();
        let (mut copies, mut place) = (0, core::ptr::null());
        for _ in 0..1 << 16 {
            fill(&mut buffer, &[7; 16]);
            copies += usize::from(buffer.data().as_ptr() != place);
            place = buffer.data().as_ptr();
        }
        assert!(copies <= 20, "1 MiB was copied {copies} times");
        assert!(buffer.bytes.capacity() <= 2 * buffer.len() + LARGE);
    }

    /// An idle connection has little room; one whose reads fill it gets more, up to a bound.
    #[test]
    fn room_grows_while_reads_fill_it() {
        let rooms = |unfilled: usize| {
            let mut buffer = ReadBuffer::default();
            let mut read = || {
                let room = buffer.space(0).len();
                buffer.commit(room - unfilled);
                buffer.skip(room - unfilled);
                room
            };
            core::array::from_fn::<_, 8, _>(|_| read())
        };
        let (filled, unfilled) = (rooms(0), rooms(1));
        assert_eq!(filled[0], SMALL);
        assert!((64 << 10..=128 << 10).contains(&filled[7]), "{filled:?}");
        assert!(unfilled.iter().all(|room| *room <= SMALL), "{unfilled:?}");
    }

    #[test]
    fn dropped_frames_give_their_room_back() {
        let mut buffer = ReadBuffer::default();
        fill(&mut buffer, &[1; 2 * LARGE]);
        drop(buffer.take(2 * LARGE));
        let capacity = {
            buffer.space(0);
            buffer.bytes.capacity()
        };
        for _ in 0..100 {
            fill(&mut buffer, &[1; 1000]);
            drop(buffer.take(1000));
        }
        assert!(buffer.bytes.capacity() <= capacity);
    }
}
