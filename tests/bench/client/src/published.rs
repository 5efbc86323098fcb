//! What a message costs that is published, with the client and its driver around the session: over a stream in memory, without
//! a runtime, so that nothing depends on luck.

use std::{
    future::{self, Future},
    io,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
};

use futures_io::{AsyncRead, AsyncWrite};
use memchr::memmem::Finder;
use stomp_session::{
    Endpoint, Timestamp,
    client::{Client, Connector, Publisher, Runtime},
};

use crate::MESSAGES;

pub(crate) const BODY: &[u8] = b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

pub(crate) type Driver = Pin<Box<dyn Future<Output = ()>>>;

/// Messages are fed one by one; those of a pass are flushed together.
pub(crate) fn run(confirmed: bool, passes: u64) {
    let (client, mut driver) = standing(if confirmed { Answers::Counted } else { Answers::None });
    let publisher = client.publisher("/queue/orders.incoming");
    let publisher = if confirmed { publisher.confirmed() } else { publisher };
    let mut publisher = publisher.build().expect("the headers can be written");
    for _ in 0..passes {
        publish(&mut publisher, &mut driver);
    }
}

fn publish(publisher: &mut Publisher, driver: &mut Driver) {
    for _ in 0..MESSAGES {
        assert!(poll(&mut publisher.feed(BODY)).is_ready(), "there is room for all");
    }
    while poll(&mut publisher.flush()).is_pending() {
        assert!(poll(driver).is_pending(), "it runs on");
    }
}

/// Which RECEIPTs come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answers {
    #[default]
    None,
    /// Those with the numbers of the frames.
    Counted,
    /// Those that the frames ask for.
    Asked,
}

/// A client that is connected to a stream which takes everything.
pub(crate) fn standing(answers: Answers) -> (Client, Driver) {
    let built = Client::builder("tcp://broker").build_on(Arc::new(Still), Arc::new(Loop { answers }));
    let (client, driver) = built.expect("a list of brokers");
    let mut driver: Driver = Box::pin(driver.run());
    while client.connection().is_none() {
        assert!(poll(&mut driver).is_pending(), "it runs on");
    }
    (client, driver)
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

pub(crate) fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// A runtime in which no time passes.
#[derive(Debug)]
struct Still;

impl Runtime for Still {
    type Stream = Taker;

    async fn dial(&self, _: &str, _: u16, _: u32) -> io::Result<Taker> {
        Ok(Taker::default())
    }

    async fn sleep_until(&self, _: Timestamp) {
        future::pending().await
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO
    }

    async fn unblock<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        work()
    }

    fn entropy(&self) -> [u8; 32] {
        [0; 32]
    }
}

#[derive(Debug)]
struct Loop {
    answers: Answers,
}

impl Connector for Loop {
    type Stream = Taker;

    async fn connect(&self, _: &Endpoint, _: u32) -> io::Result<Taker> {
        Ok(Taker { answers: self.answers, ..Taker::default() })
    }
}

/// Takes everything; answers CONNECT, and then each frame with the next RECEIPT, if it answers at all.
#[derive(Debug, Default)]
struct Taker {
    answers: Answers,
    frames: u64,
    said: Vec<u8>,
    read: usize,
}

impl Taker {
    fn answer(&mut self, frame: &[u8]) {
        use std::io::Write as _;
        let written = match (self.frames, self.answers) {
            (0, _) => self.said.write_all(b"CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0"),
            (number, Answers::Counted) => write!(self.said, "RECEIPT\nreceipt-id:{number}\n\n\0"),
            (_, Answers::Asked) => self.said.write_all(&receipt(frame)),
            (_, Answers::None) => Ok(()),
        };
        written.expect("it is memory");
        self.frames += 1;
    }
}

/// What answers a frame that asks for a RECEIPT.
fn receipt(frame: &[u8]) -> Vec<u8> {
    static NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\nreceipt:"));
    let asked = NAME.find(frame).map(|at| &frame[at + NAME.needle().len()..]);
    let number = asked.and_then(|rest| rest.split(|octet| *octet == b'\n').next());
    number.map_or_else(Vec::new, |number| [b"RECEIPT\nreceipt-id:", number, b"\n\n\0"].concat())
}

impl AsyncRead for Taker {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let rest = &self.said[self.read..];
        let count = rest.len().min(space.len());
        if count == 0 {
            return Poll::Pending;
        }
        space[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        if self.read == self.said.len() {
            self.said.clear();
            self.read = 0;
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Taker {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let mut start = 0;
        for end in memchr::memchr_iter(0, octets) {
            self.answer(&octets[start..end]);
            start = end;
        }
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
