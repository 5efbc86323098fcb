//! Who does what.

use std::net::SocketAddr;

use crate::{
    contest::{Start, confirm, receive, send},
    measure::Host::{self, Smol, SmolAlone, Tokio, TokioThreads},
    peers::{
        Letter,
        async_stomp::AsyncStomp,
        core::Core,
        handled::handle,
        iridium::Iridium,
        ours::{How, Single, Which},
        published::Published,
        raw::Raw,
        tokio_stomp::TokioStomp,
    },
};

/// Messages in a slice of what takes about a microsecond each.
const MANY: usize = 20_000;
/// Of what waits for each.
const FEW: usize = 1_000;
/// Octets of a small body, and of a large one.
const SMALL: usize = 32;
const LARGE: usize = 64 << 20;

/// One contestant, not connected yet.
pub(crate) struct Row {
    /// `work/who`.
    pub(crate) name: &'static str,
    pub(crate) host: Host,
    /// In a slice.
    pub(crate) messages: usize,
    pub(crate) start: Start,
}

impl Row {
    pub(crate) fn is_ping_pong(&self) -> bool {
        self.name.starts_with("ping-pong/")
    }
}

fn row(name: &'static str, host: Host, messages: usize, start: Start) -> Row {
    Row { name, host, messages, start }
}

const fn which(host: Host) -> Which {
    match host {
        Smol | SmolAlone => Which::Smol,
        Tokio | TokioThreads => Which::Tokio,
    }
}

/// All of them, by work.
pub(crate) fn all(address: SocketAddr) -> Vec<Row> {
    let works = [
        received,
        acknowledged,
        handled,
        sent,
        bare,
        confirmed,
        confirmed_in_bulk,
        at_least_once,
        ping_pong,
        bodies,
    ];
    works.into_iter().flat_map(|work| work(address)).collect()
}

fn received(address: SocketAddr) -> Vec<Row> {
    let ours = |host| receive(Single::connect(which(host), address), false, SMALL);
    vec![
        row("receive/stomp-tokio", Tokio, MANY, ours(Tokio)),
        row("receive/stomp-tokio, two threads", TokioThreads, MANY, ours(TokioThreads)),
        row("receive/stomp-smol", Smol, MANY, ours(Smol)),
        row("receive/stomp-smol, one executor", SmolAlone, MANY, ours(SmolAlone)),
        row("receive/session alone", Tokio, MANY, receive(Core::connect(address), false, SMALL)),
        row("receive/async-stomp", Tokio, MANY, receive(AsyncStomp::connect(address), false, SMALL)),
        row("receive/tokio-stomp-2", Tokio, MANY, receive(TokioStomp::connect(address), false, SMALL)),
        row("receive/iridium-stomp", Tokio, MANY, receive(Iridium::connect(address), false, SMALL)),
        row("receive/by hand", Tokio, MANY, receive(Raw::connect(address), false, SMALL)),
    ]
}

fn acknowledged(address: SocketAddr) -> Vec<Row> {
    let ours = |host| receive(Single::connect(which(host), address), true, SMALL);
    let flushed = async move { AsyncStomp::connect(address).await.flushing() };
    vec![
        row("receive + ack/stomp-tokio", Tokio, MANY, ours(Tokio)),
        row("receive + ack/stomp-tokio, two threads", TokioThreads, MANY, ours(TokioThreads)),
        row("receive + ack/stomp-smol", Smol, MANY, ours(Smol)),
        row("receive + ack/stomp-smol, one executor", SmolAlone, MANY, ours(SmolAlone)),
        row("receive + ack/session alone", Tokio, MANY, receive(Core::connect(address), true, SMALL)),
        row(
            "receive + ack/async-stomp, feed",
            Tokio,
            MANY,
            receive(AsyncStomp::connect(address), true, SMALL),
        ),
        row("receive + ack/async-stomp, send", Tokio, MANY, receive(flushed, true, SMALL)),
        row("receive + ack/tokio-stomp-2", Tokio, MANY, receive(TokioStomp::connect(address), true, SMALL)),
        row("receive + ack/iridium-stomp", Tokio, MANY, receive(Iridium::connect(address), true, SMALL)),
    ]
}

/// None of the peers has handlers.
fn handled(address: SocketAddr) -> Vec<Row> {
    vec![
        row("handle/stomp-tokio", Tokio, MANY, handle(address, false, SMALL)),
        row("handle + ack/stomp-tokio", Tokio, MANY, handle(address, true, SMALL)),
    ]
}

fn sent(address: SocketAddr) -> Vec<Row> {
    let letter = Letter::small;
    let single = |host| send(Single::connect(which(host), address));
    let prepared = send(Single::prepared(Which::Tokio, address, letter(), How::Plain));
    let published = send(Published::connect(Which::Tokio, address, letter(), How::Plain));
    let flushed = async move { AsyncStomp::connect(address).await.flushing() };
    vec![
        row("send/stomp-tokio", Tokio, MANY, single(Tokio)),
        row("send/stomp-tokio, prepared", Tokio, MANY, prepared),
        row("send/stomp-tokio, publisher", Tokio, MANY, published),
        row("send/stomp-tokio, two threads", TokioThreads, MANY, single(TokioThreads)),
        row("send/stomp-smol", Smol, MANY, single(Smol)),
        row("send/stomp-smol, one executor", SmolAlone, MANY, single(SmolAlone)),
        row("send/session alone", Tokio, MANY, send(Core::connect(address))),
        row("send/async-stomp, feed", Tokio, MANY, send(AsyncStomp::connect(address))),
        row("send/async-stomp, send", Tokio, MANY, send(flushed)),
        row("send/tokio-stomp-2, feed", Tokio, MANY, send(TokioStomp::connect(address))),
        row("send/iridium-stomp", Tokio, MANY, send(Iridium::connect(address))),
        row("send/by hand", Tokio, MANY, send(Raw::connect(address))),
    ]
}

fn bare(address: SocketAddr) -> Vec<Row> {
    let letter = Letter::bare;
    let single = send(Single::sending(Which::Tokio, address, letter(), How::Plain));
    let prepared = send(Single::prepared(Which::Tokio, address, letter(), How::Plain));
    let published = send(Published::connect(Which::Tokio, address, letter(), How::Plain));
    vec![
        row("send bare/stomp-tokio", Tokio, MANY, single),
        row("send bare/stomp-tokio, prepared", Tokio, MANY, prepared),
        row("send bare/stomp-tokio, publisher", Tokio, MANY, published),
        row("send bare/async-stomp, feed", Tokio, MANY, send(AsyncStomp::sending(address, letter(), false))),
    ]
}

/// async-stomp and tokio-stomp-2 match no RECEIPTs: theirs are read in order, and not looked at.
fn confirmed(address: SocketAddr) -> Vec<Row> {
    let letter = Letter::small;
    let single = |host| confirm(Single::sending(which(host), address, letter(), How::Confirmed));
    let prepared = confirm(Single::prepared(Which::Tokio, address, letter(), How::Confirmed));
    vec![
        row("confirm/stomp-tokio", Tokio, MANY, single(Tokio)),
        row("confirm/stomp-tokio, prepared", Tokio, MANY, prepared),
        row("confirm/stomp-tokio, two threads", TokioThreads, MANY, single(TokioThreads)),
        row("confirm/stomp-smol", Smol, MANY, single(Smol)),
        row("confirm/stomp-smol, one executor", SmolAlone, MANY, single(SmolAlone)),
        row("confirm/session alone", Tokio, MANY, confirm(Core::sending(address, true))),
        row("confirm/async-stomp, feed", Tokio, MANY, confirm(AsyncStomp::sending(address, letter(), true))),
        row(
            "confirm/tokio-stomp-2, feed",
            Tokio,
            MANY,
            confirm(TokioStomp::sending(address, letter(), true)),
        ),
        row("confirm/iridium-stomp", Tokio, MANY, confirm(Iridium::sending(address, letter(), true))),
        row("confirm/by hand", Tokio, MANY, confirm(Raw::sending(address, true))),
    ]
}

fn confirmed_in_bulk(address: SocketAddr) -> Vec<Row> {
    let published = confirm(Published::connect(Which::Tokio, address, Letter::small(), How::Confirmed));
    vec![row("confirm/stomp-tokio, publisher", Tokio, MANY, published)]
}

/// None of the peers keeps anything.
fn at_least_once(address: SocketAddr) -> Vec<Row> {
    let letter = Letter::small;
    let single = confirm(Single::sending(Which::Tokio, address, letter(), How::AtLeastOnce));
    let published = confirm(Published::connect(Which::Tokio, address, letter(), How::AtLeastOnce));
    vec![
        row("at least once/stomp-tokio", Tokio, MANY, single),
        row("at least once/stomp-tokio, publisher", Tokio, MANY, published),
    ]
}

fn ping_pong(address: SocketAddr) -> Vec<Row> {
    let letter = Letter::small;
    let single = |host| confirm(Single::sending(which(host), address, letter(), How::Confirmed));
    vec![
        row("ping-pong/stomp-tokio", Tokio, FEW, single(Tokio)),
        row("ping-pong/stomp-tokio, two threads", TokioThreads, FEW, single(TokioThreads)),
        row("ping-pong/stomp-smol", Smol, FEW, single(Smol)),
        row("ping-pong/stomp-smol, one executor", SmolAlone, FEW, single(SmolAlone)),
        row("ping-pong/session alone", Tokio, FEW, confirm(Core::sending(address, true))),
        row("ping-pong/async-stomp", Tokio, FEW, confirm(AsyncStomp::sending(address, letter(), true))),
        row("ping-pong/tokio-stomp-2", Tokio, FEW, confirm(TokioStomp::sending(address, letter(), true))),
        row("ping-pong/iridium-stomp", Tokio, FEW, confirm(Iridium::sending(address, letter(), true))),
        row("ping-pong/by hand", Tokio, FEW, confirm(Raw::sending(address, true))),
    ]
}

fn bodies(address: SocketAddr) -> Vec<Row> {
    vec![
        row("64 MiB/stomp-tokio", Tokio, 1, receive(Single::connect(Which::Tokio, address), false, LARGE)),
        row("64 MiB/async-stomp", Tokio, 1, receive(AsyncStomp::connect(address), false, LARGE)),
        row("64 MiB/tokio-stomp-2", Tokio, 1, receive(TokioStomp::connect(address), false, LARGE)),
        row("64 MiB/iridium-stomp", Tokio, 1, receive(Iridium::connect(address), false, LARGE)),
        row("64 MiB/by hand", Tokio, 1, receive(Raw::connect(address), false, LARGE)),
    ]
}
