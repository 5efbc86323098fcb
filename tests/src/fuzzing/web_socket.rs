//! The message layer of WebSockets under a server that sends anything.

use std::{
    collections::VecDeque,
    future::{Future, pending},
    io::{self, Read as _},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_io::{AsyncRead, AsyncWrite};
use stomp_session::{
    Endpoint, Timestamp,
    client::{Dial, Runtime, TlsConfig},
};
use tungstenite::handshake::derive_accept_key;

/// Reads what a server sends behind its answer to the handshake, whole and in pieces, and compares what came of it.
///
/// The first octet selects the sizes of the pieces. The rest is what the server sends.
pub fn websocket(data: &[u8]) {
    let Some((&choice, sent)) = data.split_first() else { return };
    let step = usize::from(choice & 0x0f).max(1);
    let room = usize::from(choice >> 4).max(1);
    let (whole, pieces) = (read(sent, usize::MAX, 4096), read(sent, step, room));
    assert_eq!(whole.octets, pieces.octets);
    assert_eq!(whole.end, pieces.end);
    assert!(whole.octets.len() <= sent.len(), "nothing is invented");
    for written in [whole.written, pieces.written] {
        // Each answer is to a frame that came, and each is at most so long.
        assert!(written <= (sent.len() / 2 + 1) * 131, "{written} octets of answers to {}", sent.len());
    }
}

/// What came of it.
struct Found {
    octets: Vec<u8>,
    /// How it ended, in words.
    end: String,
    /// How much was written behind the request.
    written: usize,
}

fn read(sent: &[u8], step: usize, room: usize) -> Found {
    let accept = derive_accept_key(KEY);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    let wire = Wire(Arc::default());
    wire.with(|ends| {
        ends.down.extend(answer.as_bytes());
        ends.step = usize::MAX;
    });
    let dial = Dial::new(Arc::new(Still), TlsConfig::default());
    let endpoint = Endpoint::plain("broker", 80).with_web_socket("/");
    let mut stream = finish(dial.secure(&endpoint, wire.clone()), 10).expect("it opens");
    let request = wire.with(|ends| {
        ends.down.extend(sent);
        ends.step = step;
        ends.written
    });
    let (mut octets, mut buffer) = (Vec::new(), vec![0; room]);
    let mut cx = Context::from_waker(Waker::noop());
    let mut pending_in_a_row = 0;
    let end = loop {
        match Pin::new(&mut stream).poll_read(&mut cx, &mut buffer) {
            Poll::Ready(Ok(0)) => break "the end".to_owned(),
            Poll::Ready(Ok(count)) => octets.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Poll::Ready(Err(error)) => break error.to_string(),
            Poll::Pending => {
                pending_in_a_row += 1;
                assert!(pending_in_a_row <= sent.len() + 2, "it reads and reads, and nothing moves");
                continue;
            }
        }
        pending_in_a_row = 0;
    };
    _ = finish(std::future::poll_fn(|cx| Pin::new(&mut stream).poll_close(cx)), 10);
    Found { octets, end, written: wire.with(|ends| ends.written) - request }
}

/// Polls a future until it ends, which takes few polls.
fn finish<F: Future>(future: F, polls: usize) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
    panic!("it does not end within {polls} polls");
}

/// What the server has sent, of which so much comes at a time, and the end behind it.
#[derive(Clone)]
struct Wire(Arc<Mutex<Ends>>);

#[derive(Default)]
struct Ends {
    down: VecDeque<u8>,
    step: usize,
    written: usize,
}

impl Wire {
    fn with<R>(&self, look: impl FnOnce(&mut Ends) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.with(|ends| {
            let most = ends.step.min(room.len());
            Poll::Ready(ends.down.read(room.get_mut(..most).unwrap_or_default()))
        })
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|ends| ends.written += octets.len());
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A runtime in which no time passes and no luck changes.
struct Still;

/// The key of a handshake with that luck.
const KEY: &[u8] = b"BwcHBwcHBwcHBwcHBwcHBw==";

impl Runtime for Still {
    type Stream = Wire;

    async fn dial(&self, _: &str, _: u16, _: u32) -> io::Result<Wire> {
        pending().await
    }

    async fn sleep_until(&self, _: Timestamp) {
        pending().await
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO
    }

    async fn unblock<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        work()
    }

    fn entropy(&self) -> [u8; 32] {
        [7; 32]
    }
}
