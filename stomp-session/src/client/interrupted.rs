//! Calls that a signal has interrupted.

use std::{io, task::Poll};

/// Makes a call until no signal interrupts it (EINTR): that says nothing about the stream.
pub(super) fn uninterrupted<T>(mut call: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            called => return called,
        }
    }
}
