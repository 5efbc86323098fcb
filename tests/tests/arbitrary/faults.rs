//! Each fault does what it says.

use std::{cell::RefCell, rc::Rc, time::Duration};

use stomp_proto::AckMode;
use stomp_session::{Event, Session, Timestamp};
use stomp_testkit::{
    arbitrary::{self, EventLoop, Fault, Operation, Plan, Socket, Step},
    broker::BrokerConfig,
};

use crate::{event_loop::Loop, right};

/// The loop of the example, whose events are kept.
struct Watched {
    looped: Loop<Socket>,
    seen: Rc<RefCell<Vec<String>>>,
}

impl EventLoop for Watched {
    fn session(&mut self) -> &mut Session {
        EventLoop::session(&mut self.looped)
    }

    fn turn(
        &mut self,
        now: Timestamp,
        application: &mut dyn FnMut(&mut Session, Event),
    ) -> Option<Timestamp> {
        let seen = &self.seen;
        self.looped.turn(now, &mut |session, event| {
            seen.borrow_mut().push(format!("{now}: {event:?}"));
            application(session, event);
        })
    }
}

/// What the loop is told while the plan is carried out.
fn seen(steps: Vec<Step>) -> String {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let plan = Plan { steps, ..Plan::default() };
    let create = |network| Watched { looped: right(network), seen: seen.clone() };
    arbitrary::check(&plan, BrokerConfig::default(), create).unwrap();
    seen.take().join("\n")
}

fn send() -> Step {
    Step::Do(Operation::SendConfirmed { destination: 0, length: 9 })
}

#[test]
fn each_does_what_it_says() {
    let second = Duration::from_secs(1);
    let subscribe = Step::Do(Operation::Subscribe { destination: 0, ack: AckMode::Auto });
    let connected = Step::Wait(second);
    for (fault, expected) in [
        (Fault::Close { after: 50 }, "Disconnected { connection: ConnectionId(1), reason: Eof"),
        (
            Fault::Reset { after: 50 },
            "Disconnected { connection: ConnectionId(1), reason: Io(\"connection reset\")",
        ),
        (Fault::FallSilent, "reason: HeartBeat(10.5s)"),
        (Fault::SendError, "something is wrong"),
        (Fault::RefuseSend, "Rejected(ServerError(this message is refused"),
        (Fault::StoreTwice, "ID:0:2"),
        (Fault::DropReceipts, "Unknown(Timeout(5s))"),
        (Fault::DelayReceipt { by: second * 3 }, "4.000 s: Receipt { id: ReceiptId(2), outcome: Confirmed }"),
        (Fault::RepeatReceipt, "Unroutable"),
    ] {
        let waits = Step::Wait(second * 15);
        let seen =
            seen(vec![subscribe.clone(), connected.clone(), Step::Suffer(fault.clone()), send(), waits]);
        assert!(seen.contains(expected), "{fault}:\n{seen}");
    }
}

#[test]
fn a_dial_may_fail_or_lead_nowhere() {
    let refused =
        seen(vec![Step::Suffer(Fault::RefuseConnections { count: 2 }), Step::Wait(Duration::from_secs(15))]);
    assert_eq!(refused.matches("DialFailed").count(), 2, "{refused}");
    let ignored =
        seen(vec![Step::Suffer(Fault::IgnoreConnections { count: 2 }), Step::Wait(Duration::from_secs(15))]);
    assert_eq!(ignored.matches("ConnectFailed").count(), 2, "{ignored}");
}
