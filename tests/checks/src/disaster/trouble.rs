//! Trouble that passes: queues that are refused for a while, nodes that are down, logins and certificates that are wrong.

use stomp_proto::Command;
use stomp_session::Timestamp;
use stomp_testkit::broker::{Denial, HandshakeEnd};

use super::{deed::Fault, kind::Kind, words, world::World};

/// The queues that are subscribed.
pub(super) const QUEUES: u8 = 4;

impl World {
    /// Lets a broker, or a node, refuse something until then. Says whether it was such a fault.
    pub(super) fn refuse(&mut self, fault: Fault, whom: usize, how: u8, until: Timestamp) -> bool {
        let now = self.now;
        let at = whom % self.nodes.len();
        let model = &mut self.models[self.nodes[at].model];
        match fault {
            Fault::Certificate => self.nodes[at].distrusted_until = until,
            Fault::Elect => {
                let election = Denial::of(Command::Send).and(Command::Subscribe);
                // The queues of a node elect at the same time, and are not done at the same time.
                let elections: Vec<_> = match how % 4 {
                    1 => vec![election],
                    3 => (how / 4..how / 4 + 2).map(|which| election.clone().at(&queue(which))).collect(),
                    _ => vec![election.at(&queue(how / 2))],
                };
                for (number, election) in elections.into_iter().enumerate() {
                    let election = if how.is_multiple_of(5) { election.storing() } else { election };
                    let election = if how.is_multiple_of(3) { election.reading_on() } else { election };
                    let sooner = until.since(now) / (1 + u32::try_from(number).unwrap_or_default());
                    model.deny(election, now.after(sooner));
                }
            }
            Fault::EndHandshake => match how % 4 {
                0 => model.deny(Denial::of(Command::Connect), until),
                how => {
                    let words = words::OF_THE_CONNECTION[usize::from(how)].0;
                    let ends = [HandshakeEnd::WithinConnected, HandshakeEnd::AfterConnected];
                    let end = ends.get(usize::from(how) - 1).cloned();
                    let end = end.unwrap_or_else(|| HandshakeEnd::WithError(words.to_owned()));
                    model.broker.end_handshakes(Some(end));
                    model.hangs_up_until = until;
                }
            },
            Fault::LoginRefused => {
                let (message, detail) = words::to_a_login(model.kind, how);
                model.deny(Denial::of(Command::Connect).saying(message, detail), until);
            }
            Fault::NodeDown => self.take_down(at, until),
            Fault::RefuseSend => model.deny(denial(Command::Send, model.kind, how), until),
            Fault::RefuseSubscribe => model.deny(denial(Command::Subscribe, model.kind, how), until),
            _ => return false,
        }
        true
    }

    /// A node dies. The queues that live on it are refused by the others, and their consumers there cancelled, as RabbitMQ
    /// does.
    fn take_down(&mut self, at: usize, until: Timestamp) {
        self.reset_all(at);
        let nodes = self.nodes.len();
        self.nodes[at].refuses_until = self.nodes[at].refuses_until.max(until);
        let model = &mut self.models[self.nodes[at].model];
        if model.kind != Kind::RabbitMq || !self.setting.cluster {
            return;
        }
        for queue in (0..QUEUES).filter(|queue| usize::from(*queue) % nodes == at).map(queue) {
            let (message, detail) = words::of(Kind::RabbitMq, 0, &queue);
            let denial = Denial::of(Command::Subscribe).and(Command::Send).at(&queue);
            model.deny(denial.saying(&message, &detail).closing(), until);
            for (connection, id) in model.broker.subscriptions(&queue) {
                model.broker.cancel(connection, &id);
            }
        }
    }
}

pub(super) fn queue(which: u8) -> String {
    format!("/queue/{}", which % QUEUES)
}

/// A refusal as that broker has them: RabbitMQ closes, and may send the RECEIPT of what it has refused; ActiveMQ stays open;
/// Artemis closes.
fn denial(command: Command, kind: Kind, how: u8) -> Denial {
    let queue = queue(how);
    let (message, detail) = words::of(kind, how / 4, &queue);
    let denial = Denial::of(command).saying(&message, &detail);
    let denial = if how / 36 < 4 { denial.at(&queue) } else { denial };
    match kind {
        Kind::ActiveMq => denial,
        Kind::RabbitMq if how.is_multiple_of(3) => denial.closing().receipting(),
        Kind::Artemis | Kind::RabbitMq => denial.closing(),
    }
}
