//! SIGINT and SIGTERM: the first asks a command to end, the second ends it.

use std::{future::pending, io, process};

use tokio::sync::watch;

use crate::exit::Code;

/// Whether the command was asked to end, and by what.
#[derive(Clone)]
pub(crate) struct Stop {
    seen: watch::Receiver<Option<Code>>,
}

impl Stop {
    /// Begins to listen for signals.
    pub(crate) fn listen() -> io::Result<Self> {
        let (seen, receiver) = watch::channel(None);
        let mut signals = Signals::new()?;
        tokio::spawn(async move {
            loop {
                let code = signals.next().await;
                if seen.send_replace(Some(code)).is_some() {
                    process::exit(code as i32);
                }
            }
        });
        Ok(Self { seen: receiver })
    }

    /// Waits until the command is asked to end. It is cancel safe.
    pub(crate) async fn requested(&self) -> Code {
        let mut seen = self.seen.clone();
        let found = seen.wait_for(Option::is_some).await.ok().and_then(|code| *code);
        match found {
            Some(code) => code,
            None => pending().await,
        }
    }

    /// The code of a command that was asked to end.
    pub(crate) fn code(&self) -> Option<Code> {
        *self.seen.borrow()
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
