//! Where the headers of a frame are in its octets.

use alloc::vec::Vec;
use core::{mem, ops::Range};

/// Where one header is in the block.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Slot {
    start: u32,
    colon: u32,
    end: u32,
}

impl Slot {
    pub(crate) fn new(start: usize, colon: usize, end: usize) -> Self {
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: narrow(start), colon: narrow(colon), end: narrow(end) }
    }

    /// The slot of a header that ends before octet 2^32.
    pub(crate) const fn near(start: usize, colon: usize, end: usize) -> Self {
        Self { start: start as u32, colon: colon as u32, end: end as u32 }
    }

    /// Whether its positions fit 32 bits.
    pub(crate) const fn is_exact(self) -> bool {
        self.end != u32::MAX
    }

    pub(crate) const fn end(self) -> usize {
        self.end as usize
    }

    pub(crate) const fn name(self) -> Range<usize> {
        self.start as usize..self.colon as usize
    }

    pub(crate) const fn value(self) -> Range<usize> {
        self.colon.saturating_add(1) as usize..self.end as usize
    }

    /// Name and value, and the colon between them.
    pub(crate) const fn line(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Slots without an allocation. They suffice for the usual number of headers: a MESSAGE of RabbitMQ or ActiveMQ has 7
/// to 11.
pub(crate) const INLINE: usize = 12;

/// Only the first `len` slots are valid. The others, inline or not, are left over from other frames.
#[derive(Clone, Default, Debug)]
pub(crate) struct Slots {
    inline: [Slot; INLINE],
    len: usize,
    more: Vec<Slot>,
}

impl Slots {
    /// Appends a slot, which is written straight to its final place. Making it on the stack, field by field, and
    /// copying it would cost more than everything else about a header.
    #[inline]
    pub(crate) fn push(&mut self, slot: Slot) {
        let place = match self.inline.get_mut(self.len) {
            Some(free) => Some(free),
            None => self.one_more(),
        };
        if let Some(place) = place {
            *place = slot;
        }
        self.len = self.len.wrapping_add(1);
    }

    #[cold]
    #[inline(never)]
    fn one_more(&mut self) -> Option<&mut Slot> {
        self.more.truncate(self.len.wrapping_sub(INLINE));
        self.more.push(Slot::default());
        self.more.last_mut()
    }

    /// Takes all slots out.
    pub(crate) fn take(&mut self) -> Self {
        let more = if self.len > INLINE { mem::take(&mut self.more) } else { Vec::new() };
        Self { inline: self.inline, len: mem::take(&mut self.len), more }
    }

    /// Lends the slots and forgets them, so that the next frame begins without any.
    pub(crate) fn lend(&mut self) -> [&[Slot]; 2] {
        let len = mem::take(&mut self.len);
        self.first(len)
    }

    pub(crate) fn as_slices(&self) -> [&[Slot]; 2] {
        self.first(self.len)
    }

    /// The first `count`.
    fn first(&self, count: usize) -> [&[Slot]; 2] {
        let inline = self.inline.get(..count).unwrap_or(&self.inline);
        [inline, self.more.get(..count.saturating_sub(INLINE)).unwrap_or_default()]
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> {
        let [inline, more] = self.as_slices();
        inline.iter().chain(more).copied()
    }
}

impl FromIterator<Slot> for Slots {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        slots.into_iter().fold(Self::default(), |mut all, slot| {
            all.push(slot);
            all
        })
    }
}
