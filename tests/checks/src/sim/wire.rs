//! A connection: two pipes between a client's stream and a host, and the steps by which octets leave and enter the host.

use bytes::BytesMut;
use stomp_session::Timestamp;
use stomp_testkit::broker::ConnectionId;

use super::{
    Ending,
    host::Who,
    pipe::{Found, Pipe},
    trace::Note,
    world::State,
};

/// Names a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WireId(pub(super) u64);

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) host: String,
    /// What the broker calls it; a stranger has no name for it.
    pub(super) peer: Option<ConnectionId>,
    /// Whether the host still listens.
    pub(super) attended: bool,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    /// What the host has said and the pipe has not taken.
    pub(super) outgoing: BytesMut,
    /// The host closes when that has left.
    pub(super) closing: bool,
    /// The client has dropped its stream.
    pub(super) hung_up: bool,
}

/// A step of a host on a connection.
#[derive(Clone, Copy, Debug)]
enum Step {
    Take,
    Give,
    Finish,
}

type Direction = (usize, Option<(u64, Ending)>);

impl Wire {
    pub(super) fn new(host: &str, peer: Option<ConnectionId>, up: Direction, down: Direction) -> Self {
        Self {
            host: host.to_owned(),
            peer,
            attended: true,
            up: Pipe::new(up.0, up.1),
            down: Pipe::new(down.0, down.1),
            outgoing: BytesMut::new(),
            closing: false,
            hung_up: false,
        }
    }

    pub(super) fn is_open_to(&self, host: &str) -> bool {
        self.host == host && !self.hung_up
    }

    pub(super) fn arrival(&self, now: Timestamp) -> Option<Timestamp> {
        self.up.arrival(now).into_iter().chain(self.down.arrival(now)).chain(self.up.refusal(now)).min()
    }

    /// The client's waker for writing, if writing fails.
    pub(super) fn take_refused_writer(&mut self, now: Timestamp) -> Option<std::task::Waker> {
        if self.up.refuses(now) { self.up.writer.take() } else { None }
    }

    /// The client's waker for reading, if there is something to read.
    pub(super) fn take_arrived_reader(&mut self, now: Timestamp) -> Option<std::task::Waker> {
        if self.down.find(now) == Found::Nothing { None } else { self.down.reader.take() }
    }

    fn steps(&self, wants_input: bool, frozen: bool, now: Timestamp) -> impl Iterator<Item = Step> + use<> {
        let takes = wants_input && self.attended && self.up.find(now) != Found::Nothing;
        let gives = !self.outgoing.is_empty() && (self.down.room() > 0 || self.down.refuses(now));
        let finishes = self.closing && self.outgoing.is_empty();
        let steps =
            [(takes, Step::Take), (gives && !frozen, Step::Give), (finishes && !frozen, Step::Finish)];
        steps.into_iter().filter(|(possible, _)| *possible).map(|(_, step)| step)
    }
}

impl State {
    /// Lets some host do something with some connection. Whether any could.
    pub(super) fn step(&mut self) -> bool {
        let mut steps = Vec::new();
        for (id, wire) in &self.wires {
            let Some(host) = self.hosts.get(&wire.host) else { continue };
            let wants_input = host.wants_input(wire.peer);
            steps.extend(wire.steps(wants_input, host.frozen, self.now).map(|step| (*id, step)));
        }
        let Some((id, step)) = steps.get(self.random.below(steps.len())).copied() else { return false };
        match step {
            Step::Take => self.take(id),
            Step::Give => self.give(id),
            Step::Finish => self.finish(id),
        }
        true
    }

    fn take(&mut self, id: WireId) {
        let reads = self.weather.reads.clone();
        let (most, now) = (self.random.within(&reads), self.now);
        let Some(wire) = self.wires.get_mut(&id) else { return };
        if let Found::End(_) = wire.up.find(now) {
            return self.ended(id);
        }
        let octets = wire.up.read(most, now);
        let waker = wire.up.writer.take();
        let (host, peer) = (wire.host.clone(), wire.peer);
        self.wake(waker);
        self.trace.note(Note::Received, id.0, &octets);
        match peer {
            Some(peer) => self.with_broker(&host, |broker| broker.receive(peer, &octets, now.since_start())),
            None => self.answer(id, &host),
        }
    }

    /// A stranger has its say.
    fn answer(&mut self, id: WireId, host: &str) {
        let Who::Stranger(octets) = self.host(host).who else { return };
        if let Some(wire) = self.wires.get_mut(&id).filter(|wire| !wire.closing) {
            wire.outgoing.extend_from_slice(octets);
            wire.closing = true;
        }
    }

    /// The client has ended the connection, or it broke: the host is told.
    fn ended(&mut self, id: WireId) {
        let (now, arrives) = (self.now, self.now.after(self.latency()));
        let Some(wire) = self.wires.get_mut(&id) else { return };
        wire.outgoing.clear();
        wire.down.end(Ending::Eof, arrives);
        wire.attended = false;
        let (host, peer) = (wire.host.clone(), wire.peer.take());
        self.forget(id);
        if let Some(peer) = peer {
            self.with_broker(&host, |broker| broker.disconnected(peer, now.since_start()));
        }
    }

    fn give(&mut self, id: WireId) {
        let writes = self.weather.writes.clone();
        let (most, arrives) = (self.random.within(&writes), self.now.after(self.latency()));
        let Some(wire) = self.wires.get_mut(&id) else { return };
        if wire.down.refuses(self.now) {
            return wire.outgoing.clear();
        }
        let octets = wire.outgoing.split_to(most.min(wire.down.room()).min(wire.outgoing.len()));
        let cut = wire.down.write(&octets, arrives);
        let (host, peer) = (wire.host.clone(), wire.peer);
        if let Some(peer) = peer {
            self.with_broker(&host, |broker| broker.sent(peer, octets.len()));
        }
        if let Some(ending) = cut {
            self.break_down(id, ending);
        }
    }

    /// The host closes: what it has said arrives, what the client still says does not.
    fn finish(&mut self, id: WireId) {
        let arrives = self.now.after(self.latency());
        let Some(wire) = self.wires.get_mut(&id) else { return };
        (wire.closing, wire.attended, wire.peer) = (false, false, None);
        wire.down.end(Ending::Eof, arrives);
        wire.up.abandon(wire.down.last());
        self.forget(id);
    }

    /// The client has dropped its stream: what it wrote still arrives.
    pub(super) fn hang_up(&mut self, id: WireId) {
        let arrives = self.now.after(self.latency());
        let Some(wire) = self.wires.get_mut(&id) else { return };
        wire.hung_up = true;
        wire.up.end(Ending::Eof, arrives);
        wire.down.abandon(self.now);
        let wakers = (wire.up.writer.take(), wire.down.reader.take());
        self.discard(wakers.0);
        self.discard(wakers.1);
        self.forget(id);
    }

    /// Removes a connection that neither end knows any more.
    fn forget(&mut self, id: WireId) {
        if self.wires.get(&id).is_some_and(|wire| wire.hung_up && !wire.attended) {
            self.wires.remove(&id);
        }
    }

    /// The cut on the way to the client was reached.
    fn break_down(&mut self, id: WireId, ending: Ending) {
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&id) else { return };
        wire.down.end(ending, now);
        if ending == Ending::Reset {
            wire.up.reset();
        }
        self.wake_both(id);
    }

    /// The cut on the way from the client was reached.
    pub(super) fn break_up(&mut self, id: WireId, ending: Ending) {
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&id) else { return };
        wire.up.end(ending, now);
        if ending == Ending::Reset {
            wire.down.reset();
        }
        self.wake_both(id);
    }

    /// Wakes the client, if there is something for it to find.
    fn wake_both(&mut self, id: WireId) {
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&id) else { return };
        let wakers = (wire.up.writer.take(), wire.take_arrived_reader(now));
        self.wake(wakers.0);
        self.wake(wakers.1);
    }

    pub(super) fn cut(&mut self, host: &str, ending: Ending) {
        for id in self.open_wires(host) {
            match ending {
                Ending::Eof => {
                    let arrives = self.now.after(self.latency());
                    self.wires.get_mut(&id).into_iter().for_each(|wire| wire.up.end(Ending::Eof, arrives));
                    self.ended(id);
                }
                Ending::Reset => {
                    self.wires.get_mut(&id).into_iter().for_each(|wire| wire.down.reset());
                    self.ended(id);
                    self.wires.get_mut(&id).into_iter().for_each(|wire| wire.up.reset());
                }
            }
            self.wake_both(id);
        }
    }

    pub(super) fn half_close(&mut self, host: &str) {
        for id in self.open_wires(host) {
            let arrives = self.now.after(self.latency());
            self.wires.get_mut(&id).into_iter().for_each(|wire| wire.down.end(Ending::Eof, arrives));
        }
    }

    fn open_wires(&self, host: &str) -> Vec<WireId> {
        self.wires.iter().filter(|(_, wire)| wire.is_open_to(host)).map(|(id, _)| *id).collect()
    }
}
