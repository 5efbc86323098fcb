//! A stream that always has another item lets other tasks run between two of them.

use std::task::{Context, Poll};

/// Items in a row before others get their turn.
const ROW: u8 = 128;

/// Counts items in a row.
#[derive(Debug, Default)]
pub(super) struct Row(u8);

impl Row {
    /// Returns pending once after each row, and wakes the task at once.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.0 >= ROW {
            self.0 = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.0 = self.0.saturating_add(1);
        Poll::Ready(())
    }

    /// There was none: others have their turn.
    pub(super) const fn end(&mut self) {
        self.0 = 0;
    }
}
