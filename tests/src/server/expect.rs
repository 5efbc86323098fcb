//! Stubs and expectations of a server, in one line each.

use std::{ops::RangeInclusive, time::Duration};

use bytes::Bytes;

use super::Server;
use crate::broker::{Answer, Broker, ExpectationId, Matcher, Stub, StubId};

/// Frames that are about to be answered otherwise, see [`Server::when`].
#[must_use = "nothing is answered otherwise until an answer is given"]
pub struct When<'a> {
    server: &'a Server,
    stub: Stub,
}

impl<'a> When<'a> {
    pub(super) const fn new(server: &'a Server, matcher: Matcher) -> Self {
        Self { server, stub: Stub::new(matcher) }
    }

    /// Answers at most this number of frames. All others are obeyed as usual.
    pub fn times(self, frames: usize) -> Self {
        let Self { server, stub } = self;
        Self { server, stub: stub.times(frames) }
    }

    /// Gives this answer.
    pub fn reply(self, answer: Answer) -> StubId {
        let Self { server, stub } = self;
        server.with(|broker| broker.stub(stub.reply(answer)))
    }

    /// Gives these answers in order, one a frame. Frames after the last answer are obeyed as usual.
    pub fn script(self, answers: impl IntoIterator<Item = Answer>) -> StubId {
        let Self { server, stub } = self;
        let stub = stub.script(answers);
        server.with(|broker| broker.stub(stub))
    }

    /// As [`reply`](Self::reply) with [`Answer::delay_receipt`].
    pub fn delay_receipt(self, delay: Duration) -> StubId {
        self.reply(Answer::delay_receipt(delay))
    }

    /// As [`reply`](Self::reply) with [`Answer::deliver_twice`].
    pub fn deliver_twice(self) -> StubId {
        self.reply(Answer::deliver_twice())
    }

    /// As [`reply`](Self::reply) with [`Answer::ignore`].
    pub fn ignore(self) -> StubId {
        self.reply(Answer::ignore())
    }

    /// As [`reply`](Self::reply) with [`Answer::close`].
    pub fn close(self) -> StubId {
        self.reply(Answer::close())
    }

    /// As [`reply`](Self::reply) with [`Answer::respond`].
    pub fn respond(self, body: impl Into<Bytes>) -> StubId {
        self.reply(Answer::respond(body))
    }
}

impl std::fmt::Debug for When<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stub.fmt(f)
    }
}

/// An expectation in force, see [`Server::expect`].
#[derive(Debug)]
pub struct Expect<'a> {
    server: &'a Server,
    id: ExpectationId,
}

impl<'a> Expect<'a> {
    pub(super) fn new(server: &'a Server, matcher: Matcher) -> Self {
        Self { server, id: server.with(|broker| broker.expect(matcher)) }
    }

    /// Expects exactly this number of frames. With 0, none may come.
    pub fn times(self, frames: u64) -> Self {
        self.between(frames..=frames)
    }

    /// Expects a number of frames within this range.
    ///
    /// # Panics
    /// Panics if the range is empty.
    pub fn between(self, frames: RangeInclusive<u64>) -> Self {
        self.server.with(|broker| broker.expect_times(self.id, frames));
        self
    }
}

/// The condition that all expectations are met.
pub fn satisfied() -> impl FnMut(&Broker) -> bool + Unpin + use<> {
    |broker| broker.verify().is_ok()
}
