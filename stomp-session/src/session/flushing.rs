//! What has left, for the client layer.

use super::{Session, mark::ConnectionMark};
use crate::{link::Link, model::ids::ReceiptId};

impl Session {
    /// Stands behind everything that was written on the connection, if one stands.
    pub(crate) fn mark(&self) -> Option<ConnectionMark> {
        let link = self.state.link()?;
        Some(ConnectionMark { connection: link.connection.id, mark: link.mark() })
    }

    /// The connection that a mark is of, while it stands.
    fn marked(&self, mark: &ConnectionMark) -> Option<&Link> {
        self.state.link().filter(|link| link.connection.id == mark.connection)
    }

    /// Whether its connection stands.
    pub(crate) fn stands(&self, mark: &ConnectionMark) -> bool {
        self.marked(mark).is_some()
    }

    /// Whether everything before that was handed over, or is gone.
    pub(crate) fn has_left(&self, mark: &ConnectionMark) -> bool {
        self.marked(mark).is_none_or(|link| link.has_left(&mark.mark))
    }

    /// Whether something before that was not handed over, and is not sent again on the next connection.
    pub(crate) fn holds_plain(&self, mark: &ConnectionMark) -> bool {
        self.marked(mark).is_some_and(|link| link.holds_plain(&mark.mark))
    }

    /// Whether something was handed over since the last call that is not sent again on the next connection.
    pub(crate) fn take_plain(&mut self) -> bool {
        self.state.link_mut().is_some_and(|link| link.take_plain())
    }

    /// Whether something with a lesser receipt is kept until it is confirmed, and has not begun to leave.
    pub(crate) fn keeps_unsent(&self, before: ReceiptId) -> bool {
        self.replay.kept.holds_unsent(before)
    }

    /// The receipt that the next frame asks for.
    pub(crate) const fn next_receipt(&self) -> ReceiptId {
        self.ids.next_receipt()
    }
}
