//! The time of the client's threads.

use std::{
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use cpu_time::{ProcessTime, ThreadTime};
use tokio::runtime::{Builder, Runtime};

use crate::{
    contest::{Contestant, Start},
    pin::Pinned,
    sink::Sink,
};

/// Where a contestant runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// `smol::block_on` on the main thread, as in the README, and the tasks in the thread of smol's executor.
    Smol,
    /// All in the thread of smol's executor.
    SmolAlone,
    /// All in tokio's current-thread runtime on the main thread.
    Tokio,
    /// All in a runtime of tokio's with two threads.
    TokioThreads,
}

/// All of them.
pub(crate) struct Hosts {
    sink: Sink,
    tokio: Rc<Runtime>,
    threads: Rc<Runtime>,
}

impl Hosts {
    pub(crate) fn start() -> Self {
        let tokio = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let threads = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let sink = Sink::start().expect("a port on loopback");
        Self { sink, tokio: Rc::new(tokio), threads: Rc::new(threads) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.sink.address
    }

    pub(crate) fn connect(&self, host: Host, start: Start) -> Box<dyn Contestant> {
        self.run(host, start)
    }

    fn run<T: Send + 'static>(&self, host: Host, work: impl Future<Output = T> + Send + 'static) -> T {
        match host {
            Host::Smol => smol::block_on(work),
            Host::SmolAlone => smol::block_on(smol::spawn(work)),
            Host::Tokio => self.tokio.block_on(work),
            Host::TokioThreads => self.threads.block_on(self.threads.spawn(work)).expect("nobody panics"),
        }
    }

    /// The contestant handles that many messages; gives it back with the CPU time that this took.
    pub(crate) fn slice(
        &self,
        host: Host,
        mut contestant: Box<dyn Contestant>,
        messages: usize,
    ) -> (Box<dyn Contestant>, Duration) {
        let clock = self.clock(host);
        let contestant = self.run(host, async move {
            contestant.run(messages).await;
            contestant
        });
        (contestant, self.elapsed(clock))
    }

    /// One message after the other; gives back the wall times too.
    pub(crate) fn ping_pong(
        &self,
        host: Host,
        mut contestant: Box<dyn Contestant>,
        messages: usize,
    ) -> (Box<dyn Contestant>, Duration, Vec<Duration>) {
        let mut waits = Vec::with_capacity(messages);
        // Where the other side is.
        let _pinned = (host == Host::Tokio).then(Pinned::new);
        let clock = self.clock(host);
        let (contestant, waits) = self.run(host, async move {
            for _ in 0..messages {
                let started = Instant::now();
                contestant.run(1).await;
                waits.push(started.elapsed());
            }
            (contestant, waits)
        });
        (contestant, self.elapsed(clock), waits)
    }

    /// Where all is in the main thread its time is taken, and else that of the process without the sink's.
    fn clock(&self, host: Host) -> Clock {
        match host {
            Host::Tokio => Clock::Thread(ThreadTime::now()),
            _ => Clock::Process(ProcessTime::now(), self.sink.spent()),
        }
    }

    fn elapsed(&self, clock: Clock) -> Duration {
        match clock {
            Clock::Thread(since) => since.elapsed(),
            Clock::Process(since, spent) => since.elapsed().saturating_sub(self.sink.spent() - spent),
        }
    }
}

enum Clock {
    Process(ProcessTime, Duration),
    Thread(ThreadTime),
}
