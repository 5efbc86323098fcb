//! What something that came leads to.

use crate::model::event::Event;

/// What follows from something that came.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a message is handed on at once, and a box would be one for each"
)]
pub(crate) enum Reaction {
    /// Nothing that is not told already.
    None,
    /// That is told.
    Tell(Event),
    /// DISCONNECT is answered.
    Finished,
}
