//! Messages that go out.

use std::sync::Arc;

use stomp_bench::workload::Workload;
use stomp_session::client::{Client, Publisher, SendBuilder};

use super::{MESSAGES, Task, poll, still::Still, taker::Loop};

const DESTINATION: &str = "/queue/orders.incoming";
const BODY: &[u8] = b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
const HEADERS: [(&str, &str); 3] = [
    ("content-type", "text/plain"),
    ("priority", "4"),
    ("correlation-id", "7f1c2a94-58d3-4b8e-9f0a-3d2b1c4e5f60"),
];

/// Each is awaited; those of a pass are flushed together.
pub(super) fn sent() -> Workload {
    let (client, mut driver) = standing(false);
    workload(move || {
        for _ in 0..MESSAGES {
            assert!(poll(&mut send(&client).into_future()).is_ready(), "there is room for all");
        }
        let mut flush = client.flush();
        while poll(&mut flush).is_pending() {
            turn(&mut driver);
        }
    })
}

/// All of a pass wait for their RECEIPTs, and are awaited one after the other.
pub(super) fn confirmed() -> Workload {
    let (client, mut driver) = standing(true);
    let mut waiting = Vec::with_capacity(MESSAGES as usize);
    workload(move || {
        for _ in 0..MESSAGES {
            let mut sending = send(&client).confirmed().into_future();
            assert!(poll(&mut sending).is_pending(), "nobody has answered");
            waiting.push(sending);
        }
        for mut sending in waiting.drain(..) {
            while poll(&mut sending).is_pending() {
                turn(&mut driver);
            }
        }
    })
}

/// Each waits for its RECEIPT before the next one is sent.
pub(super) fn ping_pong() -> Workload {
    let (client, mut driver) = standing(true);
    workload(move || {
        for _ in 0..MESSAGES {
            let mut sending = send(&client).confirmed().into_future();
            while poll(&mut sending).is_pending() {
                turn(&mut driver);
            }
        }
    })
}

/// Messages are fed one by one; those of a pass are flushed together.
pub(super) fn published() -> Workload {
    let (client, driver) = standing(false);
    publishing(client.publisher(DESTINATION).build().expect("the headers can be written"), driver)
}

pub(super) fn published_confirmed() -> Workload {
    let (client, driver) = standing(true);
    publishing(client.publisher(DESTINATION).confirmed().build().expect("the headers can be written"), driver)
}

fn publishing(mut publisher: Publisher, mut driver: Task) -> Workload {
    workload(move || {
        for _ in 0..MESSAGES {
            assert!(poll(&mut publisher.feed(BODY)).is_ready(), "there is room for all");
        }
        while poll(&mut publisher.flush()).is_pending() {
            turn(&mut driver);
        }
    })
}

fn workload(pass: impl FnMut() + 'static) -> Workload {
    Workload { frames: MESSAGES, octets: MESSAGES * BODY.len() as u64, pass: Box::new(pass) }
}

/// The SEND of the encode tables.
fn send(client: &Client) -> SendBuilder {
    HEADERS.iter().fold(client.send(DESTINATION, BODY), |send, (name, value)| send.header(name, value))
}

fn turn(driver: &mut Task) {
    assert!(poll(driver).is_pending(), "it runs on");
}

/// A client that is connected to a stream which takes everything.
fn standing(answers: bool) -> (Client, Task) {
    let built = Client::builder("tcp://broker").build_on(Arc::new(Still), Arc::new(Loop { answers }));
    let (client, driver) = built.expect("a list of brokers");
    let mut driver: Task = Box::pin(driver.run());
    while client.connection().is_none() {
        turn(&mut driver);
    }
    (client, driver)
}
