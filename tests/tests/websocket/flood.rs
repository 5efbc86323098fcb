//! A server that sends nothing but what is about the connection: it costs neither memory nor the turns of others.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_lite::{
    future::block_on,
    io::{AsyncRead as _, AsyncWrite as _},
};
use stomp_checks::wire::{Wire, answer, open};
use stomp_session::client::{TransportStream, WebSocketConfig};
use tungstenite::Message;

use crate::server::{endpoint, frame};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn opened(down: &[u8], steps: &[usize]) -> (TransportStream, Wire) {
    let wire = Wire::new(answer("").as_bytes(), &[]);
    let web_socket = block_on(open(&endpoint(), WebSocketConfig::default(), &wire)).unwrap();
    wire.with(|ends| {
        ends.down.extend(down);
        ends.steps = steps.to_vec();
        ends.up.clear();
        ends.reads = 0;
    });
    (web_socket, wire)
}

/// The pings of a server that takes no answer: nothing piles up, and other tasks have their turn.
#[test]
fn pings_without_end_hold_up_nobody() {
    let pings: Vec<u8> = (0..10_000_u32).flat_map(|number| frame(0x89, &number.to_be_bytes())).collect();
    let (mut web_socket, wire) = opened(&pings, &[6]);
    wire.with(|ends| ends.full = true);
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&waker);
    let (mut polls, mut room) = (0, [0; 64]);
    while wire.with(|ends| !ends.down.is_empty()) {
        let woken = count.0.load(Ordering::Relaxed);
        let reads = wire.with(|ends| ends.reads);
        assert!(Pin::new(&mut web_socket).poll_read(&mut cx, &mut room).is_pending());
        polls += 1;
        assert!(wire.with(|ends| ends.reads) - reads <= 16, "one poll reads so often at most");
        assert!(count.0.load(Ordering::Relaxed) > woken, "what is left is read in another turn");
    }
    assert!(polls >= 10_000 / 16, "{polls}");
    wire.with(|ends| ends.full = false);
    assert!(Pin::new(&mut web_socket).poll_read(&mut cx, &mut room).is_pending());
    let answered: Vec<_> = pongs(&wire);
    assert_eq!(answered, [0_u32, 9_999], "the one that waited, and the last one");
}

/// The numbers of the pings that were answered.
fn pongs(wire: &Wire) -> Vec<u32> {
    // Where the request was that is not looked at here.
    wire.with(|ends| ends.up.splice(0..0, *b"\r\n\r\n").for_each(drop));
    let number = |message| {
        let Message::Pong(payload) = message else { panic!("{message:?}") };
        u32::from_be_bytes(payload[..].try_into().unwrap())
    };
    wire.messages().into_iter().map(number).collect()
}

#[test]
fn a_ping_is_answered_without_the_application() {
    let (mut web_socket, wire) = opened(&frame(0x89, &7_u32.to_be_bytes()), &[]);
    let mut cx = Context::from_waker(Waker::noop());
    let polled = Pin::new(&mut web_socket).poll_read(&mut cx, &mut [0; 64]);
    assert!(polled.is_pending());
    assert_eq!(pongs(&wire), [7]);
}

/// Empty messages and pieces without end are no data.
#[test]
fn empty_messages_hold_up_nobody() {
    let empty =
        [frame(0x82, b""), frame(0x01, b""), frame(0x00, b""), frame(0x80, b"")].concat().repeat(1_000);
    let (mut web_socket, wire) = opened(&empty, &[2]);
    let mut cx = Context::from_waker(Waker::noop());
    let mut polls = 0;
    while wire.with(|ends| !ends.down.is_empty()) {
        let polled: Poll<_> = Pin::new(&mut web_socket).poll_read(&mut cx, &mut [0; 64]);
        assert!(polled.is_pending());
        polls += 1;
    }
    assert!(polls >= 4_000 / 16, "{polls}");
}

/// What is written when the server has closed says nothing of the reason: whoever reads is told.
#[test]
fn a_close_that_came_with_data_is_told_to_the_reader() {
    let down = [frame(0x82, b"data"), frame(0x88, &[0x03, 0xf1])].concat();
    let (mut web_socket, wire) = opened(&down, &[]);
    let mut cx = Context::from_waker(Waker::noop());
    let mut room = [0; 64];
    let Poll::Ready(Ok(4)) = Pin::new(&mut web_socket).poll_read(&mut cx, &mut room) else {
        panic!("the data")
    };
    let wrote = Pin::new(&mut web_socket).poll_write(&mut cx, b"ACK\nid:1\n\n\0");
    assert!(wrote.is_pending(), "{wrote:?}");
    let read = Pin::new(&mut web_socket).poll_read(&mut cx, &mut room);
    let Poll::Ready(Err(error)) = read else { panic!("{read:?}") };
    assert!(error.to_string().contains("1009"), "{error}");
    wire.with(|ends| ends.up.splice(0..0, *b"\r\n\r\n").for_each(drop));
    assert!(
        matches!(&wire.messages()[..], [Message::Close(Some(_))]),
        "it is answered, and nothing else is written"
    );
}
