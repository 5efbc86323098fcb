//! Transactions: SEND, ACK and NACK that wait for a COMMIT, or are forgotten.

use stomp_proto::Frame;

use super::{
    Broker, ConnectionId, Verdict,
    connection::Connection,
    content::Content,
    deferred::Work,
    destination::possible,
    dialect::Dialect,
    refusal::{ErrorClass, Refusal},
    value,
};

/// What was asked for in a transaction, in order.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    pub(super) steps: Vec<Step>,
}

#[derive(Debug)]
pub(super) enum Step {
    /// A SEND, and the receipt that it asked for where the broker owes it until the COMMIT.
    Publish {
        content: Box<Content>,
        receipt: Option<Vec<u8>>,
    },
    Settle {
        delivery: u64,
        verdict: Verdict,
    },
}

impl Broker {
    pub(super) fn begin(&mut self, connection: ConnectionId, frame: &Frame) -> Result<(), Refusal> {
        let name = required_name(frame)?;
        let Some(peer) = self.connections.get_mut(&connection) else { return Ok(()) };
        // RabbitMQ begins it anew.
        let begins_anew = self.config.dialect == Dialect::RabbitMq;
        if peer.transactions.contains_key(&*name) && !begins_anew {
            let detail = format!("The transaction '{}' has begun already", name.escape_debug());
            return Err(Refusal::new(ErrorClass::DuplicateTransaction, detail));
        }
        peer.transactions.insert(name.to_string(), Transaction::default());
        Ok(())
    }

    /// Does all of it. Nothing else happens in between, so that it is all or nothing.
    pub(super) fn commit(&mut self, connection: ConnectionId, frame: &Frame) -> Result<(), Refusal> {
        let name = required_name(frame)?;
        let peer = self.connections.get_mut(&connection);
        let transaction =
            peer.and_then(|peer| peer.transactions.remove(&*name)).ok_or_else(|| unknown(&name))?;
        if self.config.habits.defers {
            self.defer(connection, Work::Transaction(transaction.steps));
        } else {
            self.carry_out(connection, transaction.steps);
        }
        Ok(())
    }

    pub(super) fn carry_out(&mut self, connection: ConnectionId, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Publish { content, receipt } => match possible(&content.destination) {
                    Ok(()) => {
                        self.keep(*content);
                        self.confirm(connection, receipt.as_deref());
                    }
                    Err(refusal) => self.refuse(connection, receipt.as_deref(), &refusal),
                },
                Step::Settle { delivery, verdict } => self.settle(connection, delivery, verdict),
            }
        }
    }

    /// Forgets it. What it acknowledged is still unacknowledged.
    pub(super) fn abort(&mut self, connection: ConnectionId, frame: &Frame) -> Result<(), Refusal> {
        let name = required_name(frame)?;
        let peer = self.connections.get_mut(&connection);
        let found = peer.and_then(|peer| peer.transactions.remove(&*name));
        found.map(drop).ok_or_else(|| unknown(&name))
    }
}

impl Broker {
    /// The transaction that a frame belongs to, if it names one that is open.
    pub(super) fn transaction(
        &mut self,
        connection: ConnectionId,
        frame: &Frame,
    ) -> Option<&mut Transaction> {
        self.connections.get_mut(&connection)?.transaction(frame).ok().flatten()
    }
}

impl Connection {
    /// The transaction that a frame belongs to, if it names one.
    pub(super) fn transaction(&mut self, frame: &Frame) -> Result<Option<&mut Transaction>, Refusal> {
        let Some(name) = value(frame, "transaction")? else { return Ok(None) };
        self.transactions.get_mut(&*name).map(Some).ok_or_else(|| unknown(&name))
    }
}

fn required_name(frame: &Frame) -> Result<std::sync::Arc<str>, Refusal> {
    value(frame, "transaction")?.ok_or_else(|| Refusal::missing("transaction"))
}

fn unknown(name: &str) -> Refusal {
    let name = name.escape_debug();
    Refusal::new(ErrorClass::UnknownTransaction, format!("There is no transaction '{name}'"))
}
