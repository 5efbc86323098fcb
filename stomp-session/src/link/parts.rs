//! The parts of a connection that its other parts write with.

use super::{settlement::Settlement, wire::Wire};
use crate::model::{
    connection::Connection,
    profile::{DeliveryIds, Unsubscribe},
};
use stomp_proto::Version;

/// What a frame is made of, and where it goes.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) connection: &'a Connection,
    pub(super) wire: &'a mut Wire,
    pub(super) settlement: &'a mut Settlement,
}

/// How messages are named that UNSUBSCRIBE would strand. 1.0 has no NACK to give them back with.
pub(super) fn delivery_ids(connection: &Connection) -> Option<DeliveryIds> {
    match connection.profile.unsubscribe {
        Unsubscribe::Strands(ids) if connection.version != Version::V1_0 => Some(ids),
        _ => None,
    }
}
