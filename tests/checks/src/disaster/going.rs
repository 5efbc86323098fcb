//! Moves of a client from one broker to another, reckoned once more.

use std::time::Duration;

use stomp_proto::{AckMode, Command};
use stomp_session::{CommandError, ConnectionId, Endpoint, Lost, Move, Moved, Phase, Timestamp};

use super::{
    actor::Actor,
    law::{Checked, Law, demand},
    network::broker_of,
    watch::Watch,
};

/// A move that was asked for.
#[derive(Debug)]
pub(super) struct Going {
    /// The broker that was named.
    to: Option<usize>,
    /// By when the connection is left.
    by: Timestamp,
    /// Whether the connection is still to be left.
    leaving: bool,
    /// Whether the RECEIPT for its DISCONNECT came.
    confirmed: bool,
}

/// How long a client may take to leave.
const WITHIN: [Duration; 4] =
    [Duration::from_secs(10), Duration::from_secs(1), Duration::from_secs(10), Duration::from_millis(50)];

impl Actor {
    /// Whether its connection is being left for another one.
    pub(super) fn is_moving(&self) -> bool {
        self.going.as_ref().is_some_and(|going| going.leaving) && !self.is_leaving()
    }

    /// Asks for a move, to the next broker or to one that is named.
    pub(super) fn move_on(&mut self, how: u8, now: Timestamp) -> Checked {
        let named = usize::from(how).checked_rem(self.endpoints.len() * 2);
        let named: Option<Endpoint> = named.and_then(|at| self.endpoints.get(at)).cloned();
        let within = WITHIN[usize::from(how / 16) % WITHIN.len()];
        let asked = Move::new("a move").within(within);
        let asked = named.iter().fold(asked, |asked, endpoint| asked.to(endpoint.clone()));
        let to = named.as_ref().map(broker_of);
        let leaving = matches!(self.session.phase(), Phase::Connected(_) | Phase::Disconnecting(_));
        let before = self.session.phase();
        let dialled = match before {
            Phase::Waiting { endpoint, .. } | Phase::Connecting(endpoint) => Some(broker_of(endpoint)),
            _ => None,
        };
        let goes_on = matches!(before, Phase::Connecting(_)) && to.is_none_or(|to| Some(to) == dialled);
        let is_over = self.is_leaving() || self.closed.is_some();
        if let Err(error) = self.session.reconnect(asked) {
            let is_lawful = is_over && error == CommandError::Closed;
            return demand(is_lawful, Law::Move, || format!("a move was refused: {error}"));
        }
        demand(!is_over, Law::Move, || "a move began after the end".to_owned())?;
        match dialled {
            Some(current) if goes_on => self.course.go_on_with(current, now),
            Some(current) => self.course.go_to(to.or(Some(current)), now),
            None => {}
        }
        match &mut self.going {
            Some(going) => going.to = to.or(going.to),
            going => *going = Some(Going { to, by: now.after(within), leaving, confirmed: false }),
        }
        Ok(())
    }

    /// It moves by itself: at most once a period, and when nothing is in flight.
    pub(super) fn note_rebalance(&mut self, now: Timestamp) -> Checked {
        self.course.rebalance(now)?;
        let standing = self.session.connection().map(|connection| connection.id);
        // Where one ACK means several messages, those before it may be settled.
        let mut held = self.held.iter().filter(|held| held.ack_mode == Some(AckMode::ClientIndividual));
        let held = held.find(|held| {
            // What came before the broker cancelled its subscription can be settled by nobody.
            let subscribed = self.subscriptions.get(&held.mark);
            Some(held.message.connection()) == standing
                && subscribed.is_some_and(|subscribed| subscribed.retries == held.retries)
        });
        // Those of earlier connections are over.
        let is_of = |id: ConnectionId, text: String| text.contains(&format!("{id:?}"));
        let transaction = self.transaction.as_ref().filter(|(transaction, _)| {
            standing.is_some_and(|standing| is_of(standing, format!("{transaction:?}")))
        });
        let open = (self.operations.values().next(), transaction, held);
        let is_idle = matches!(open, (None, None, None)) && self.going.is_none() && !self.is_leaving();
        demand(is_idle, Law::Move, || format!("it moves by itself, and this is in flight: {open:?}"))?;
        let by = now.after(WITHIN[0]);
        self.going = Some(Going { to: None, by, leaving: true, confirmed: false });
        Ok(())
    }

    /// The connection has ended.
    pub(super) fn note_left(&mut self, reason: &Lost, watch: Option<&Watch>, now: Timestamp) -> Checked {
        let Some(going) = self.going.as_mut().filter(|going| going.leaving) else {
            let is_told = *reason == Lost::Left;
            return demand(!is_told, Law::Move, || "a connection was left, and nobody has asked".to_owned());
        };
        going.leaving = false;
        // An ERROR that names nobody ends the connection before what follows it.
        going.confirmed = watch.filter(|watch| !watch.deaf).is_some_and(|watch| {
            watch.receipts_for(Command::Disconnect).any(|receipt| watch.receipts.contains(receipt))
        });
        let to = going.to;
        // Whoever has said goodbye meanwhile still sends what waits, to the broker that was named.
        if !self.is_leaving() || to.is_some() {
            self.course.go_to(to, now);
        }
        Ok(())
    }

    /// The next connection stands.
    pub(super) fn note_moved(&mut self, moved: &Moved) -> Checked {
        let going = self.going.take();
        let is_true = going.as_ref().is_some_and(|going| !going.leaving && going.confirmed == moved.graceful);
        demand(is_true, Law::Move, || format!("{going:?} was asked for, and it is {moved:?}"))
    }

    /// DISCONNECT overtakes nothing that somebody waits for.
    pub(super) fn check_goodbye(&self, watch: &Watch) -> Checked {
        let overtaken = self.operations.values().find(|operation| {
            let mut asked = watch.receipts_of(&operation.key);
            asked.any(|receipt| !watch.receipts.contains(receipt) && !watch.is_refused(receipt))
        });
        demand(overtaken.is_none() || !self.is_moving(), Law::Move, || {
            format!("DISCONNECT overtakes the RECEIPT of {overtaken:?}")
        })
    }

    /// Leaving ends in time.
    pub(super) fn check_leaving(&self, now: Timestamp) -> Checked {
        let late = self.going.as_ref().filter(|going| self.is_moving() && now > going.by);
        demand(late.is_none() || self.stalled_until >= now, Law::Move, || {
            format!("{late:?} goes on at {now}")
        })
    }

    /// The user says goodbye, whatever was under way. What was said to the broker already stands.
    pub(super) fn forget_going(&mut self) {
        if !matches!(self.session.phase(), Phase::Disconnecting(_)) {
            self.going = None;
        }
    }
}
