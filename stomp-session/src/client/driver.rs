//! The driver: one future that moves bytes between the stream and the session, and keeps its time.

use std::{
    fmt,
    future::{Future, poll_fn},
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf as _, Bytes};
use futures_io::{AsyncRead, AsyncWrite};

use super::{
    contain::drop_each,
    dial::{Dialling, dial, dial_failure, stream_failure},
    export::Export,
    notice::Notice,
    runtime::{Addresses, Connector, Runtime, TransportError},
    shared::Shared,
    statistics::Counters,
    stream::{ClosingStream, uninterrupted},
    telemetry::ConnectionSpan,
    turn::{Report, Standing, Turn},
};
use crate::{Action, AttemptId, Closed, Input, Lost, Timestamp};

/// The reads of one round. With more, the writer that carries the ACKs could starve.
const READS: usize = 8;
/// The least room that an [`Input`] gives. It is not asked to make room for more before what came was looked at.
const ROOM: usize = 128;
/// The rounds of one poll, after which other tasks may run.
const ROUNDS: usize = 32;

/// A driver, which runs a session.
///
/// Spawn the future of [`run`](Self::run), or await it. Dropping it closes the stream and ends every wait.
pub struct Driver<R: Runtime, C: Connector> {
    runtime: Arc<R>,
    connector: Arc<C>,
    shared: Arc<Shared>,
    link: Link<C::Stream>,
    timer: Option<Timer>,
    /// The deadline of a graceful end.
    ends_by: Timestamp,
    span: ConnectionSpan,
    export: Export,
}

struct Timer {
    at: Timestamp,
    sleep: Pin<Box<dyn Future<Output = ()> + Send>>,
}

enum Link<S> {
    Down,
    Dialling(Dialling<S>),
    Up(Box<Up<S>>),
    Closing(ClosingStream<S>),
}

/// A stream, and what is being read from it and written to it.
struct Up<S> {
    attempt: AttemptId,
    stream: S,
    input: Input,
    /// Something was read that the session has not seen.
    came: bool,
    writing: Writing,
    flushed: bool,
    paused: bool,
    /// The runtime knows whether the broker promises heart-beats.
    told: bool,
    /// Writing has failed. What the peer sent before it closed is read first: an ERROR may be among it.
    broken: Option<Box<Lost>>,
    /// There was nothing to read the last time, in this poll of the driver. It is no proof that nothing will come: a
    /// runtime may hold back a task that has done much in one poll.
    dry: bool,
    /// There was nothing to read in the poll before this one.
    dry_before: bool,
}

impl<R: Runtime, C: Connector> Driver<R, C> {
    pub(super) fn new(runtime: Arc<R>, connector: Arc<C>, shared: Arc<Shared>) -> Self {
        Self {
            runtime,
            connector,
            shared,
            link: Link::Down,
            timer: None,
            ends_by: Timestamp::ZERO,
            span: ConnectionSpan::default(),
            export: Export::default(),
        }
    }

    /// Runs the session until it has ended.
    ///
    /// If handlers still run then, this keeps their time, for as long as a [`disconnect`](super::Client::disconnect)
    /// would.
    pub async fn run(mut self) {
        self.span = ConnectionSpan::here();
        poll_fn(|cx| {
            let polled = self.poll(cx);
            self.export.record(&self.shared);
            polled
        })
        .await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Link::Up(up) = &mut self.link {
            up.dry_before = mem::take(&mut up.dry);
        }
        let mut waker = Some(cx.waker().clone());
        for _ in 0..ROUNDS {
            let span = self.span.clone();
            if let Some(polled) = span.run(|| self.poll_round(cx, &mut waker)) {
                return polled;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// What the driver has come to, unless it goes on. The waker is registered in the first round.
    fn poll_round(&mut self, cx: &mut Context<'_>, waker: &mut Option<Waker>) -> Option<Poll<()>> {
        // Reading comes before the clock: bytes that wait in the socket count before a peer is called dead.
        let moved = self.dialled(cx) | self.read(cx);
        let mut turn = self.turn(waker.take());
        let acted = !turn.actions.is_empty();
        mem::take(&mut turn.actions).into_iter().for_each(|action| self.obey(action));
        let wrote = self.write(cx, turn.more);
        if turn.ended || matches!(self.link, Link::Closing(_)) {
            if self.close(cx) {
                return Some(Poll::Ready(()));
            }
            turn.deadline = self.shared.with(|inner| inner.next_deadline());
        }
        let idle = !moved && !acted && !turn.again && !wrote;
        (idle && self.sleep(cx, turn.deadline).is_pending()).then_some(Poll::Pending)
    }

    /// Reports the time and what was read, and takes what is to be done.
    fn turn(&mut self, waker: Option<Waker>) -> Turn {
        let stream = if let Link::Up(up) = &mut self.link { Some(up.standing()) } else { None };
        let mut turn = self.shared.turn(Report { now: self.runtime.now(), waker, stream });
        self.ends_by = turn.ends_by.unwrap_or(self.ends_by);
        if let Link::Up(up) = &mut self.link {
            if let Some(promised) = turn.beats.filter(|_| !mem::replace(&mut up.told, true)) {
                self.runtime.broker_beats(promised);
            }
            up.paused = turn.pause;
            if let Some(octets) = turn.octets.take() {
                self.shared.counters.count_written(octets.len());
                drop_each([mem::replace(&mut up.writing.0, octets)]);
                up.flushed = false;
            }
        }
        turn
    }

    fn obey(&mut self, action: Action) {
        self.link = match action {
            Action::Close => mem::replace(&mut self.link, Link::Down).closing(self.ends_by),
            Action::Connect(attempt) => {
                self.export.record(&self.shared);
                self.export.begin(&attempt.endpoint);
                self.span = self.span.next(&attempt.endpoint);
                let notice = Notice::Connecting(attempt.clone());
                self.span.run(|| self.shared.with(|inner| inner.note(&notice)));
                let connector = Arc::clone(&self.connector);
                let credentials = self.shared.settings.credentials.clone();
                let addresses = Arc::new(Addresses::new(attempt.number));
                Link::Dialling(Dialling {
                    attempt: attempt.id,
                    addresses: Arc::clone(&addresses),
                    dial: Box::pin(dial(attempt, addresses, connector, credentials)),
                })
            }
        };
    }

    fn dialled(&mut self, cx: &mut Context<'_>) -> bool {
        let Link::Dialling(Dialling { attempt, addresses, dial }) = &mut self.link else { return false };
        let attempt = *attempt;
        let polled = dial.as_mut().poll(cx);
        // Before its time may be over: what hangs now may be one of several.
        if let Some(count) = addresses.count() {
            self.shared.with(|inner| inner.session.handle_addresses(attempt, count));
        }
        let Poll::Ready((result, login)) = polled else { return false };
        let now = self.runtime.now();
        match result {
            Ok(stream) => {
                let input = self.shared.with(|inner| inner.session.handle_connected(attempt, login, now));
                self.link = match input {
                    Some(input) => Link::Up(Box::new(Up::new(attempt, stream, input))),
                    None => Link::Down,
                };
            }
            Err(lost) => {
                self.link = Link::Down;
                self.shared.with(|inner| match lost {
                    Lost::LoginRefused(reason) => {
                        inner.session.handle_login_refused(attempt, login, reason, now);
                    }
                    lost => inner.session.handle_disconnected(attempt, lost, now),
                });
            }
        }
        true
    }

    /// Reads what there is, as far as there is room for it. Returns whether there may be more.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..READS {
            let Link::Up(up) = &mut self.link else { return false };
            // Where writing has failed, what there is to read is bounded, and its end must be seen.
            if up.paused && up.broken.is_none() {
                return false;
            }
            match up.poll_read(cx, &self.shared.counters) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return true,
                Poll::Ready(Err(lost)) => {
                    self.lose(lost);
                    return true;
                }
                Poll::Pending => return false,
            }
        }
        true
    }

    /// Writes what there is. Returns whether to go on at once: if writing failed, or if something was written and there is
    /// `more`.
    fn write(&mut self, cx: &mut Context<'_>, more: bool) -> bool {
        let Link::Up(up) = &mut self.link else { return false };
        if up.broken.is_some() {
            return false;
        }
        match up.poll_write(cx) {
            Poll::Ready(Ok(moved)) => moved && more,
            Poll::Ready(Err(error)) => {
                up.broken = Some(Box::new(Lost::Io(stream_failure(&error))));
                true
            }
            Poll::Pending => false,
        }
    }

    /// Continues to close the stream, then reports how the session has ended, if it has. Returns whether the driver has ended
    /// too.
    fn close(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.runtime.now();
        if let Link::Closing(closing) = &mut self.link {
            if closing.poll(cx).is_pending() && closing.until > now {
                return false;
            }
            self.link = Link::Down;
        }
        let closed = self.shared.with(|inner| {
            let ended = inner.ended.take();
            ended.into_iter().for_each(|closed| inner.close(*closed));
            inner.closed.is_some()
        });
        if closed {
            self.link = Link::Down;
        }
        closed && !self.shared.with(|inner| inner.lingers(now))
    }

    /// Reports that the stream has ended, after what came before.
    fn lose(&mut self, lost: Lost) {
        let now = self.runtime.now();
        let Link::Up(mut up) = mem::replace(&mut self.link, Link::Down) else { return };
        self.shared.with(|inner| {
            inner.note_flushed(up.is_flushed());
            if let Some(input) = up.standing().input {
                self.shared.pull(inner, input, now);
            }
            inner.session.handle_disconnected(up.attempt, lost, now);
        });
        self.link = Link::Up(up).closing(self.ends_by);
    }

    /// Waits for the next deadline. A timer is made anew only for an earlier one, or after it has fired.
    fn sleep(&mut self, cx: &mut Context<'_>, due: Option<Timestamp>) -> Poll<()> {
        let closing = if let Link::Closing(closing) = &self.link { Some(closing.until) } else { None };
        let Some(at) = Timestamp::first([due, closing]) else { return Poll::Pending };
        if self.timer.as_ref().is_none_or(|timer| at < timer.at) {
            let runtime = Arc::clone(&self.runtime);
            self.timer = Some(Timer { at, sleep: Box::pin(async move { runtime.sleep_until(at).await }) });
        }
        if let Some(timer) = &mut self.timer {
            ready!(timer.sleep.as_mut().poll(cx));
            self.timer = None;
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// What has to be done to a stream that stands before it is dropped.
    fn closing(self, until: Timestamp) -> Self {
        match self {
            Self::Up(up) => ClosingStream::begin(up.stream, until).map_or(Self::Down, Self::Closing),
            Self::Closing(_) => self,
            Self::Dialling(_) | Self::Down => Self::Down,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Up<S> {
    fn new(attempt: AttemptId, stream: S, input: Input) -> Self {
        Self {
            attempt,
            stream,
            input,
            came: false,
            writing: Writing::default(),
            flushed: true,
            paused: false,
            told: false,
            broken: None,
            dry: false,
            dry_before: false,
        }
    }

    /// What the session is told of it.
    fn standing(&mut self) -> Standing<'_> {
        let flushed = self.is_flushed();
        let takes = self.writing.0.is_empty() && self.broken.is_none();
        let input = mem::take(&mut self.came).then_some(&mut self.input);
        Standing { input, takes, flushed, paused: self.paused }
    }

    /// Whether the transport holds nothing of what it was given.
    fn is_flushed(&self) -> bool {
        self.writing.0.is_empty() && self.flushed && self.broken.is_none()
    }

    /// Reads once. Returns whether there is room for more, or why nothing will come any more.
    fn poll_read(&mut self, cx: &mut Context<'_>, counters: &Counters) -> Poll<Result<bool, Lost>> {
        let room = self.input.space();
        let size = room.len();
        match uninterrupted(|| Pin::new(&mut self.stream).poll_read(cx, room)) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(self.broken.take().map_or(Lost::Eof, |lost| *lost))),
            Poll::Ready(Ok(count)) => {
                self.input.commit(count);
                counters.count_read(count);
                (self.came, self.dry, self.dry_before) = (true, false, false);
                Poll::Ready(Ok(size.saturating_sub(count) >= ROOM))
            }
            // What says that no retry helps, or what the peer says, is the cause; that writing failed was its consequence.
            Poll::Ready(Err(error)) if is_cause(&error) => Poll::Ready(Err(lost(&error))),
            Poll::Ready(Err(error)) => {
                Poll::Ready(Err(self.broken.take().map_or_else(|| lost(&error), |lost| *lost)))
            }
            Poll::Pending if self.broken.is_some() && !self.dry_before => {
                self.dry = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => self.broken.take().map_or(Poll::Pending, |lost| Poll::Ready(Err(*lost))),
        }
    }

    /// Writes all there is, then flushes. Whether anything moved.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut moved = false;
        while !self.writing.0.is_empty() {
            match uninterrupted(|| Pin::new(&mut self.stream).poll_write(cx, &self.writing.0)) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.writing.0.advance(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return if moved { Poll::Ready(Ok(true)) } else { Poll::Pending },
            }
            moved = true;
        }
        if moved {
            // The send buffer uses the memory again, unless somebody holds it.
            drop_each([mem::take(&mut self.writing.0)]);
        }
        if !self.flushed {
            ready!(uninterrupted(|| Pin::new(&mut self.stream).poll_flush(cx)))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(moved))
    }
}

/// What is being written. It may be a body, whose owner may run any code when it is dropped.
#[derive(Default)]
struct Writing(Bytes);

impl Drop for Writing {
    fn drop(&mut self) {
        drop_each([mem::take(&mut self.0)]);
    }
}

fn is_cause(error: &io::Error) -> bool {
    TransportError::is_permanent(error) || TransportError::code(error).is_some()
}

fn lost(error: &io::Error) -> Lost {
    match TransportError::is_permanent(error) {
        true => Lost::DialFailed { reason: dial_failure(error), permanent: true },
        // A TLS stream that ends without its farewell is an end like any other.
        false if error.kind() == io::ErrorKind::UnexpectedEof => Lost::Eof,
        false => Lost::Io(stream_failure(error)),
    }
}

/// The stream is dropped before the end of the session is reported, whether the driver has ended, was aborted, or has
/// panicked. The stream may run any code when it is dropped.
impl<R: Runtime, C: Connector> Drop for Driver<R, C> {
    fn drop(&mut self) {
        drop_each([mem::replace(&mut self.link, Link::Down)]);
        self.shared.with(|inner| {
            inner.driver_dropped();
            let closed = inner.ended.take().map_or(Closed::DriverDropped, |closed| *closed);
            inner.close(closed);
        });
    }
}

impl<R: Runtime, C: Connector> fmt::Debug for Driver<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("shared", &self.shared).finish_non_exhaustive()
    }
}
