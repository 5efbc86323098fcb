//! The client's end of a connection: what it reads and writes is cut anywhere, and sometimes it pretends not to be ready.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};

use super::{
    Ending, World,
    pipe::{Found, Pipe},
    trace::Note,
    wire::{Wire, WireId},
    world::State,
};

/// A stream of a simulation. Dropping it closes the connection.
#[derive(Debug)]
pub struct SimStream {
    world: World,
    wire: WireId,
}

/// Polls in a row that may be Pending for no reason. As on tokio, whose budget for a task is full again at the next poll.
const PATIENCE: u8 = 1;

impl SimStream {
    pub(super) const fn new(world: World, wire: WireId) -> Self {
        Self { world, wire }
    }
}

impl AsyncRead for SimStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let id = self.wire;
        self.world.with(|state| state.poll_read(id, cx, room))
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let id = self.wire;
        self.world.with(|state| state.poll_write(id, cx, octets))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let id = self.wire;
        self.world.with(|state| state.break_up(id, Ending::Eof));
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let id = self.wire;
        self.world.with(|state| state.hang_up(id));
    }
}

impl State {
    fn poll_read(&mut self, id: WireId, cx: &Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.pretends(id, |wire| &mut wire.down, cx) {
            return Poll::Pending;
        }
        let reads = self.weather.reads.clone();
        let (most, now) = (self.random.within(&reads), self.now);
        let Some(wire) = self.wires.get_mut(&id) else { return Poll::Ready(Ok(0)) };
        match wire.down.find(now) {
            Found::Nothing => {
                let replaced = wire.down.reader.replace(cx.waker().clone());
                self.discard(replaced);
                Poll::Pending
            }
            Found::End(Ending::Eof) => Poll::Ready(Ok(0)),
            Found::End(Ending::Reset) => Poll::Ready(Err(broken(io::ErrorKind::ConnectionReset))),
            Found::Octets => {
                let octets = wire.down.read(most.min(room.len()), now);
                room.iter_mut().zip(&octets).for_each(|(to, from)| *to = *from);
                self.trace.note(Note::Read, id.0, &octets);
                self.moved += octets.len() as u64;
                Poll::Ready(Ok(octets.len()))
            }
        }
    }

    fn poll_write(&mut self, id: WireId, cx: &Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        if self.pretends(id, |wire| &mut wire.up, cx) {
            return Poll::Pending;
        }
        let writes = self.weather.writes.clone();
        let (most, now, arrives) = (self.random.within(&writes), self.now, self.now.after(self.latency()));
        let Some(wire) = self.wires.get_mut(&id).filter(|wire| !wire.up.refuses(now)) else {
            return Poll::Ready(Err(broken(io::ErrorKind::BrokenPipe)));
        };
        let taken = octets.get(..most.min(wire.up.room())).unwrap_or(octets);
        if taken.is_empty() {
            let replaced = wire.up.writer.replace(cx.waker().clone());
            self.discard(replaced);
            return Poll::Pending;
        }
        let cut = wire.up.write(taken, arrives);
        self.moved += taken.len() as u64;
        self.trace.note(Note::Written, id.0, taken);
        if let Some(ending) = cut {
            self.break_up(id, ending);
        }
        Poll::Ready(Ok(taken.len()))
    }

    /// Whether this poll is Pending for no reason. Its task is woken at once.
    fn pretends(&mut self, id: WireId, pipe: fn(&mut Wire) -> &mut Pipe, cx: &Context<'_>) -> bool {
        let luck = self.random.once_in(self.weather.spurious);
        let Some(wire) = self.wires.get_mut(&id) else { return false };
        let pipe = pipe(wire);
        pipe.spurious = if luck && pipe.spurious < PATIENCE { pipe.spurious + 1 } else { 0 };
        let pretends = pipe.spurious > 0;
        if pretends {
            self.wake(Some(cx.waker().clone()));
        }
        pretends
    }
}

fn broken(kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, kind.to_string())
}
