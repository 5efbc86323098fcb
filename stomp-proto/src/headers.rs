//! The headers of a frame: an ordered list that keeps repeated names, of which the first counts.

use alloc::{borrow::Cow, vec::Vec};
use core::{fmt, ops::Range};

use bytes::Bytes;

use crate::{
    Text,
    slots::{Slot, Slots, SlotsRef},
};

/// The headers of a frame, in order.
///
/// A name may occur more than once. The first occurrence determines the value, and the others are kept as a record of
/// earlier values (STOMP 1.2, "Repeated Header Entries").
///
/// The headers of a received frame are a slice of the read buffer and an index into it, so looking them up does not
/// allocate.
#[derive(Clone, Default)]
pub struct Headers {
    block: Block,
    slots: Slots,
    escaped: bool,
}

/// The octets that the slots point into: `name:value` for each header.
#[derive(Clone)]
enum Block {
    /// As received, followed by the body.
    Parsed(Bytes),
    Built(Vec<u8>),
}

impl Default for Block {
    fn default() -> Self {
        Self::Built(Vec::new())
    }
}

impl Block {
    fn octets(&self) -> &[u8] {
        match self {
            Self::Parsed(bytes) => bytes,
            Self::Built(octets) => octets,
        }
    }
}

impl Headers {
    /// Creates an empty list of headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) const fn parsed(block: Bytes, slots: Slots, escaped: bool) -> Self {
        Self { block: Block::Parsed(block), slots, escaped }
    }

    /// Returns a borrowed view of the headers.
    #[must_use]
    pub fn as_ref(&self) -> HeadersRef<'_> {
        HeadersRef { octets: self.block.octets(), slots: self.slots.as_ref(), escaped: self.escaped }
    }

    /// Returns the value of the first header with this name, or `None` if there is none.
    ///
    /// ```
    /// let mut headers = stomp_proto::Headers::new();
    /// headers.push("foo", "first");
    /// headers.push("foo", "second");
    /// assert_eq!(headers.get("foo").unwrap(), "first");
    /// ```
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<Text<'_>> {
        if self.is_empty() { None } else { self.as_ref().get(name) }
    }

    /// Returns the value of the first header with this name as text, borrowed unless there are escapes to undo.
    ///
    /// Returns `None` if there is no such header, or if its value is not UTF-8. [`get`](Self::get) returns the octets of
    /// such a value.
    ///
    /// ```
    /// let mut headers = stomp_proto::Headers::new();
    /// headers.push("content-type", "text/plain");
    /// assert_eq!(headers.get_str("content-type").as_deref(), Some("text/plain"));
    /// ```
    #[must_use]
    pub fn get_str(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name)?.text().ok()
    }

    /// Returns `true` if there is a header with this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns an iterator over all headers in order, repeated names included, as pairs of name and value.
    pub fn iter(&self) -> impl Iterator<Item = (Text<'_>, Text<'_>)> {
        self.as_ref().iter()
    }

    /// Returns the number of headers, repeated names included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns `true` if there are no headers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.slots.len() == 0
    }

    /// Appends a header.
    ///
    /// Whether it can be written depends on the version, so it is checked when the frame is encoded.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        if let Block::Parsed(_) = self.block {
            // The octets to append to are unescaped, and nobody else's.
            *self = self.iter().collect();
        }
        if let Block::Built(block) = &mut self.block {
            self.slots.push(append(block, name.as_ref(), value.as_ref()));
        }
    }

    /// Removes all headers with this name and appends one with this value.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.remove(&name);
        self.push(name, value);
    }

    /// Removes all headers with this name.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = name.as_ref();
        if self.as_ref().find(name).is_some() {
            let named = Text::new(name, false);
            *self = self.iter().filter(|(found, _)| *found != named).collect();
        }
    }

    /// The octets that hold the headers and, behind them, the body of a received frame.
    pub(crate) fn octets(&self) -> &[u8] {
        self.block.octets()
    }

    /// The octets from `start` on, shared where possible.
    pub(crate) fn shared_from(&self, start: usize) -> Bytes {
        match &self.block {
            Block::Parsed(block) => block.slice(start.min(block.len())..),
            Block::Built(block) => Bytes::copy_from_slice(block.get(start..).unwrap_or_default()),
        }
    }
}

/// Appends a header to a block.
fn append(block: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Slot {
    let length = name.len().saturating_add(value.len()).saturating_add(1);
    if block.capacity() == 0 {
        *block = Vec::with_capacity(length.max(BUILT));
    } else {
        block.reserve(length);
    }
    let start = block.len();
    block.extend_from_slice(name);
    let colon = block.len();
    block.push(b':');
    block.extend_from_slice(value);
    Slot::new(start, colon, block.len())
}

impl<'a> FromIterator<(Text<'a>, Text<'a>)> for Headers {
    fn from_iter<I: IntoIterator<Item = (Text<'a>, Text<'a>)>>(headers: I) -> Self {
        let mut copy = Self::new();
        for (name, value) in headers {
            copy.push(name.octets(), value.octets());
        }
        copy
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

/// The headers of a frame, borrowed.
///
/// Collect [`iter`](Self::iter) into [`Headers`] to keep a copy.
#[derive(Clone, Copy)]
pub struct HeadersRef<'a> {
    octets: &'a [u8],
    slots: SlotsRef<'a>,
    escaped: bool,
}

impl<'a> HeadersRef<'a> {
    pub(crate) const fn new(octets: &'a [u8], slots: SlotsRef<'a>, escaped: bool) -> Self {
        Self { octets, slots, escaped }
    }

    /// Returns the value of the first header with this name, or `None` if there is none.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Text<'a>> {
        Some(self.text(self.find(name.as_bytes())?.value()))
    }

    /// The first header of that name.
    #[inline]
    fn find(self, name: &[u8]) -> Option<Slot> {
        self.slots.find(|slot| self.is_named(*slot, name))
    }

    /// Returns `true` if there is a header with this name.
    #[must_use]
    pub fn contains(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns an iterator over all headers in order, repeated names included, as pairs of name and value.
    pub fn iter(self) -> impl Iterator<Item = (Text<'a>, Text<'a>)> {
        self.slots.iter().map(move |slot| (self.text(slot.name()), self.text(slot.value())))
    }

    /// The same where they are not escaped, each also as the octets `name:value`.
    pub(crate) fn lines(self) -> Option<impl Iterator<Item = (&'a [u8], &'a [u8], &'a [u8])>> {
        let octets = |range| self.octets.get(range).unwrap_or_default();
        let lines = self
            .slots
            .iter()
            .map(move |slot| (octets(slot.name()), octets(slot.value()), octets(slot.line())));
        (!self.escaped).then_some(lines)
    }

    /// Returns the number of headers, repeated names included.
    #[must_use]
    pub fn len(self) -> usize {
        self.slots.iter().count()
    }

    /// Returns `true` if there are no headers.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.slots.iter().next().is_none()
    }

    /// The octets that the slots point into, up to the end of the last.
    pub(crate) fn octets(self) -> &'a [u8] {
        let end = self.slots.last().map_or(0, Slot::end);
        self.octets.get(..end).unwrap_or(self.octets)
    }

    /// Whether every slot still fits its index; a built block beyond 4 GiB does not.
    pub(crate) fn is_indexed(self) -> bool {
        self.slots.iter().all(Slot::is_exact)
    }

    /// The same headers, in octets that begin like these.
    pub(crate) fn moved_to(self, block: Bytes) -> Headers {
        Headers::parsed(block, self.slots.iter().collect(), self.escaped)
    }

    /// Whether a header has that name. Without escapes its length is compared first.
    #[inline]
    fn is_named(self, slot: Slot, name: &[u8]) -> bool {
        let range = slot.name();
        match self.escaped {
            false => range.len() == name.len() && self.octets.get(range) == Some(name),
            true => self.text(range) == Text::new(name, false),
        }
    }

    fn text(self, range: Range<usize>) -> Text<'a> {
        Text::new(self.octets.get(range).unwrap_or_default(), self.escaped)
    }
}

impl PartialEq for HeadersRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for HeadersRef<'_> {}

/// Header names whose values are never shown.
const SECRET: [&str; 2] = ["passcode", "authorization"];

impl fmt::Debug for HeadersRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_map();
        for (name, value) in self.iter() {
            if SECRET.iter().any(|secret| name == *secret) {
                list.entry(&name, &"***");
            } else {
                list.entry(&name, &value);
            }
        }
        list.finish()
    }
}

/// Octets that a built block begins with: the headers of a usual SEND, in one allocation.
const BUILT: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::INLINE;

    fn numbered(count: usize) -> Headers {
        let mut headers = Headers::new();
        for number in 0..count {
            headers.push(alloc::format!("h{number}"), alloc::format!("{number}"));
        }
        headers
    }

    #[test]
    fn more_headers_than_fit_inline() {
        let headers = numbered(INLINE + 5);
        assert_eq!(headers.len(), INLINE + 5);
        assert_eq!(headers.get("h0").unwrap(), "0");
        assert_eq!(headers.get("h16").unwrap(), "16");
        assert!(headers.get("h17").is_none());
    }

    #[test]
    fn first_wins_and_set_replaces_all() {
        let mut headers = Headers::new();
        for value in ["1", "2"] {
            headers.push("a", value);
        }
        assert_eq!(headers.get("a").unwrap(), "1");
        headers.set("a", "3");
        assert_eq!((headers.len(), headers.get("a").unwrap().number()), (1, Some(3)));
        headers.push(b"\xff", "1");
        headers.set(b"\xff", "2");
        assert_eq!(headers.len(), 2, "a name need not be text");
    }

    #[test]
    fn headers_are_equal_in_order_or_not_at_all() {
        let headers = numbered(2);
        assert!(headers == headers.clone() && headers.as_ref() == headers.clone().as_ref());
        for other in [numbered(1), numbered(3), Headers::new(), numbered(2).as_ref().iter().take(1).collect()]
        {
            assert!(headers != other, "{other:?}");
        }
    }

    #[test]
    fn none_is_empty() {
        for count in [0, 1, 13] {
            let headers = numbered(count);
            assert_eq!((headers.is_empty(), headers.as_ref().is_empty()), (count == 0, count == 0));
            assert_eq!((headers.len(), headers.as_ref().len()), (count, count));
            assert_eq!(headers.contains("h0"), count > 0);
        }
    }

    #[test]
    fn no_secret_in_debug() {
        let mut headers = Headers::new();
        headers.push("login", "me");
        headers.push("passcode", "canary");
        let shown = alloc::format!("{headers:?}");
        assert!(shown.contains("me") && !shown.contains("canary"), "{shown}");
    }
}
