//! What keeps a session alive.

use std::{fmt, sync::Arc};

use super::shared::Shared;

/// A hold on the session: when the last one goes, it disconnects.
pub(super) struct Keep {
    pub(super) shared: Arc<Shared>,
}

impl Keep {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        shared.with(|inner| inner.handles = inner.handles.saturating_add(1));
        Self { shared }
    }
}

impl Clone for Keep {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.with(|inner| {
            inner.handles = inner.handles.saturating_sub(1);
            if inner.handles == 0 {
                shared.begin_disconnect(inner);
                inner.wake_driver();
            }
        });
    }
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}
