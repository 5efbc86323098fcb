//! The faults of a plan that are the broker's.

use super::{network::State, plan::Fault};
use crate::broker::{Answer, Stub, send};

impl State {
    pub(super) fn make_broker_fail(&mut self, fault: &Fault) {
        let connection = self.connection();
        match *fault {
            Fault::FallSilent => connection.into_iter().for_each(|it| self.broker.silence(it)),
            Fault::SendError => {
                let Some(connection) = connection else { return };
                self.broker.send_error(connection, "something is wrong", "");
                self.broker.hang_up(connection);
            }
            Fault::DropReceipts => self.broker.drop_receipts(true),
            Fault::RefuseSend => self.answer_send(Answer::error("this message is refused")),
            Fault::StoreTwice => self.answer_send(Answer::deliver_twice()),
            Fault::DelayReceipt { by } => self.answer_send(Answer::delay_receipt(by)),
            _ => {}
        }
    }

    /// Answers the next SEND otherwise.
    fn answer_send(&mut self, answer: Answer) {
        let stub = self.broker.stub(Stub::new(send()).reply(answer).times(1));
        self.stubs.push(stub);
    }

    /// A connection has ended, or is about to begin.
    pub(super) const fn lift_connection_faults(&mut self) {
        self.broker.drop_receipts(false);
    }

    pub(super) fn lift_broker_faults(&mut self) {
        self.lift_connection_faults();
        self.broker.silence_new_connections(false);
        self.stubs.drain(..).for_each(|stub| self.broker.remove_stub(stub));
    }
}
