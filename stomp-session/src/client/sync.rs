//! The locks and atomics of the parts that `tests/models` runs in every order of their threads: it has others in their place.

pub(super) use std::sync::{Mutex, MutexGuard, atomic};
