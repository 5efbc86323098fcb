//! The headers of a WebSocket's handshake. Their values may be secrets.

use alloc::{string::String, vec::Vec};
use core::fmt;

/// Headers of a handshake. A name occurs once, whatever its case.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct HandshakeHeaders(Vec<(String, String)>);

impl HandshakeHeaders {
    /// Sets a header, instead of one of the same name.
    pub(crate) fn set(&mut self, name: String, value: String) {
        self.0.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        self.0.push((name, value));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    #[cfg(feature = "client")]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Shows the names alone.
impl fmt::Debug for HandshakeHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
