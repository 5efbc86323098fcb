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

/// A slot in half the room, for a header that ends before octet 2^16.
#[derive(Clone, Copy, Default, Debug)]
struct Compact {
    start: u16,
    colon: u16,
    end: u16,
}

impl Compact {
    const fn slot(self) -> Slot {
        Slot { start: self.start as u32, colon: self.colon as u32, end: self.end as u32 }
    }
}

/// Slots without an allocation. They suffice for the usual number of headers: a MESSAGE of RabbitMQ or ActiveMQ has 7
/// to 11. A frame is moved on its way to whoever reads it, and its slots are half of it: hence the compact ones.
pub(crate) const INLINE: usize = 12;

/// The first slots inline, as far as they fit there, and the others after them.
///
/// Only the first `inlined` slots inline are valid, and only `len` slots in all. The others are left over from other
/// frames.
#[derive(Clone, Default, Debug)]
pub(crate) struct Slots {
    more: Vec<Slot>,
    inline: [Compact; INLINE],
    len: u32,
    inlined: u32,
}

impl Slots {
    /// Appends a slot, which is written straight to its final place. Making it on the stack, field by field, and
    /// copying it would cost more than everything else about a header.
    #[inline]
    pub(crate) fn push(&mut self, slot: Slot) {
        let all_inline = self.len == self.inlined && slot.end <= u16::MAX as u32;
        match self.inline.get_mut(self.len as usize).filter(|_| all_inline) {
            Some(free) => {
                let Slot { start, colon, end } = slot;
                *free = Compact { start: start as u16, colon: colon as u16, end: end as u16 };
                self.inlined = self.inlined.wrapping_add(1);
            }
            None => self.push_more(slot),
        }
        self.len = self.len.wrapping_add(1);
    }

    #[cold]
    #[inline(never)]
    fn push_more(&mut self, slot: Slot) {
        self.more.truncate(self.len.wrapping_sub(self.inlined) as usize);
        self.more.push(slot);
    }

    /// Takes all slots out.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        let (len, inlined) = (mem::take(&mut self.len), mem::take(&mut self.inlined));
        let more = if len > inlined { mem::take(&mut self.more) } else { Vec::new() };
        Self { more, inline: self.inline, len, inlined }
    }

    /// Lends the slots and forgets them, so that the next frame begins without any.
    pub(crate) fn lend(&mut self) -> SlotsRef<'_> {
        let (len, inlined) = (mem::take(&mut self.len), mem::take(&mut self.inlined));
        self.first(len, inlined)
    }

    pub(crate) fn as_ref(&self) -> SlotsRef<'_> {
        self.first(self.len, self.inlined)
    }

    fn first(&self, len: u32, inlined: u32) -> SlotsRef<'_> {
        let more = len.saturating_sub(inlined) as usize;
        SlotsRef {
            inline: self.inline.get(..inlined as usize).unwrap_or_default(),
            more: self.more.get(..more).unwrap_or_default(),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> {
        self.as_ref().iter()
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

/// [`Slots`], borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotsRef<'a> {
    inline: &'a [Compact],
    more: &'a [Slot],
}

impl<'a> SlotsRef<'a> {
    pub(crate) fn iter(self) -> impl Iterator<Item = Slot> + use<'a> {
        self.inline.iter().map(|slot| slot.slot()).chain(self.more.iter().copied())
    }

    /// The first slot for which `is_it` returns `true`.
    #[inline]
    pub(crate) fn find(self, is_it: impl Fn(&Slot) -> bool) -> Option<Slot> {
        // Not as a chain: that costs as much as all else here, where the first header is the one.
        let inline = self.inline.iter().map(|slot| slot.slot()).find(&is_it);
        inline.or_else(|| self.more.iter().find(|slot| is_it(slot)).copied())
    }

    pub(crate) fn last(self) -> Option<Slot> {
        self.more.last().copied().or_else(|| self.inline.last().map(|slot| slot.slot()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the order of small and large positions, none is cut and none is left over from the frame before.
    #[test]
    fn slots_come_out_as_they_went_in() {
        let far = u16::MAX as usize;
        let ends = [[1, 2, 3, 4], [1, far, far + 1, far + 2], [far, far + 1, 3, 4], [far + 1, 2, 3, 4]];
        let mut slots = Slots::default();
        for ends in ends.iter().cycle().take(9) {
            for count in [2, 4, INLINE, INLINE + 3] {
                let wanted: Vec<_> = ends.iter().cycle().take(count).map(|end| (0..0, 1..*end)).collect();
                for (_, value) in &wanted {
                    slots.push(Slot::new(0, 0, value.end));
                }
                let last = slots.as_ref().last().map(Slot::end);
                assert_eq!(last, wanted.last().map(|(_, value)| value.end));
                let kept = slots.clone().take();
                assert_eq!((kept.len(), slots.len()), (count, count));
                let found = slots.lend().iter().map(|slot| (slot.name(), slot.value()));
                assert!(found.eq(wanted.iter().cloned()), "{ends:?}, {count}");
                assert!(kept.iter().map(Slot::value).eq(wanted.into_iter().map(|(_, value)| value)));
            }
        }
    }
}
