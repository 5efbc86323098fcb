//! Ports whose connections are each served by a task, on one thread for all of them, which ends with the last port.

use std::{
    fmt, io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex, PoisonError, Weak, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Handle},
    sync::oneshot,
    task::{AbortHandle, JoinSet},
    time::sleep,
};

/// How long a port accepts nothing when the process has no descriptor left, so that it does not spin.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(10);

/// A listening port. When it is dropped, its connections are closed.
pub(crate) struct Port {
    address: SocketAddr,
    accepting: AbortHandle,
    /// Disconnected when no task holds a socket any more.
    tasks: mpsc::Receiver<()>,
    _thread: Arc<Thread>,
}

impl Port {
    /// Serves connections on this address.
    pub(crate) fn open<F>(
        address: impl ToSocketAddrs,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let thread = Thread::shared()?;
        let listener = {
            let _runtime = thread.runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (ended, tasks) = mpsc::channel();
        let accepting = (Box::pin(accept(listener, serve, ended.clone())), ended);
        let accepting = thread.runtime.spawn(until_dropped(accepting)).abort_handle();
        Ok(Self { address, accepting, tasks, _thread: thread })
    }

    /// The address on which it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.accepting.abort();
        // Nothing is ever sent.
        _ = self.tasks.recv();
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Port({})", self.address)
    }
}

async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F, ended: mpsc::Sender<()>)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    // They are aborted when it is dropped.
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                // One that has gone already shows it when it is read.
                _ = connection.set_nodelay(true);
                connections.spawn(until_dropped((Box::pin(serve(connection)), ended.clone())));
            }
            Err(_) => sleep(OUT_OF_DESCRIPTORS).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// The work, with a sender that is dropped after it.
async fn until_dropped<F: Future + Unpin>((work, _ended): (F, mpsc::Sender<()>)) {
    work.await;
}

/// The thread of all ports there are.
struct Thread {
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

static THREAD: Mutex<Weak<Thread>> = Mutex::new(Weak::new());

impl Thread {
    fn shared() -> io::Result<Arc<Self>> {
        let mut shared = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = shared.upgrade() {
            return Ok(thread);
        }
        let thread = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&thread);
        Ok(thread)
    }

    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        // Whether it was said or nobody is left to say so is the same.
        let work = move || _ = runtime.block_on(stopped);
        let thread = thread::Builder::new().name("stomp-ports".to_owned()).spawn(work)?;
        Ok(Self { runtime: handle, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop = None;
        self.thread.take().into_iter().for_each(|thread| _ = thread.join());
    }
}
