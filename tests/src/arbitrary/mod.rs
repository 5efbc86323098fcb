//! Property tests with the crate `proptest`: of an event loop around a [`Session`], and of what reads or writes frames.
//!
//! An application that embeds `stomp-session` has a loop of its own: it dials, reads, writes, waits, and calls the session. A
//! loop that works while every write takes all octets and no connection ends may still fail in production. This module tests
//! the other cases. A [`Plan`] says what the application does ([`Operation`]), what the broker and the network do ([`Fault`]),
//! how much time passes, and how many octets each read and write may take. [`check()`] carries the plan out with the embedded
//! broker in virtual time, and tells which [`Law`] the loop has broken. proptest draws the plans, and shrinks one that fails to
//! the steps that matter.
//!
//! The loop under test is the one of the application. It must be able to run over a [`Socket`], and to wait outside of its
//! [`turn`](EventLoop::turn):
//!
//! ```
//! use proptest::test_runner::{Config, TestRunner};
//! use stomp_session::{Event, Session, Timestamp};
//! use stomp_testkit::{arbitrary::{self, EventLoop, Socket}, broker::BrokerConfig};
//! # #[path = "../../examples/event_loop.rs"]
//! # mod event_loop;
//! # // The example implements the trait for its loop itself.
//! # struct Loop(event_loop::Loop<Socket>);
//!
//! impl EventLoop for Loop {
//!     fn session(&mut self) -> &mut Session {
//!         // …
//! #       &mut self.0.session
//!     }
//!
//!     fn turn(&mut self, now: Timestamp, application: &mut dyn FnMut(&mut Session, Event)) -> Option<Timestamp> {
//!         // …
//! #       self.0.turn(now, application)
//!     }
//! }
//!
//! // In a test, with `proptest!` or without it:
//! let mut runner = TestRunner::new(Config::with_cases(20));
//! # let config = Config { failure_persistence: None, ..Config::with_cases(20) };
//! # let mut runner = TestRunner::new(config);
//! runner.run(&arbitrary::plan(), |plan| {
//!     let create = |network: arbitrary::Network| {
//!         let session = Session::new(arbitrary::config(), Timestamp::ZERO);
//!         // The loop dials with `network.dial(&attempt)`.
//! #       Loop(event_loop::Loop::new(session, move |attempt| network.dial(attempt)))
//!     };
//!     arbitrary::check(&plan, BrokerConfig::default(), create)?;
//!     Ok(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The whole loop is in `examples/event_loop.rs`. A failure looks like this; here the loop forgets what a short write has left:
//!
//! ```text
//! broken law: no wait is without end
//!   after half an hour the loop is not connected: it has written 1 octet on its socket, and 0 whole frames
//!   at 1798.975 s, after step 0 of 0
//! plan:
//!   the socket takes at most 1 octet in a millisecond
//! ```
//!
//! A plan is data. One that has found something goes into a test of its own, written as its `Debug` output shows it.

mod application;
mod check;
mod faults;
mod frames;
mod law;
mod network;
mod plan;
mod shrink;
mod strategies;
mod wire;
mod words;

use stomp_session::{Event, Session, Timestamp};

pub use self::{
    check::{check, config},
    frames::{any_frame, frame, octets, stream},
    law::{Law, Violation},
    network::{Network, Socket},
    plan::{Fault, Operation, Plan, Step},
    strategies::{fault, operation, plan, step},
};

/// An event loop around a [`Session`], as [`check()`] runs it.
pub trait EventLoop {
    /// Returns the session, to which the check gives the commands of the application.
    fn session(&mut self) -> &mut Session;

    /// Does all that can be done at this time, without waiting: reads, writes, dials and closes, reports the time, and passes
    /// each event of the session to the application, in order.
    ///
    /// Returns the time at which it wants to be called again, or `None` if it waits for no time.
    ///
    /// It is called earlier only if the socket has something to read, if the socket takes octets again after it has taken less
    /// than it was given, or if the application has given a command.
    fn turn(&mut self, now: Timestamp, application: &mut dyn FnMut(&mut Session, Event))
    -> Option<Timestamp>;
}
