//! The origin of a message, which is needed to settle it.

use stomp_proto::{AckMode, Frame};

use super::{
    error::CommandError,
    ids::{ConnectionId, Number, Owner, SubscriptionId},
};

/// Where a message came from, and whether it is settled.
#[derive(Clone, Copy, Debug)]
#[expect(unnameable_types, reason = "seen by a sealed trait alone")]
pub struct Arrival {
    pub(super) connection: u64,
    pub(super) subscription: u64,
    /// Counts the messages of its connection that need an acknowledgement.
    pub(crate) delivery: u64,
    pub(super) owner: Owner,
    pub(super) ack_mode: AckMode,
    pub(crate) settled: bool,
    /// What was over a limit, if anything was: the message has no body then.
    #[cfg(feature = "client")]
    pub(super) over: Option<Over>,
}

/// What of a message was over a limit.
#[derive(Clone, Copy, Debug)]
#[cfg(feature = "client")]
pub(super) enum Over {
    Body,
    Headers,
}

impl Arrival {
    pub(crate) const fn new(
        connection: ConnectionId,
        subscription: SubscriptionId,
        ack_mode: AckMode,
        delivery: u64,
    ) -> Self {
        let Number { value, owner } = connection.0;
        let (connection, subscription) = (value, subscription.0.value);
        Self {
            connection,
            subscription,
            delivery,
            owner,
            ack_mode,
            settled: false,
            #[cfg(feature = "client")]
            over: None,
        }
    }

    pub(super) const fn number(&self, value: u64) -> Number {
        Number { value, owner: self.owner }
    }

    pub(crate) const fn connection(&self) -> ConnectionId {
        ConnectionId(self.number(self.connection))
    }

    pub(crate) const fn subscription(&self) -> SubscriptionId {
        SubscriptionId(self.number(self.subscription))
    }

    pub(super) const fn needs_ack(&self) -> bool {
        !matches!(self.ack_mode, AckMode::Auto)
    }

    /// Whether settling it may settle those before it.
    pub(crate) const fn is_cumulative(&self) -> bool {
        matches!(self.ack_mode, AckMode::Client)
    }

    /// Whether it is there to be settled at all.
    pub(crate) const fn check_settle(&self) -> Result<(), CommandError> {
        match self.ack_mode {
            _ if self.settled => Err(CommandError::AlreadySettled),
            AckMode::Auto => Err(CommandError::NotAcknowledged),
            _ => Ok(()),
        }
    }
}

/// What has an arrival: a message, or its token.
#[expect(unnameable_types, reason = "sealed: nothing else can be settled")]
pub trait Arrived {
    fn arrival(&self) -> &Arrival;
    fn arrival_mut(&mut self) -> &mut Arrival;
    /// Has the headers that an acknowledgement names.
    fn frame(&self) -> &Frame;
}
