//! The driver: one future that moves bytes between the stream and the session, and keeps its time.

use std::{
    fmt,
    future::{Future, poll_fn},
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use futures_io::{AsyncRead, AsyncWrite};

use super::{
    closing::ClosingStream,
    contain::drop_each,
    dialling::{Dialling, dial, dial_failure},
    error::RequestError,
    export::Export,
    interrupted::uninterrupted,
    notice::Notice,
    runtime::{Addresses, Connector, Runtime, TransportError},
    shared::{Inner, Shared},
    statistics::Counters,
    telemetry::ConnectionSpan,
};
use crate::{Action, AttemptId, Closed, Input, Lost, Timestamp, TransportFailure};

/// The reads of one turn. With more, the writer that carries the ACKs could starve. With fewer, each would cost a turn.
const READS: usize = 8;
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
    writing: Writing,
    flushed: bool,
    paused: bool,
    /// The runtime knows whether the broker promises heart-beats.
    told: bool,
    /// Writing has failed. What the peer sent before it closed is read first: an ERROR may be among it.
    broken: Option<Lost>,
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
        let waker = cx.waker().clone();
        self.shared.with(|inner| {
            let replaced = inner.driver.replace(waker);
            inner.discard(replaced);
        });
        if let Link::Up(up) = &mut self.link {
            up.dry_before = mem::take(&mut up.dry);
        }
        for _ in 0..ROUNDS {
            let span = self.span.clone();
            if let Some(polled) = span.run(|| self.poll_round(cx)) {
                return polled;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// What the driver has come to, unless it goes on.
    fn poll_round(&mut self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        // Reading comes before the clock: bytes that wait in the socket count before a peer is called dead.
        let moved = self.dialled(cx) | self.read(cx) | self.write(cx);
        let acted = self.turn();
        self.close(cx);
        if self.shared.with(|inner| inner.closed.is_some()) {
            self.link = Link::Down;
            let now = self.runtime.now();
            if !self.shared.with(|inner| inner.lingers(now)) {
                return Some(Poll::Ready(()));
            }
        }
        (!moved && !acted && self.sleep(cx).is_pending()).then_some(Poll::Pending)
    }

    /// Reports the time, then hands on events and obeys actions. Whether anything was to be done.
    fn turn(&mut self) -> bool {
        let now = self.runtime.now();
        let flushed = matches!(&self.link, Link::Up(up) if up.is_flushed());
        let (due, actions) = self.shared.with(|inner| {
            inner.expire_waits(now);
            inner.proceed_flushes(flushed);
            inner.continue_disconnect(now);
            self.ends_by = inner.session.ends_by().unwrap_or(self.ends_by);
            let due = inner.session.poll_timeout().is_some_and(|at| at <= now);
            if due {
                inner.session.handle_timeout(now);
            }
            let actions: Vec<_> = std::iter::from_fn(|| inner.session.poll_action()).collect();
            (due, actions)
        });
        self.shared.dispatch();
        self.tell_runtime();
        let acted = !actions.is_empty();
        actions.into_iter().for_each(|action| self.obey(action));
        let resumed = self.pause(now);
        self.refill(now) || resumed || due || acted
    }

    /// Reports, once for each connection, whether its broker promises heart-beats.
    fn tell_runtime(&mut self) {
        let Link::Up(up) = &mut self.link else { return };
        if up.told {
            return;
        }
        let promised =
            self.shared.with(|inner| inner.session.connection().map(|it| it.heart_beat.incoming > 0));
        if let Some(promised) = promised {
            up.told = true;
            self.runtime.broker_beats(promised);
        }
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

    /// Stops or resumes reading. Returns whether reading was resumed or something is to be reported.
    fn pause(&mut self, now: Timestamp) -> bool {
        let Link::Up(up) = &mut self.link else { return false };
        let shared = &self.shared;
        shared.with(|inner| {
            let (pressure, budget) = (&shared.pressure, shared.settings.inbound_budget);
            let pause = pressure.pauses(budget, &inner.session, inner.requests.await_replies());
            let is_over = pause && pressure.is_over(budget);
            let gave_up = inner.stall.note_over(is_over, now) && inner.give_up_waits(pressure.undelivered());
            inner.note_pause(pause, now);
            let changed = mem::replace(&mut up.paused, pause) != pause;
            match (changed, pause) {
                (true, true) => inner.session.pause_input(),
                (true, false) => inner.session.resume_input(now),
                (false, _) => {}
            }
            gave_up || changed && !pause
        })
    }

    /// Takes the next bytes to write, once the last ones are gone.
    fn refill(&mut self, now: Timestamp) -> bool {
        let Link::Up(up) = &mut self.link else { return false };
        if !up.writing.0.is_empty() || up.broken.is_some() {
            return false;
        }
        let flushed = up.flushed;
        let next = self.shared.with(|inner| {
            if flushed {
                inner.note_written();
            }
            inner.take_octets(now)
        });
        let Some(next) = next else { return false };
        self.shared.counters.count_written(next.len());
        drop_each([mem::replace(&mut up.writing.0, next)]);
        up.flushed = false;
        true
    }

    fn dialled(&mut self, cx: &mut Context<'_>) -> bool {
        let Link::Dialling(Dialling { attempt, addresses, dial }) = &mut self.link else { return false };
        let attempt = *attempt;
        let polled = dial.as_mut().poll(cx);
        // Before its time may be over: what hangs now may be one of several.
        if let Some(count) = addresses.count() {
            self.shared.with(|inner| inner.session.handle_addresses(attempt, count));
        }
        let Poll::Ready(result) = polled else { return false };
        let now = self.runtime.now();
        match result {
            Ok((stream, login)) => {
                let input = self.shared.with(|inner| inner.session.handle_connected(attempt, login, now));
                self.link = match input {
                    Some(input) => Link::Up(Box::new(Up::new(attempt, stream, input))),
                    None => Link::Down,
                };
            }
            Err(lost) => self.lose(attempt, lost),
        }
        true
    }

    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        for _ in 0..READS {
            let Link::Up(up) = &mut self.link else { return moved };
            // Where writing has failed, what there is to read is bounded, and its end must be seen.
            if up.paused && up.broken.is_none() {
                return moved;
            }
            let now = self.runtime.now();
            match up.poll_read(cx, &self.shared.counters) {
                Poll::Ready(None) => {
                    moved = true;
                    let input = &mut up.input;
                    self.shared.pull(input, now);
                }
                Poll::Ready(Some(lost)) => {
                    let attempt = up.attempt;
                    self.lose(attempt, lost);
                    return true;
                }
                Poll::Pending => break,
            }
        }
        moved
    }

    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let Link::Up(up) = &mut self.link else { return false };
        if up.broken.is_some() {
            return false;
        }
        match up.poll_write(cx) {
            Poll::Ready(Ok(moved)) => moved,
            Poll::Ready(Err(error)) => {
                up.broken = Some(Lost::Io(TransportFailure::from(&error)));
                true
            }
            Poll::Pending => false,
        }
    }

    /// Continues to close the stream, then reports how the session has ended.
    fn close(&mut self, cx: &mut Context<'_>) {
        if let Link::Closing(closing) = &mut self.link {
            if closing.poll(cx).is_pending() && closing.until > self.runtime.now() {
                return;
            }
            self.link = Link::Down;
        }
        self.shared.with(|inner| {
            let closed = inner.ended.take();
            closed.into_iter().for_each(|closed| inner.close(closed));
        });
    }

    fn lose(&mut self, attempt: AttemptId, lost: Lost) {
        self.link = mem::replace(&mut self.link, Link::Down).closing(self.ends_by);
        let now = self.runtime.now();
        self.shared.with(|inner| inner.session.handle_disconnected(attempt, lost, now));
    }

    /// Waits for the next deadline. A timer is made anew only for an earlier one, or after it has fired.
    fn sleep(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let closing = if let Link::Closing(closing) = &self.link { Some(closing.until) } else { None };
        let due = self.shared.with(|inner| inner.next_deadline());
        let Some(at) = due.into_iter().chain(closing).min() else { return Poll::Pending };
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
            writing: Writing::default(),
            flushed: true,
            paused: false,
            told: false,
            broken: None,
            dry: false,
            dry_before: false,
        }
    }

    /// Whether the transport holds nothing of what it was given.
    fn is_flushed(&self) -> bool {
        self.writing.0.is_empty() && self.flushed && self.broken.is_none()
    }

    /// Reads once. Returns `None` if something came, or else why nothing will.
    fn poll_read(&mut self, cx: &mut Context<'_>, counters: &Counters) -> Poll<Option<Lost>> {
        match uninterrupted(|| Pin::new(&mut self.stream).poll_read(cx, self.input.space())) {
            Poll::Ready(Ok(0)) => Poll::Ready(Some(self.broken.take().unwrap_or(Lost::Eof))),
            Poll::Ready(Ok(count)) => {
                self.input.commit(count);
                counters.count_read(count);
                (self.dry, self.dry_before) = (false, false);
                Poll::Ready(None)
            }
            // What says that no retry helps is the cause; that writing failed was its consequence.
            Poll::Ready(Err(error)) if TransportError::is_permanent(&error) => {
                Poll::Ready(Some(lost(&error)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Some(self.broken.take().unwrap_or_else(|| lost(&error)))),
            Poll::Pending if self.broken.is_some() && !self.dry_before => {
                self.dry = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => self.broken.take().map_or(Poll::Pending, |lost| Poll::Ready(Some(lost))),
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

fn lost(error: &io::Error) -> Lost {
    match TransportError::is_permanent(error) {
        true => Lost::DialFailed { reason: dial_failure(error), permanent: true },
        // A TLS stream that ends without its farewell is an end like any other.
        false if error.kind() == io::ErrorKind::UnexpectedEof => Lost::Eof,
        false => Lost::Io(error.into()),
    }
}

impl Inner {
    /// Notes whether reading is paused, and reports a long pause to the listeners.
    fn note_pause(&mut self, pause: bool, now: Timestamp) {
        if self.stall.note(pause, now) {
            let fullest =
                self.inboxes.iter().max_by_key(|(_, inbox)| inbox.octets.saturating_add(inbox.batch));
            let subscription = fullest.map(|(id, _)| *id);
            self.note(&Notice::Stalled { subscription });
        }
    }

    /// Gives up what is awaited behind messages that are not taken. Returns whether there was anything.
    fn give_up_waits(&mut self, octets: usize) -> bool {
        let replies = self.requests.await_replies();
        self.fail_requests(|_| true, &RequestError::InboxFull { octets });
        self.session.give_up_receipts(octets) | replies
    }

    /// All that was taken for the transport is on the wire.
    fn note_written(&mut self) {
        let wakers = self.publishers.note_written(self.session.sends_handed_over());
        wakers.into_iter().for_each(|waker| self.wake(waker));
    }

    fn expire_waits(&mut self, now: Timestamp) {
        self.waits.expire(now).into_iter().for_each(|waker| self.wake(waker));
        self.expire_parked(now);
    }

    fn next_deadline(&mut self) -> Option<Timestamp> {
        let deadlines = [
            self.session.poll_timeout(),
            self.waits.deadline(),
            self.parking.deadline(),
            self.runners.deadline(),
            self.moves.deadline(),
            self.stall.deadline(),
        ];
        deadlines.into_iter().flatten().min().filter(|at| *at < Timestamp::MAX)
    }
}

/// The stream is dropped before the end of the session is reported, whether the driver has ended, was aborted, or has
/// panicked. The stream may run any code when it is dropped.
impl<R: Runtime, C: Connector> Drop for Driver<R, C> {
    fn drop(&mut self) {
        drop_each([mem::replace(&mut self.link, Link::Down)]);
        self.shared.with(|inner| {
            inner.driver_dropped();
            let closed = inner.ended.take().unwrap_or(Closed::DriverDropped);
            inner.close(closed);
        });
    }
}

impl<R: Runtime, C: Connector> fmt::Debug for Driver<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("shared", &self.shared).finish_non_exhaustive()
    }
}
