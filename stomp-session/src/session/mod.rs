//! The session: its inputs, its outputs, and the state between.

mod commands;
mod ending;
mod life;
mod moving;
mod output;
mod sending;
mod state;
mod transport;

use alloc::{boxed::Box, collections::VecDeque};
use core::mem;

pub use state::Phase;

use self::state::{Ending, Moving, Rebalancing, State};
use crate::{
    failover::{Failover, Rules},
    link::{Cx, Link},
    model::{
        brokers::Brokers,
        config::Config,
        connection::Action,
        error::{CommandError, Lost},
        event::Events,
        ids::{Ids, Number, Owner},
        random::Random,
        time::Timestamp,
    },
    replay::Replay,
};
#[cfg(feature = "client")]
use crate::{link::WireMark, model::ids::ConnectionId};

/// A STOMP conversation over any number of connections, as a pure state machine.
///
/// - The owner of the transport calls [`handle_connected`](Self::handle_connected),
///   [`handle_disconnected`](Self::handle_disconnected), [`pause_input`](Self::pause_input) and
///   [`resume_input`](Self::resume_input), and takes the events that follow from the input with
///   [`next_event`](Self::next_event).
/// - The owner of the clock calls [`handle_timeout`](Self::handle_timeout).
/// - The application calls the commands: [`send`](Self::send), [`send_confirmed`](Self::send_confirmed),
///   [`send_at_least_once`](Self::send_at_least_once), [`cancel`](Self::cancel), [`subscribe`](Self::subscribe),
///   [`unsubscribe`](Self::unsubscribe), [`ack`](Self::ack), [`ack_confirmed`](Self::ack_confirmed),
///   [`nack`](Self::nack), [`give_back`](Self::give_back), [`begin`](Self::begin), [`send_in`](Self::send_in),
///   [`ack_in`](Self::ack_in), [`commit`](Self::commit), [`abort`](Self::abort), [`disconnect`](Self::disconnect),
///   [`close`](Self::close), [`reconnect`](Self::reconnect), [`add_broker`](Self::add_broker),
///   [`remove_broker`](Self::remove_broker) and [`leave_broker`](Self::leave_broker).
/// - After any of these calls, collect the outputs in this order: [`poll_event`](Self::poll_event),
///   [`poll_action`](Self::poll_action), [`poll_transmit`](Self::poll_transmit), [`poll_timeout`](Self::poll_timeout).
///
/// The [crate documentation](crate) describes the run loop.
///
/// The time `now` must never go backwards, which debug builds assert. To call a method again with the time of the last
/// call is harmless.
#[derive(Debug)]
pub struct Session {
    config: Config,
    failover: Failover,
    replay: Replay,
    state: State,
    events: Events,
    actions: VecDeque<Action>,
    ids: Ids,
    ending: Option<Ending>,
    moving: Option<Box<Moving>>,
    /// If clients are to be spread over the brokers.
    rebalancing: Option<Box<Rebalancing>>,
    /// Connections in a row that did not last.
    short_lived: u32,
    /// The newest time that was handed in.
    now: Timestamp,
}

/// A place in the frames of a connection: how far they had come.
#[cfg(feature = "client")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionMark {
    connection: ConnectionId,
    mark: WireMark,
}

impl Session {
    /// Creates a session. Its first attempt to connect is due at once.
    #[must_use]
    pub fn new(mut config: Config, now: Timestamp) -> Self {
        // From here on the failover has the list.
        let mut endpoints = mem::take(&mut config.brokers.endpoints);
        endpoints.shrink_to_fit();
        let brokers = Brokers { endpoints, ..config.brokers.clone() };
        let period = config.brokers.reconnect.rebalance.filter(|period| !period.is_zero());
        let rules = Rules {
            at_start: config.refused_at_start,
            later: config.refused_later,
            stable_after: config.stable_after,
        };
        let owner = Owner::new();
        let mut session = Self {
            failover: Failover::new(brokers, config.seed, rules, owner),
            // Another sequence than the schedule's.
            replay: Replay::new(Random::new(!config.seed), config.identity, owner),
            state: State::Closed,
            events: Events::default(),
            actions: VecDeque::new(),
            ids: Ids::new(owner),
            ending: None,
            moving: None,
            rebalancing: period.map(|period| Box::new(Rebalancing::new(period, config.seed))),
            short_lived: 0,
            now,
            config,
        };
        session
            .try_next(None, Lost::DialFailed { reason: "no broker is configured".into(), permanent: true });
        session
    }

    /// The state, and what its parts may touch beside it.
    fn split(&mut self) -> (&mut State, Cx<'_>) {
        // Nothing follows a DISCONNECT, whatever it was said for.
        let has_parted = matches!(self.state, State::Disconnecting(_));
        let is_moving = self.is_leaving() && (self.ending.is_none() || has_parted);
        let Self { config, failover, replay, state, events, ids, ending, now, .. } = self;
        let (login, is_ending) = (failover.login(), ending.is_some());
        (state, Cx { replay, events, ids, config, login, now: *now, is_ending, is_moving })
    }

    /// Does something with the connection that stands, if one does.
    fn with_link<R>(&mut self, run: impl FnOnce(&mut Link, &mut Cx<'_>) -> R) -> Option<R> {
        let (state, mut cx) = self.split();
        state.link_mut().map(|link| run(link, &mut cx))
    }

    /// Does something with the connection on which commands may be given.
    fn on_link<R>(
        &mut self,
        run: impl FnOnce(&mut Link, &mut Cx<'_>) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        match self.split() {
            (_, cx) if cx.is_ending => Err(CommandError::Closed),
            (_, cx) if cx.is_moving => Err(CommandError::NotConnected),
            (State::Connected(link), mut cx) => run(link, &mut cx),
            (State::Disconnecting(_) | State::Closed, _) => Err(CommandError::Closed),
            _ => Err(CommandError::NotConnected),
        }
    }

    /// What another session has given away has no meaning here.
    fn check_own(&self, number: Number) -> Result<(), CommandError> {
        if number.owner == self.ids.owner { Ok(()) } else { Err(CommandError::OtherSession) }
    }

    /// Takes the time.
    fn set_now(&mut self, now: Timestamp) {
        debug_assert!(now >= self.now, "the time ran back from {} to {now}", self.now);
        self.now = now.max(self.now);
    }

    /// Gives what was commanded since the last call its time. Asked at each message: mostly there is nothing.
    #[inline(always)]
    fn stamp(&mut self) {
        let link = self.state.link().is_some_and(Link::is_unstamped);
        if link || self.ending.is_some() || self.moving.is_some() || self.replay.kept.is_unstamped() {
            self.stamp_all();
        }
    }

    #[cold]
    fn stamp_all(&mut self) {
        let now = self.now;
        self.replay.kept.used().into_iter().for_each(|kept| kept.stamp(now));
        if let Some(ending) = &mut self.ending {
            ending.stamp(now);
        }
        if let Some(moving) = &mut self.moving {
            moving.stamp(now);
        }
        if let Some(link) = self.state.link_mut() {
            link.stamp(&self.config, now);
        }
    }

    /// Does what has waited for an answer.
    fn proceed(&mut self) {
        self.with_connected(Link::proceed);
        self.continue_ending();
    }

    /// Does something with a connection that stands and on which DISCONNECT was not said.
    fn with_connected<R>(&mut self, run: impl FnOnce(&mut Link, &mut Cx<'_>) -> R) -> Option<R> {
        match self.split() {
            (State::Connected(link), mut cx) => Some(run(link, &mut cx)),
            _ => None,
        }
    }
}
