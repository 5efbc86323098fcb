//! Where a SEND goes and what a SUBSCRIBE names, as the broker that is followed reads destinations.

use std::sync::Arc;

use stomp_proto::{Command, Frame};

use super::{
    Broker, ConnectionId, Feature,
    dialect::Dialect,
    feature::not_done,
    refusal::{ErrorClass, Refusal},
    source::{REMOTE_QUEUE, REPLIES},
    temporary::is_local,
    wildcard::{Target, Wildcards},
};

/// What destinations begin with that cannot exist.
const IMPOSSIBLE: &str = "/impossible/";

impl Broker {
    /// The destinations that a SEND or SUBSCRIBE names. If there are none, its message is receipted and gone.
    pub(super) fn destinations_of(
        &mut self,
        connection: ConnectionId,
        frame: &Frame,
        destination: &Arc<str>,
    ) -> Result<Vec<Arc<str>>, Refusal> {
        let command = frame.command();
        if destination.is_empty() {
            return self.config.dialect.without_destination(command).map_or(Ok(Vec::new()), Err);
        }
        let parts = if destination.contains(',') && self.config.admit(Feature::Composites)? {
            destination.split(',').map(|part| part.trim().into()).collect()
        } else {
            vec![destination.clone()]
        };
        let mut names = Vec::new();
        for part in parts {
            let name = canonical(self.config.dialect, command, part)?;
            let name = self.shared_name(connection, name);
            if !self.is_dead(&name) {
                names.push(name);
            } else if self.config.habits.refuses_dead_replies {
                return Err(dead(&name));
            }
        }
        Ok(names)
    }

    /// What everybody calls a destination that its owner may call otherwise.
    fn shared_name(&mut self, connection: ConnectionId, name: Arc<str>) -> Arc<str> {
        let is_own = is_local(&name) && self.config.does(Feature::Temporaries);
        if is_own { self.temporary(connection, &name) } else { name }
    }

    /// What others call the destination to which replies are wanted.
    pub(super) fn reply_to(&mut self, connection: ConnectionId, name: &str) -> Option<Arc<str>> {
        if !is_local(name) || !self.config.does(Feature::Temporaries) {
            return None;
        }
        match self.config.dialect {
            Dialect::RabbitMq => Some(self.reply_queue(connection, name)),
            _ => Some(self.temporary(connection, name)),
        }
    }

    /// The names and patterns of a SUBSCRIBE.
    pub(super) fn targets(&self, names: Vec<Arc<str>>) -> Result<Vec<Target>, Refusal> {
        let wildcards = self.config.wildcards();
        // The specification knows none of either kind.
        let others = Wildcards { many: "#", ..wildcards };
        let is_plain = self.config.dialect == Dialect::Plain;
        let target = |name: Arc<str>| {
            let (target, other) = (Target::new(name.clone(), wildcards), Target::new(name.clone(), others));
            let is_pattern = [Some(&target), Some(&other).filter(|_| is_plain)]
                .into_iter()
                .any(|target| matches!(target, Some(Target::Pattern(_))));
            if is_pattern && !self.config.admit(Feature::Wildcards)? {
                return Ok(Target::Name(name));
            }
            Ok(target)
        };
        names.into_iter().map(target).collect()
    }
}

/// The one spelling of a destination. What cannot be one is refused.
fn canonical(dialect: Dialect, command: Command, name: Arc<str>) -> Result<Arc<str>, Refusal> {
    match dialect {
        Dialect::ActiveMq if !name.starts_with('/') => Ok(format!("/queue/{name}").into()),
        Dialect::RabbitMq => of_rabbitmq(command, name),
        Dialect::ActiveMq | Dialect::Artemis | Dialect::Plain => Ok(name),
    }
}

fn of_rabbitmq(command: Command, name: Arc<str>) -> Result<Arc<str>, Refusal> {
    if !name.starts_with('/') {
        return Ok(format!("/queue/{name}").into());
    }
    if let Some(queue) = name.strip_prefix("/amq/queue/") {
        return Ok(format!("/queue/{queue}").into());
    }
    if let Some(key) = name.strip_prefix("/exchange/amq.topic/") {
        return Ok(format!("/topic/{key}").into());
    }
    if name.starts_with("/exchange/") {
        return Err(not_done("exchanges other than amq.topic"));
    }
    let invalid = |detail: String| Err(Refusal::bad("destination").saying("Invalid destination", detail));
    if is_local(&name) {
        return invalid(format!("'{name}' is not a valid destination for '{command}'\n"));
    }
    for (prefix, kind) in [("/queue", "queue"), ("/topic", "topic")] {
        let rest = name.strip_prefix(prefix).filter(|rest| rest.starts_with('/'));
        if let Some(rest) = rest.filter(|rest| rest.len() == 1 || rest[1..].contains('/')) {
            return invalid(format!("'{rest}' is not a valid {kind} destination\n"));
        }
    }
    let known = ["/queue/", "/topic/", REPLIES, IMPOSSIBLE];
    if known.into_iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(name);
    }
    let detail =
        format!("'{name}' is not a valid destination.\nValid destination types are: {RABBITMQ_TYPES}.\n");
    Err(Refusal::bad("destination").saying("Unknown destination", detail))
}

const RABBITMQ_TYPES: &str = "/temp-queue, /exchange, /topic, /queue, /amq/queue, /reply-queue";

/// Whether there can be such a destination.
pub(super) fn possible(destination: &str) -> Result<(), Refusal> {
    if destination.starts_with(IMPOSSIBLE) {
        let detail = format!("there is no '{}'\n", destination.escape_debug());
        return Err(Refusal::new(ErrorClass::Impossible, detail));
    }
    Ok(())
}

/// ActiveMQ: the queue of a requester that is gone.
fn dead(destination: &str) -> Refusal {
    let name = destination.strip_prefix(REMOTE_QUEUE).unwrap_or_default();
    let message = format!("Cannot publish to a deleted Destination: temp-queue://{name}");
    Refusal::new(ErrorClass::Impossible, String::new()).saying(message, "")
}
