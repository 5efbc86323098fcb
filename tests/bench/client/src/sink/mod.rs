//! A broker that takes everything: it answers CONNECT, and each frame that asks for a RECEIPT with one, and sends as many messages as
//! it is asked for. It runs in threads of its own, which say how much time they have spent.

mod blaster;
mod spent;

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use crate::pin::Pinned;
use blaster::Order;
pub use spent::{Meter, Spent};
use stomp_proto::{Command, Frame, Item, Limits, Parser, Sender as Side, Version};

/// A SEND there asks for messages, as many as its header [`COUNT`] says, with bodies of [`OCTETS`].
pub const BLAST: &str = "/blast";
/// A number of messages. The subscriptions of the connection take turns.
pub const COUNT: &str = "count";
/// A number of octets.
pub const OCTETS: &str = "octets";

/// It promises no heart-beats, and wants those that it is offered.
const CONNECTED: &[u8] = b"CONNECTED\nversion:1.2\nheart-beat:0,100\n\n\0";

/// The broker. It ends with the program.
#[derive(Debug)]
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    spent: Arc<Spent>,
}

impl Sink {
    /// Starts it.
    ///
    /// # Errors
    /// Returns an error if there is no port on loopback.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let spent = Arc::new(Spent::default());
        let shared = Arc::clone(&spent);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let spent = Arc::clone(&shared);
                thread::spawn(move || {
                    let _pinned = Pinned::new();
                    Connection::new(stream, spent)?.serve()
                });
            }
        });
        Ok(Self { address, spent })
    }

    /// Returns the CPU time that its threads had spent when they last waited.
    #[must_use]
    pub fn spent(&self) -> Duration {
        self.spent.total()
    }
}

struct Connection {
    stream: TcpStream,
    /// Held for whole frames.
    writer: Arc<Mutex<TcpStream>>,
    parser: Parser,
    answers: Vec<u8>,
    subscriptions: Vec<Subscribed>,
    blaster: Option<Sender<Order>>,
    spent: Arc<Spent>,
}

#[derive(Clone)]
struct Subscribed {
    id: String,
    is_acked: bool,
}

impl Connection {
    fn new(stream: TcpStream, spent: Arc<Spent>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let writer = Arc::new(Mutex::new(stream.try_clone()?));
        let parser = Parser::new(Side::Client, Limits::default());
        Ok(Self {
            stream,
            writer,
            parser,
            answers: Vec::new(),
            subscriptions: Vec::new(),
            blaster: None,
            spent,
        })
    }

    fn serve(mut self) -> io::Result<()> {
        let mut meter = Meter::new(Arc::clone(&self.spent));
        let mut octets = vec![0; 256 * 1024];
        loop {
            meter.note();
            let count = self.stream.read(&mut octets)?;
            if count == 0 {
                return Ok(());
            }
            self.parser.feed(&octets[..count]);
            while let Some(item) = self.parser.next_item().expect("peers write frames") {
                if let Item::Frame(frame) = item {
                    self.take(&frame);
                }
            }
            // While messages are sent nobody asks for an answer: the frames that do come before or after them.
            if !self.answers.is_empty() {
                self.writer.lock().expect("nobody panics").write_all(&self.answers)?;
                self.answers.clear();
            }
        }
    }

    fn take(&mut self, frame: &Frame) {
        match frame.command() {
            Command::Connect | Command::Stomp => {
                self.parser.set_version(Version::V1_2);
                self.answers.extend_from_slice(CONNECTED);
            }
            Command::Subscribe => self.subscriptions.push(Subscribed::of(frame)),
            Command::Send
                if frame.header("destination").is_some_and(|it| it.octets() == BLAST.as_bytes()) =>
            {
                self.blast(frame);
            }
            _ => {}
        }
        if let Some(receipt) = frame.header("receipt") {
            self.answers.extend_from_slice(b"RECEIPT\nreceipt-id:");
            self.answers.extend_from_slice(&receipt.octets());
            self.answers.extend_from_slice(b"\n\n\0");
        }
    }

    fn blast(&mut self, frame: &Frame) {
        let number = |name| text(frame, name).and_then(|value| value.parse().ok()).expect("a number");
        let subscribed = self.subscriptions.clone();
        let order = Order { subscribed, count: number(COUNT), octets: number(OCTETS) };
        let (writer, spent) = (&self.writer, &self.spent);
        let blaster = self.blaster.get_or_insert_with(|| {
            let (sender, orders) = mpsc::channel();
            let (writer, meter) = (Arc::clone(writer), Arc::clone(spent));
            thread::spawn(move || blaster::run(&orders, &writer, Meter::new(meter)));
            sender
        });
        blaster.send(order).expect("it waits for orders");
    }
}

impl Subscribed {
    fn of(frame: &Frame) -> Self {
        let id = text(frame, "id").expect("an id");
        Self { id, is_acked: text(frame, "ack").is_some_and(|mode| mode != "auto") }
    }
}

fn text(frame: &Frame, name: &str) -> Option<String> {
    frame.header(name).map(|value| value.text().expect("it is text").into_owned())
}
