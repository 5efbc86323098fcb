//! What a message costs that is sent by itself: plain, prepared, confirmed or at least once, with up to so many of them unanswered.

use std::{
    collections::VecDeque,
    future::IntoFuture,
    sync::Arc,
    task::{Poll, Wake, Waker},
};

use stomp_session::client::{Client, futures::Sending};

use crate::{
    MESSAGES,
    published::{Answers, BODY, Driver, poll_with, standing},
};

const DESTINATION: &str = "/queue/orders.incoming";

/// Messages that may wait for their RECEIPT.
const WINDOW: usize = 4 * MESSAGES as usize;

/// Each is sent when the one that was sent that many before it is done.
pub(crate) fn run(what: &str, passes: u64) {
    let (client, mut driver) = standing(match what {
        "confirmed" | "at-least-once" => Answers::Asked,
        _ => Answers::None,
    });
    let waker = Waker::from(Arc::new(Task));
    let mut open = VecDeque::with_capacity(WINDOW);
    let mut send = sends(what, &client);
    for _ in 0..passes {
        for _ in 0..MESSAGES {
            if open.len() == WINDOW {
                finish(&mut open, &waker, &mut driver);
            }
            let mut sending = send();
            if poll_with(&mut sending, &waker).is_pending() {
                open.push_back(sending);
            }
        }
        if open.is_empty() {
            assert!(poll_with(&mut driver, &waker).is_pending(), "it runs on");
        }
    }
}

/// Waits for the oldest.
fn finish(open: &mut VecDeque<Sending>, waker: &Waker, driver: &mut Driver) {
    let Some(oldest) = open.front_mut() else { return };
    let sent = loop {
        match poll_with(oldest, waker) {
            Poll::Ready(sent) => break sent,
            Poll::Pending => assert!(poll_with(driver, waker).is_pending(), "it runs on"),
        }
    };
    assert!(sent.is_ok(), "it is answered");
    open.pop_front();
}

/// Builds them as an application does.
fn sends(what: &str, client: &Client) -> Box<dyn FnMut() -> Sending> {
    let client = client.clone();
    match what {
        "sent-prepared" => {
            let prepared = client.send(DESTINATION, "").prepare().expect("the headers can be written");
            Box::new(move || prepared.send(BODY).into_future())
        }
        "sent-headers" => Box::new(move || {
            let send = client.send(DESTINATION, BODY).header("content-type", "application/json");
            send.header("priority", "9").persistent().into_future()
        }),
        "confirmed" => Box::new(move || client.send(DESTINATION, BODY).confirmed().into_future()),
        "at-least-once" => Box::new(move || client.send(DESTINATION, BODY).at_least_once().into_future()),
        _ => Box::new(move || client.send(DESTINATION, BODY).into_future()),
    }
}

/// A task of a runtime: its waker is counted.
struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}
