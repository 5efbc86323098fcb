//! SIGINT and SIGTERM: the first asks a command to end, the second ends it.

use std::{future::pending, io};

use tokio::sync::watch;

use crate::exit::Code;

/// Whether the command was asked to end, and by what.
#[derive(Clone)]
pub(crate) struct Stop {
    seen: watch::Receiver<Seen>,
}

/// The signals that have come.
#[derive(Clone, Copy, Default)]
struct Seen {
    first: Option<Code>,
    second: Option<Code>,
}

impl Stop {
    /// Begins to listen for signals.
    pub(crate) fn listen() -> io::Result<Self> {
        let (seen, receiver) = watch::channel(Seen::default());
        let mut signals = Signals::new()?;
        tokio::spawn(async move {
            let first = Some(signals.next().await);
            seen.send_replace(Seen { first, second: None });
            let second = Some(signals.next().await);
            seen.send_replace(Seen { first, second });
        });
        Ok(Self { seen: receiver })
    }

    /// Waits until the command is asked to end. It is cancel safe.
    pub(crate) async fn requested(&self) -> Code {
        self.wait(|seen| seen.first).await
    }

    /// Waits until it is to end whatever it is doing. It is cancel safe.
    pub(crate) async fn insisted(&self) -> Code {
        self.wait(|seen| seen.second).await
    }

    async fn wait(&self, which: fn(&Seen) -> Option<Code>) -> Code {
        let mut seen = self.seen.clone();
        let found = seen.wait_for(|seen| which(seen).is_some()).await.ok().and_then(|seen| which(&seen));
        match found {
            Some(code) => code,
            None => pending().await,
        }
    }

    /// The code of a command that was asked to end.
    pub(crate) fn code(&self) -> Option<Code> {
        self.seen.borrow().first
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Code {
        tokio::select! {
            _ = self.interrupt.recv() => Code::Interrupted,
            _ = self.terminate.recv() => Code::Terminated,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Code {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Code::Interrupted,
            Err(_) => pending().await,
        }
    }
}
