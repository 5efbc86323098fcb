//! Messages that a client receives or publishes, over a stream in memory, without a runtime. The gates count its instructions.

#![forbid(unsafe_code)]

mod line;
mod published;
mod sent;

use std::{
    convert::Infallible,
    env,
    future::Future,
    pin::{Pin, pin},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use line::Line;
use stomp_session::client::{Client, Delivery, Subscription};

/// Messages in a pass.
const MESSAGES: u64 = 256;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [what, passes] => work(what, passes).map_or_else(usage, |()| ExitCode::SUCCESS),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: client WORK PASSES");
    ExitCode::from(2)
}

fn work(what: &str, passes: &str) -> Option<()> {
    let passes = passes.parse().ok()?;
    match what {
        "received" => run(false, passes),
        "handled" => run(true, passes),
        "published" => published::run(false, passes),
        "published-confirmed" => published::run(true, passes),
        "sent" | "sent-headers" | "sent-prepared" | "confirmed" | "at-least-once" => sent::run(what, passes),
        _ => return None,
    }
    Some(())
}

fn run(handled: bool, passes: u64) {
    let line = Line::default();
    let (client, driver) = Client::builder("tcp://broker")
        .build_on(Arc::new(line.clone()), Arc::new(line.clone()))
        .expect("a URI");
    let count = Arc::new(AtomicU64::new(0));
    let mut driver = pin!(driver.run());
    let mut consumer: Pin<Box<dyn Future<Output = ()>>> = match handled {
        true => Box::pin(handle(client, Arc::clone(&count))),
        false => Box::pin(receive(client, Arc::clone(&count))),
    };
    let batch = message().repeat(MESSAGES as usize);
    let cx = &mut Context::from_waker(Waker::noop());
    let mut turn = || {
        assert_eq!(driver.as_mut().poll(cx), Poll::Pending, "the session lives");
        assert_eq!(consumer.as_mut().poll(cx), Poll::Pending, "it receives for ever");
    };
    for octets in ["", "CONNECTED\nversion:1.2\n\n\0", "RECEIPT\nreceipt-id:1\n\n\0"] {
        line.say(octets.as_bytes());
        (0..4).for_each(|_| turn());
    }
    for pass in 1..=passes {
        line.say(&batch);
        while count.load(Ordering::Relaxed) < pass * MESSAGES {
            turn();
        }
    }
}

/// As large as the small frames of the other gates.
fn message() -> Vec<u8> {
    let head = "MESSAGE\nsubscription:mine\nmessage-id:T_mine@@session-1@@1\nack:T_mine@@session-1@@1\n\
                destination:/queue/orders.incoming\ncontent-type:application/json\npersistent:true\n";
    let body = r#"{"order": 4711, "coffees": 1000}"#;
    format!("{head}content-length:{}\n\n{body}\0", body.len()).into_bytes()
}

async fn subscribed(client: &Client) -> Subscription {
    client.subscribe("/queue/orders.incoming").id("mine").prefetch(1000).await.expect("it is confirmed")
}

async fn receive(client: Client, count: Arc<AtomicU64>) {
    let mut messages = subscribed(&client).await;
    while let Some(message) = messages.next().await {
        message.ack().expect("the connection stands");
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn handle(client: Client, count: Arc<AtomicU64>) {
    let handler = async |_: Delivery| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(())
    };
    drop(subscribed(&client).await.handle(handler).concurrency(10).run().await);
}
