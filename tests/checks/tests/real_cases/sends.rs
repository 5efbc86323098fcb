//! What brokers do to messages on their way in: one that is refused among others, a burst, a copy of one that failed.

use std::{
    collections::BTreeSet,
    future::IntoFuture as _,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use futures_lite::future::zip;
use stomp_session::client::{Client, Forward, Message, OnFailure, SendError};
use stomp_testkit::real::{
    Feature::{Keeping, Prefetch, Refusals},
    User,
};

use super::{Bench, Case, STEP, assert_empty, next, run};
use crate::support::{Adapter, join};

/// All cases.
pub(crate) fn cases<A: Adapter>() -> [Case; 3] {
    [
        ("one impossible message among 20", &[Refusals], impossible::<A>),
        ("a burst of 20,000 messages", &[Prefetch], burst::<A>),
        ("forwards a copy of what came in a transaction", &[Keeping], forwards::<A>),
    ]
}

/// It alone is rejected, in bounded time, and the others arrive once each. Where the ERROR names nobody, the broker hangs up
/// without a word on what it had stored: only of what stood before the impossible one a second copy may have come.
fn impossible<A: Adapter>(bench: &mut Bench<'_>) {
    const COUNT: u32 = 20;
    const IMPOSSIBLE: u32 = 7;
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let (possible, impossible) = (bench.destination(), bench.description.behaviour.refused_destination);
        let send = |number: u32| {
            let destination = if number == IMPOSSIBLE { impossible } else { &possible };
            client.send(destination, number.to_string()).at_least_once().into_future()
        };
        let outcomes = join((0..COUNT).map(send).collect(), || ()).await;
        for (number, outcome) in (0..).zip(outcomes) {
            match outcome {
                Ok(()) => assert_ne!(number, IMPOSSIBLE, "a broker took it"),
                Err(SendError::Rejected(_)) => assert_eq!(number, IMPOSSIBLE),
                other => panic!("{number}: {other:?}"),
            }
        }
        let named = bench.description.behaviour.error_names_receipt;
        let mut messages = client.subscribe(&possible).await.unwrap();
        client.send(&possible, COUNT.to_string()).confirmed().await.unwrap();
        let mut came = BTreeSet::new();
        while !came.contains(&COUNT) {
            let message = next::<A>(&mut messages).await;
            let number = number(&message);
            let is_copy = !came.insert(number);
            assert!(!is_copy || number < IMPOSSIBLE && !named, "{number} came twice");
            message.ack().unwrap();
        }
        let expected = (0..=COUNT).filter(|number| *number != IMPOSSIBLE);
        assert!(came.into_iter().eq(expected), "one is missing, or the impossible one came");
        bench.part(&client).await;
        assert_empty::<A>(bench).await;
    });
}

fn number(message: &Message) -> u32 {
    message.text().expect("text").trim().parse().expect("a number")
}

/// Nothing is lost or out of order, and the client holds no more than it may.
fn burst<A: Adapter>(bench: &mut Bench<'_>) {
    const COUNT: u32 = 20_000;
    run::<A>(async {
        let (sender, _kill) = bench.client::<A>().await;
        let (receiver, _kill) = bench.client::<A>().await;
        let destination = bench.destination();
        let mut messages = receiver.subscribe(&destination).prefetch(500).await.unwrap();
        let receive = async {
            for expected in 0..COUNT {
                let message = next::<A>(&mut messages).await;
                assert_eq!(number(&message), expected);
                assert!(receiver.undelivered() <= 2 * 1024 * 1024, "memory grows");
                message.ack().unwrap();
            }
        };
        zip(send_many(&sender, &destination, COUNT), receive).await;
        bench.part(&receiver).await;
        bench.part(&sender).await;
        assert_empty::<A>(bench).await;
    });
}

/// Numbers of a kilobyte each, of which the last one is confirmed.
async fn send_many(client: &Client, destination: &str, count: u32) {
    let message = client.send(destination, "").persistent().prepare().unwrap();
    for number in 1..count {
        message.send(format!("{:1000}", number - 1)).await.unwrap();
    }
    client.send(destination, format!("{:1000}", count - 1)).persistent().confirmed().await.unwrap();
}

/// What was sent in a transaction, with a receipt, comes with the headers `transaction` and `receipt` of its sender. A copy
/// that keeps them is refused, or confirmed and gone.
fn forwards<A: Adapter>(bench: &mut Bench<'_>) {
    send_in_a_transaction(bench).expect("the broker takes it");
    run::<A>(async {
        let (client, _kill) = bench.client::<A>().await;
        let errors = format!("{}-errors", bench.destination());
        let messages = client.subscribe(&bench.destination()).await.unwrap();
        let mut copies = client.subscribe(&errors).await.unwrap();
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        let runner = messages
            .handle(async |_| Err::<(), _>("no"))
            .on_failure(OnFailure::Forward(Forward::to(&errors)))
            .until(async move {
                let _ = stopped.recv().await;
            });
        let read = async {
            let copy = next::<A>(&mut copies).await;
            drop(stop);
            copy
        };
        let (ran, copy) = zip(runner.run(), read).await;
        ran.expect("the copy is confirmed, and the message acknowledged");
        assert_eq!(copy.body(), b"precious");
        assert_eq!(copy.header("mine").unwrap(), "kept");
        assert_eq!(copy.header("message-failed").unwrap(), "no");
        assert!(copy.header("transaction").is_none(), "it belongs to none");
        copy.ack().unwrap();
        bench.part(&client).await;
        assert_empty::<A>(bench).await;
    });
}

/// As another client would, without our session, which lets no such headers pass.
fn send_in_a_transaction(bench: &Bench<'_>) -> std::io::Result<()> {
    let User { login, passcode } = bench.broker.login();
    let (host, destination) = (bench.description.behaviour.virtual_host, bench.destination());
    let mut stream = TcpStream::connect(("127.0.0.1", bench.broker.stomp_port()))?;
    stream.set_read_timeout(Some(STEP))?;
    write!(stream, "CONNECT\naccept-version:1.2\nhost:{host}\nlogin:{login}\npasscode:{passcode}\n\n\0")?;
    write!(stream, "BEGIN\ntransaction:t\n\n\0")?;
    let headers = "transaction:t\nreceipt:r\npersistent:true\nmine:kept";
    write!(stream, "SEND\ndestination:{destination}\n{headers}\n\nprecious\0")?;
    write!(stream, "COMMIT\ntransaction:t\nreceipt:c\n\n\0")?;
    let mut answers = String::new();
    while !(answers.contains("receipt-id:r\n") && answers.contains("receipt-id:c\n")) {
        let mut octets = [0; 1024];
        let count = stream.read(&mut octets)?;
        assert!(count > 0 && !answers.contains("ERROR"), "{answers}");
        answers.push_str(&String::from_utf8_lossy(&octets[..count]));
    }
    Ok(())
}
