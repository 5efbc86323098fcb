//! The message layer of WebSockets under a server that sends anything.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use futures_io::{AsyncRead as _, AsyncWrite as _};
use stomp_session::{Endpoint, client::WebSocketConfig};

use crate::wire::{Wire, answer, open};

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
    let wire = Wire::new(answer("").as_bytes(), &[]);
    let endpoint = Endpoint::plain("broker", 80).with_web_socket("/");
    let opening = open(&endpoint, WebSocketConfig::default(), &wire);
    let mut stream = finish(opening, 10).expect("it opens");
    let request = wire.with(|ends| {
        ends.down.extend(sent);
        ends.ended = true;
        ends.steps = vec![step];
        ends.up.len()
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
    Found { octets, end, written: wire.with(|ends| ends.up.len()) - request }
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
