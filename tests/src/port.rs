//! A port whose connections are each served by a task.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
};

use smol::{Async, Executor, Task};

/// A connection that was accepted.
pub(crate) type Connection = Async<std::net::TcpStream>;

/// A listening port of 127.0.0.1. When it is dropped, the tasks that serve its connections end.
pub(crate) struct Port {
    address: SocketAddr,
    _serving: Task<io::Result<()>>,
}

impl Port {
    /// Serves connections on a free port.
    pub(crate) fn open<F>(serve: impl Fn(Connection) -> F + Send + Sync + 'static) -> io::Result<Self>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = Async::<std::net::TcpListener>::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.get_ref().local_addr()?;
        let accept = async move {
            let executor = Executor::new();
            executor
                .run(async {
                    loop {
                        let (connection, _) = listener.accept().await?;
                        connection.get_ref().set_nodelay(true)?;
                        executor.spawn(serve(connection)).detach();
                    }
                })
                .await
        };
        Ok(Self { address, _serving: smol::spawn(accept) })
    }

    /// The address on which it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Port({})", self.address)
    }
}
