//! What most sessions never need.

use alloc::boxed::Box;
use core::ops::{Deref, DerefMut};

/// Takes no memory before it is first changed, and is read as empty until then.
#[derive(Debug, Default)]
pub(crate) struct Seldom<T>(Option<Box<T>>);

/// What can be empty.
pub(crate) trait Empty: Default + 'static {
    /// An empty one, which is never changed.
    const EMPTY: &'static Self;
}

impl<T> Seldom<T> {
    /// What there is to be changed. A change of nothing makes nothing.
    #[inline]
    pub(crate) fn used(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }
}

impl<T: Empty> Deref for Seldom<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::EMPTY)
    }
}

impl<T: Empty> DerefMut for Seldom<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}
