//! The end of a driver that did not run to its end: whoever waits for the session hears of it, and the stream is closed by then.

use std::{
    future::{Future, poll_fn},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_io::{AsyncRead, AsyncWrite};
use stomp_checks::sim::{Sim, SimStream, World};
use stomp_session::{
    Closed, Endpoint,
    client::{Client, Connector},
};

use crate::kit::{config, settings};

/// A connector whose streams note when they are dropped, and panic when they are told to.
struct Watched {
    world: World,
    is_closed: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
}

struct WatchedStream {
    stream: SimStream,
    is_closed: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
}

impl Connector for Watched {
    type Stream = WatchedStream;

    async fn connect(&self, endpoint: &Endpoint, attempt: u32) -> io::Result<WatchedStream> {
        let stream = self.world.connect(endpoint, attempt).await?;
        let (is_closed, panics) = (Arc::clone(&self.is_closed), Arc::clone(&self.panics));
        Ok(WatchedStream { stream, is_closed, panics })
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        assert!(!self.panics.load(Ordering::Relaxed), "a fault of the stream's");
        Pin::new(&mut self.stream).poll_read(cx, room)
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }
}

/// A waker that looks, when it is woken, whether the stream is closed.
struct Look {
    is_closed: Arc<AtomicBool>,
    seen: Mutex<Vec<bool>>,
}

impl Wake for Look {
    fn wake(self: Arc<Self>) {
        self.seen.lock().unwrap().push(self.is_closed.load(Ordering::Relaxed));
    }
}

/// Connects, ends the driver like that, and says what whoever waits for the end has seen at the moment when he was woken.
fn ended_by(end: impl AsyncFnOnce(Pin<Box<dyn Future<Output = ()>>>, &AtomicBool)) -> (Closed, Vec<bool>) {
    let mut sim = Sim::new(1);
    let (is_closed, panics) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let watched =
        Watched { world: sim.world(), is_closed: Arc::clone(&is_closed), panics: Arc::clone(&panics) };
    let (client, driver): (Client, _) =
        settings().config(config()).build_on(Arc::new(sim.world()), Arc::new(watched)).unwrap();
    let look = Arc::new(Look { is_closed, seen: Mutex::default() });
    let waker = Waker::from(Arc::clone(&look));
    sim.block_on(async {
        let mut driver: Pin<Box<dyn Future<Output = ()>>> = Box::pin(driver.run());
        let mut connected = pin!(client.connected());
        poll_fn(|cx| {
            assert!(driver.as_mut().poll(cx).is_pending());
            connected.as_mut().poll(cx)
        })
        .await
        .unwrap();
        let mut closed = pin!(client.closed());
        assert!(closed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        end(driver, &panics).await;
        (closed.await, look.seen.lock().unwrap().clone())
    })
}

#[test]
fn a_driver_that_is_dropped_closes_its_stream_before_it_tells() {
    let ended = ended_by(async |driver, _| drop(driver));
    assert_eq!(ended, (Closed::DriverDropped, vec![true]));
}

#[test]
fn a_driver_that_panics_closes_its_stream_before_it_tells() {
    let ended = ended_by(async |mut driver, panics| {
        panics.store(true, Ordering::Relaxed);
        let polled =
            poll_fn(|cx| Poll::Ready(catch_unwind(AssertUnwindSafe(|| driver.as_mut().poll(cx))))).await;
        assert!(polled.is_err(), "its stream has panicked");
    });
    assert_eq!(ended, (Closed::DriverDropped, vec![true]));
}
