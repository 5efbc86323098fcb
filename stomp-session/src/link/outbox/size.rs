//! How large the frame is that was appended last.

use memchr::{memchr_iter, memmem};

use super::{Entry, Outbox};

impl Outbox {
    /// The octets of the frame that was appended last.
    pub(crate) fn size_of_last(&self) -> usize {
        let body = |entry: &Entry| entry.body.as_ref().map_or(0, |body| body.len());
        self.entries.back().map_or(0, |entry| entry.length.saturating_add(body(entry)))
    }

    /// Its headers, as they are written: a line end in one is escaped, or cannot be written.
    pub(crate) fn headers_of_last(&self) -> usize {
        let length = self.entries.back().map_or(0, |entry| entry.length);
        let frame = self.bytes.get(self.bytes.len().saturating_sub(length)..).unwrap_or_default();
        let head = memmem::find(frame, b"\n\n").and_then(|end| frame.get(..end)).unwrap_or_default();
        memchr_iter(b'\n', head).count()
    }
}
