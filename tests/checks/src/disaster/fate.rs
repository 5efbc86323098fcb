//! What goes wrong, and to whom.

use std::time::Duration;

use stomp_session::Timestamp;
use stomp_testkit::broker::CrashPoint;

use super::{
    deed::{Fault, spell},
    kind::Kind,
    law::Checked,
    plan::WHOLE,
    words::OF_THE_CONNECTION,
    world::World,
};

impl World {
    /// Lets something go wrong. `whom` and `how` choose among what there is.
    pub(super) fn strike(&mut self, fault: Fault, whom: usize, how: u8) -> Checked {
        self.trace.note(self.now, 5, || format!("fault: {fault:?} {whom} {how}"));
        let until = self.now.after(spell(how));
        let link = whom.checked_rem(self.links.len()).and_then(|at| self.links.keys().nth(at).copied());
        let at = whom % self.nodes.len();
        let which = whom % self.models.len();
        let (node, model) = (&mut self.nodes[at], &mut self.models[which]);
        let is_done = match fault {
            Fault::Crash => {
                model.broker.crash();
                true
            }
            Fault::CrashPoint => {
                model.broker.crash_at(CrashPoint::ALL[usize::from(how) % CrashPoint::ALL.len()]);
                true
            }
            Fault::Freeze => extend(&mut model.frozen_until, until),
            Fault::Hang => extend(&mut node.hangs_until, until),
            Fault::HoldReceipts => extend(&mut model.withholds_until, until),
            Fault::Mute => extend(&mut model.mute_until, until),
            Fault::Refuse => extend(&mut node.refuses_until, until),
            Fault::Flap => {
                self.reset_all(at);
                extend(&mut self.nodes[at].refuses_until, until)
            }
            Fault::Stall => {
                let at = whom % self.actors.len();
                self.actors[at].was_stalled = true;
                extend(&mut self.actors[at].stalled_until, until)
            }
            _ if self.refuse(fault, whom, how, until) => true,
            _ => link.is_some_and(|link| self.strike_link(fault, link, how, until)),
        };
        if is_done {
            *self.report.faults.entry(fault.name()).or_default() += 1;
        }
        Ok(())
    }

    fn strike_link(&mut self, fault: Fault, id: u64, how: u8, until: Timestamp) -> bool {
        if fault == Fault::Reset {
            self.reset(id);
            return true;
        }
        let Some(link) = self.links.get_mut(&id).filter(|link| link.served) else { return false };
        let model = &mut self.models[link.model];
        let is_open = model.broker.version(link.connection).is_some();
        let until = if fault == Fault::Blackhole { Timestamp::MAX } else { until };
        match fault {
            Fault::Blackhole | Fault::Delay => {
                if !how.is_multiple_of(3) {
                    link.up.hold_up(until);
                }
                if how % 3 != 1 {
                    link.down.hold_up(until);
                }
            }
            Fault::Cancel if (model.kind == Kind::RabbitMq || WHOLE) && is_open => {
                let Some(at) = usize::from(how).checked_rem(link.watch.subscribed.len()) else {
                    return false;
                };
                let Some(subscription) = link.watch.subscribed.keys().nth(at) else { return false };
                model.broker.cancel(link.connection, subscription);
                if WHOLE && (model.kind == Kind::Artemis || how >= 192) {
                    model.broker.hang_up(link.connection);
                }
            }
            Fault::FalseReceipt if is_open => {
                let known = usize::from(how).checked_rem(link.watch.receipts.len());
                let receipt = known.and_then(|at| link.watch.receipts.iter().nth(at));
                let receipt = receipt.map_or("never", String::as_str);
                let octets = format!("RECEIPT\nreceipt-id:{receipt}\n\n\0");
                model.broker.send_octets(link.connection, octets.as_bytes());
            }
            Fault::Poison if is_open => model.broker.send_octets(link.connection, poison(how)),
            Fault::HalfClose => model.broker.close(link.connection),
            Fault::LoneError if is_open => {
                model.broker.send_error(link.connection, "Processing error", "scripted\n")
            }
            Fault::ConnectionError if is_open => {
                let (message, detail) = OF_THE_CONNECTION[usize::from(how % 4)];
                model.broker.send_error(link.connection, message, detail);
                if how >= 128 {
                    model.broker.hang_up(link.connection);
                }
            }
            _ => return false,
        }
        true
    }

    /// Ends a connection at once, at both ends.
    pub(super) fn reset(&mut self, id: u64) {
        let later = |luck: usize| Duration::from_micros(1 + luck as u64);
        let most = usize::try_from(self.setting.latency.as_micros()).unwrap_or(usize::MAX);
        let (up, down) = (later(self.luck.below(most)), later(self.luck.below(most)));
        if let Some(link) = self.links.get_mut(&id) {
            link.up.reset(self.now.after(up));
            link.down.reset(self.now.after(down));
        }
    }

    /// Ends all connections to a node.
    pub(super) fn reset_all(&mut self, node: usize) {
        let links = self.links.iter().filter(|(_, link)| link.node == node);
        let links: Vec<_> = links.map(|(id, _)| *id).collect();
        links.into_iter().for_each(|link| self.reset(link));
    }

    /// A broker has crashed: what it had sent may or may not arrive, and it takes a while to come back.
    pub(super) fn fall(&mut self, number: usize) {
        let down = if self.stormy {
            spell(u8::try_from(self.luck.below(256)).unwrap_or_default())
        } else {
            Duration::ZERO
        };
        self.report.crashes += 1;
        self.arm();
        self.trace.note(self.now, 6, || format!("broker {number} has crashed and is back in {down:?}"));
        let until = self.now.after(down);
        let nodes = self.nodes.iter_mut().filter(|node| node.model == number);
        nodes.for_each(|node| node.refuses_until = node.refuses_until.max(until));
        let links: Vec<_> =
            self.links.iter().filter(|(_, link)| link.model == number).map(|(id, _)| *id).collect();
        for link in links {
            if self.luck.once_in(2) {
                self.reset(link);
            }
        }
    }
}

/// Messages that no STOMP parser can read on.
const fn poison(how: u8) -> &'static [u8] {
    match how % 4 {
        0 => b"MESSAGE\ndestination:/queue/0\nmessage-id:1\nsubscription:0\ncontent-length:1\n\nno NUL\0",
        1 => b"MESSAGE\ndestination:/queue/1\nmessage-id:1\nsubscription:0\ncontent-length:1\n\nno NUL\0",
        2 => b"MESSAGE\nno colon\n\n\0",
        _ => b"GARBAGE\n\n\0",
    }
}

fn extend(end: &mut Timestamp, until: Timestamp) -> bool {
    *end = until.max(*end);
    true
}
