//! The world of a simulation: one lock around its time, its luck and its network, and the handle that tests use.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    io, mem,
    sync::{Arc, Mutex, PoisonError},
    task::Waker,
    time::Duration,
};

use stomp_session::{
    Endpoint, Timestamp,
    client::{Connector, Runtime},
};
use stomp_testkit::broker::{Broker, BrokerConfig};

use super::{
    Door, Ending, Random, SimStream, Task, Weather,
    clock::{Clock, Sleep},
    host::Host,
    task::{Spawned, TaskId},
    trace::{Note, Trace},
    wire::{Wire, WireId},
};

/// A handle to a simulation: its clock, its network and its brokers. It is the [`Runtime`] and the [`Connector`] of
/// clients.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
}

pub(super) struct State {
    pub(super) now: Timestamp,
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) weather: Weather,
    pub(super) trace: Trace,
    pub(super) hosts: BTreeMap<String, Host>,
    pub(super) wires: BTreeMap<WireId, Wire>,
    pub(super) spawned: Vec<(TaskId, Spawned)>,
    pub(super) cancelled: Vec<TaskId>,
    pub(super) numbers: u64,
    /// Octets that streams have taken or given.
    pub(super) moved: u64,
    beats: Vec<bool>,
    wake: Vec<Waker>,
    discarded: Vec<Waker>,
}

impl World {
    pub(super) fn new(seed: u64, weather: Weather) -> Self {
        let state = State {
            now: Timestamp::ZERO,
            clock: Clock::default(),
            random: Random::new(seed),
            weather,
            trace: Trace::default(),
            hosts: BTreeMap::new(),
            wires: BTreeMap::new(),
            spawned: Vec::new(),
            cancelled: Vec::new(),
            numbers: 0,
            moved: 0,
            beats: Vec::new(),
            wake: Vec::new(),
            discarded: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Locks, changes, leaves; then wakes, and drops wakers that were replaced: either may run anything.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let (result, wake, discarded) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let result = change(&mut state);
            (result, mem::take(&mut state.wake), mem::take(&mut state.discarded))
        };
        wake.into_iter().for_each(Waker::wake);
        drop(discarded);
        result
    }

    /// Ends when `duration` has passed.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + use<> {
        Sleep::new(self.clone(), self.now().after(duration))
    }

    /// Runs a future beside all others.
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let (task, work) = Task::new(self.clone(), future);
        self.with(|state| state.spawned.push((task.id(), work)));
        task
    }

    /// What clients were told of the heart-beats of their brokers, for each connection that stood: whether they are promised.
    #[must_use]
    pub fn promised_beats(&self) -> Vec<bool> {
        self.with(|state| state.beats.clone())
    }

    /// A fingerprint of all that has happened: the same for the same seed.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.with(|state| state.trace.hash())
    }

    /// The conditions for connections made from now on.
    pub fn change_weather(&self, weather: Weather) {
        self.with(|state| state.weather = weather);
    }
}

/// The network and who is in it.
///
/// Each of these panics when there is no host of that name.
impl World {
    /// Puts a broker into the network, or another one in its place.
    pub fn add_broker(&self, host: &str, config: BrokerConfig) {
        self.with(|state| state.hosts.insert(host.to_owned(), Host::broker(config)));
    }

    /// Puts somebody into the network who answers whatever comes first with these octets, and closes.
    pub fn add_stranger(&self, host: &str, octets: &'static [u8]) {
        self.with(|state| state.hosts.insert(host.to_owned(), Host::stranger(octets)));
    }

    /// Looks into a broker, or interferes with it.
    pub fn broker<R>(&self, host: &str, look: impl FnOnce(&mut Broker) -> R) -> R {
        self.with(|state| state.with_broker(host, look))
    }

    /// What becomes of the next dials of a host.
    pub fn set_door(&self, host: &str, door: Door) {
        self.with(|state| state.host(host).door = door);
    }

    /// How often a host was dialled.
    #[must_use]
    pub fn dials(&self, host: &str) -> u64 {
        self.with(|state| state.host(host).dials)
    }

    /// Whether a host takes what it is sent. If not, buffers fill.
    pub fn set_reading(&self, host: &str, reading: bool) {
        self.with(|state| state.host(host).reading = reading);
    }

    /// Whether a host stands still: it takes nothing, says nothing, and its clock stops; its system still accepts.
    pub fn set_frozen(&self, host: &str, frozen: bool) {
        self.with(|state| state.host(host).frozen = frozen);
    }

    /// Ends all connections to a host. [`Ending::Eof`] is an orderly close by the broker; after [`Ending::Reset`] what was
    /// on its way is lost.
    pub fn cut(&self, host: &str, ending: Ending) {
        self.with(|state| state.cut(host, ending));
    }

    /// The host says no more on all its connections, and goes on reading.
    pub fn half_close(&self, host: &str) {
        self.with(|state| state.half_close(host));
    }

    /// Ends the next connection to a host after that number of octets from the client.
    pub fn cut_upward(&self, host: &str, octets: u64, ending: Ending) {
        self.with(|state| state.host(host).cuts.0 = Some((octets, ending)));
    }

    /// Ends the next connection to a host after that number of octets to the client.
    pub fn cut_downward(&self, host: &str, octets: u64, ending: Ending) {
        self.with(|state| state.host(host).cuts.1 = Some((octets, ending)));
    }

    /// How many connections to a host are open at the client's end.
    #[must_use]
    pub fn connections(&self, host: &str) -> usize {
        self.with(|state| state.wires.values().filter(|wire| wire.is_open_to(host)).count())
    }

    async fn open(&self, host: &str) -> io::Result<SimStream> {
        let latency = self.with(|state| {
            state.trace.note(Note::Dialled, 0, host.as_bytes());
            state.latency()
        });
        self.sleep(latency).await;
        match self.with(|state| state.dial(host)) {
            Door::Open => Ok(SimStream::new(self.clone(), self.with(|state| state.wire_to(host)))),
            Door::Refusing => Err(io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused")),
            Door::Stuck => std::future::pending().await,
        }
    }
}

impl Runtime for World {
    type Stream = SimStream;

    async fn dial(&self, host: &str, _port: u16, _attempt: u32) -> io::Result<SimStream> {
        self.open(host).await
    }

    async fn sleep_until(&self, at: Timestamp) {
        Sleep::new(self.clone(), at).await;
    }

    fn now(&self) -> Timestamp {
        self.with(|state| state.now)
    }

    async fn unblock<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        work()
    }

    fn broker_beats(&self, promised: bool) {
        self.with(|state| state.beats.push(promised));
    }

    fn entropy(&self) -> [u8; 32] {
        self.with(|state| std::array::from_fn(|_| state.random.draw().to_le_bytes()[0]))
    }
}

impl Connector for World {
    type Stream = SimStream;

    async fn connect(&self, endpoint: &Endpoint, _attempt: u32) -> io::Result<SimStream> {
        self.open(endpoint.host()).await
    }
}

impl State {
    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        self.wake.extend(waker);
    }

    pub(super) fn discard(&mut self, waker: Option<Waker>) {
        self.discarded.extend(waker);
    }

    pub(super) const fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn latency(&mut self) -> Duration {
        let latency = self.weather.latency.clone();
        self.random.time(&latency).max(Duration::from_micros(1))
    }

    /// When something happens by itself.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let arrivals = self.wires.values().filter_map(|wire| wire.arrival(self.now));
        let brokers = self.hosts.values().filter_map(Host::deadline);
        arrivals.chain(brokers).chain(self.clock.deadline()).min()
    }

    /// Lets time pass, and wakes those for whom something has come.
    pub(super) fn pass(&mut self, until: Timestamp) {
        self.now = self.now.max(until);
        self.trace.note(Note::Passed, 0, &self.now.since_start().as_nanos().to_le_bytes());
        let due = self.clock.take_due(self.now);
        self.wake.extend(due);
        for wire in self.wires.values_mut() {
            self.wake.extend(wire.take_arrived_reader(self.now));
            self.wake.extend(wire.take_refused_writer(self.now));
        }
        self.tell_time();
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}
