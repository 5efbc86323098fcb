//! SEND: what becomes a message, and where its copies go.

use std::sync::Arc;

use bytes::Bytes;
use stomp_proto::{Frame, Headers};

use super::{
    Broker, ConnectionId, content::Content, deferred::Work, destination::possible, dialect::Dialect,
    habits::Habits, refusal::Refusal, transaction::Step, value,
};

impl Broker {
    pub(super) fn accept(
        &mut self,
        connection: ConnectionId,
        send: &Frame,
        receipt: &mut Option<Vec<u8>>,
    ) -> Result<(), Refusal> {
        let named = value(send, "destination")?.ok_or_else(|| Refusal::missing("destination"))?;
        self.check_wishes(send)?;
        let destinations = self.destinations_of(connection, send, &named)?;
        let Habits { defers, forgives_unknown_transactions, .. } = self.config.habits;
        let Some(peer) = self.connections.get_mut(&connection) else { return Ok(()) };
        let in_transaction = match peer.transaction(send) {
            Err(_) if forgives_unknown_transactions => return Ok(()),
            transaction => transaction?.is_some(),
        };
        let contents = self.copies(connection, send, destinations)?;
        if let (true, Some(transaction)) = (in_transaction, self.transaction(connection, send)) {
            let mut receipt = receipt.take_if(|_| defers);
            let last = contents.len().saturating_sub(1);
            let steps = contents.into_iter().enumerate().map(|(number, content)| Step::Publish {
                content: Box::new(content),
                receipt: receipt.take_if(|_| number == last),
            });
            transaction.steps.extend(steps);
            return Ok(());
        }
        for content in &contents {
            possible(&content.destination)?;
        }
        if self.is_repeated(send)? {
            return Ok(());
        }
        let mut places = 0..0;
        for content in contents {
            let kept = self.keep(content);
            places = if places.is_empty() { kept } else { places.start..kept.end };
        }
        if defers {
            self.defer(connection, Work::Sync { places, receipt: receipt.take() });
        }
        Ok(())
    }

    /// One message for each destination.
    fn copies(
        &mut self,
        connection: ConnectionId,
        send: &Frame,
        destinations: Vec<Arc<str>>,
    ) -> Result<Vec<Content>, Refusal> {
        let mut headers = relayed(send.headers(), self.config.relays_all);
        if self.config.dialect == Dialect::ActiveMq {
            headers.remove("receipt");
            headers.remove("transaction");
        }
        if let Some(other) = value(send, "reply-to")?.and_then(|name| self.reply_to(connection, &name)) {
            headers.set("reply-to", other.as_bytes());
        }
        if destinations.len() > 1 {
            headers.set("original-destination", composite(&destinations));
        }
        let body = unshared(send);
        let announced = send.header("content-length").is_some();
        let copy =
            |destination| Content { announced, ..Content::new(destination, headers.clone(), body.clone()) };
        Ok(destinations.into_iter().map(copy).collect())
    }

    /// Whether a message with that de-duplication id came before, on any connection.
    fn is_repeated(&mut self, send: &Frame) -> Result<bool, Refusal> {
        let id = value(send, "_AMQ_DUPL_ID")?.filter(|_| self.config.habits.remembers_duplicates);
        Ok(id.is_some_and(|id| !self.duplicates.insert(id)))
    }
}

/// A composite destination as ActiveMQ spells it to those who get a copy.
fn composite(destinations: &[Arc<str>]) -> String {
    let parts = destinations.iter().enumerate().map(|(number, name)| match number {
        0 => name.to_string(),
        _ => name.strip_prefix('/').map_or_else(|| name.to_string(), |name| name.replacen('/', "://", 1)),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// Headers that a MESSAGE has of its own.
const OWN: [&str; 6] = ["ack", "content-length", "destination", "message-id", "redelivered", "subscription"];
/// Headers that were for the broker. Real ones relay them nevertheless.
const FOR_THE_BROKER: [&str; 2] = ["receipt", "transaction"];

/// The headers that consumers see, and of repeated ones the first, as RabbitMQ and ActiveMQ do.
fn relayed(headers: &Headers, relays_all: bool) -> Headers {
    let mut relayed = Headers::new();
    for (name, value) in headers.iter() {
        let is_own = OWN.into_iter().any(|own| name == own);
        let is_for_us = !relays_all && FOR_THE_BROKER.into_iter().any(|ours| name == ours);
        let is_repeated = relayed.iter().any(|(known, _)| known == name);
        if !is_own && !is_for_us && !is_repeated {
            relayed.push(name.octets(), value.octets());
        }
    }
    relayed
}

/// A body that does not keep a whole read buffer alive, unless it is most of one.
fn unshared(frame: &Frame) -> Bytes {
    let body = frame.body();
    if body.len() < 32 * 1024 { Bytes::copy_from_slice(body) } else { frame.body_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_consumers_see_of_a_send() {
        let headers =
            "destination:a receipt:1 x:1 transaction:t content-length:3 x:2 content-type:c y:z ack:1";
        let headers = headers.split(' ').filter_map(|header| header.split_once(':'));
        let mut sent = Headers::new();
        headers.for_each(|(name, value)| sent.push(name, value));
        for (relays_all, expected) in
            [(false, "x:1 content-type:c y:z "), (true, "receipt:1 x:1 transaction:t content-type:c y:z ")]
        {
            let seen = relayed(&sent, relays_all);
            let seen: String = seen.iter().map(|(name, value)| format!("{name}:{value} ")).collect();
            assert_eq!(seen, expected);
        }
    }
}
