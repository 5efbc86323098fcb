//! The executor: it runs what is woken, in an order drawn from the seed, and lets time pass when nothing is.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    mem,
    ops::Deref,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use stomp_session::{
    Config, Timestamp,
    client::{Builder, Client, Driver, Runtime as _},
};
use stomp_testkit::broker::BrokerConfig;

use super::{
    Random, Weather, World,
    task::{Spawned, TaskId, Woken, waker},
    trace::Note,
};

/// A simulation. The same seed gives the same run, to the octet: see [`World::trace_hash`].
///
/// Nothing in it is real: time passes only when no task is woken, and then jumps to the next deadline. Tasks are polled when
/// they are woken, and now and then when they are not. A panic prints the seed, with which it can be repeated.
///
/// ```
/// use stomp_checks::sim::Sim;
/// use stomp_session::client::Client;
///
/// let mut sim = Sim::new(42);
/// let client = sim.build(Client::builder("tcp://broker"));
/// sim.block_on(async { client.send("/queue/a", "hello").confirmed().await })?;
/// assert_eq!(sim.broker("broker", |broker| broker.messages("/queue/a")), ["hello"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sim {
    seed: u64,
    world: World,
    woken: Arc<Woken>,
    tasks: BTreeMap<TaskId, Running>,
    /// Polls of the main task at this instant, since an octet moved.
    main_polls: u32,
    /// Octets that had moved then.
    moved: u64,
    patience: Duration,
}

struct Running {
    future: Spawned,
    /// Polls at this instant, since an octet moved.
    polls: u32,
}

/// Polls of one task at one instant in which no octet moves: more, and it spins.
const POLLS: u32 = 1000;
/// In one of this many turns a task is polled whether it was woken or not.
const SPURIOUS: usize = 4;
/// How much virtual time a test may take.
const PATIENCE: Duration = Duration::from_secs(3600);

impl Sim {
    /// A simulation in conditions drawn from its seed, with a broker on the host `broker` that records what it receives.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::in_weather(seed, Weather::drawn(&mut Random::new(!seed)))
    }

    /// A simulation in these conditions.
    #[must_use]
    pub fn in_weather(seed: u64, weather: Weather) -> Self {
        let world = World::new(seed, weather);
        world.add_broker("broker", BrokerConfig::default().recording());
        let (woken, tasks) = (Arc::default(), BTreeMap::new());
        Self { seed, world, woken, tasks, main_polls: 0, moved: 0, patience: PATIENCE }
    }

    /// How much virtual time [`block_on`](Self::block_on) may take before the test fails. An hour.
    pub const fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// A handle for the inside of tasks.
    #[must_use]
    pub fn world(&self) -> World {
        self.world.clone()
    }

    /// A client of that builder, whose driver runs in this simulation.
    pub fn build(&self, builder: Builder) -> Client {
        let (client, driver) = self.build_with_driver(builder);
        drop(self.world.spawn(driver.run()));
        client
    }

    /// A client and its driver, which nobody runs yet.
    ///
    /// # Panics
    /// When the URI is wrong.
    pub fn build_with_driver(&self, builder: Builder) -> (Client, Driver<World, World>) {
        let world = || Arc::new(self.world());
        builder.build_on(world(), world()).expect("a URI that names brokers")
    }

    /// A client of that session's configuration, and of these settings beyond it, whose driver runs in this simulation.
    pub fn client(&self, config: Config, settings: Builder) -> Client {
        self.build(settings.config(config))
    }

    /// The same, and its driver, which nobody runs yet.
    pub fn client_and_driver(&self, config: Config, settings: Builder) -> (Client, Driver<World, World>) {
        self.build_with_driver(settings.config(config))
    }

    /// Runs everything until the future ends.
    ///
    /// # Panics
    /// When nothing is woken and nothing is due, so that it never would; when a task spins; after an hour of virtual time.
    pub fn block_on<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let waker = waker(TaskId::MAIN, &self.woken);
        let limit = self.now().after(self.patience);
        self.woken.add(TaskId::MAIN);
        loop {
            let moved = self.world.with(|state| state.moved);
            if mem::replace(&mut self.moved, moved) != moved {
                self.forget_polls();
            }
            if self.turn() == Some(TaskId::MAIN) {
                self.main_polls = self.counted(self.main_polls, &"the main task");
                if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return result;
                }
            }
            self.pass_if_idle(limit);
        }
    }

    /// Runs everything for that long.
    pub fn run_for(&mut self, duration: Duration) {
        let sleep = self.world.sleep(duration);
        self.block_on(sleep);
    }

    /// Runs what is woken, without letting time pass.
    pub fn settle(&mut self) {
        while self.turn().is_some() || !self.is_idle() {}
    }

    /// Polls one task, or lets a host take one step. If it is the main task's turn, it is the caller who polls.
    fn turn(&mut self) -> Option<TaskId> {
        self.welcome();
        let hosts_first = self.world.with(|state| state.random.once_in(2));
        if hosts_first && self.world.with(super::world::State::step) {
            return None;
        }
        let world = &self.world;
        let Some(id) = self.woken.take(|count| world.with(|state| state.random.below(count))) else {
            self.world.with(super::world::State::step);
            return None;
        };
        let id = self.instead_of(id);
        self.world.with(|state| state.trace.note(Note::Polled, id.0, &[]));
        self.poll(id);
        Some(id)
    }

    /// At times another task is polled first, though nobody has woken it: executors may, and a future that is part of another
    /// one is polled whenever that is.
    fn instead_of(&self, id: TaskId) -> TaskId {
        let Some(other) = self
            .world
            .with(|state| state.random.once_in(SPURIOUS).then(|| state.random.below(self.tasks.len() + 1)))
        else {
            return id;
        };
        self.woken.add(id);
        self.tasks.keys().nth(other).copied().unwrap_or(TaskId::MAIN)
    }

    fn poll(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        let polls = self.counted(task.polls, &id);
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.polls = polls;
        let waker = waker(id, &self.woken);
        if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.tasks.remove(&id);
        }
    }

    fn counted(&self, polls: u32, task: &dyn fmt::Debug) -> u32 {
        let (seed, now) = (self.seed, self.now());
        assert!(polls < POLLS, "seed {seed}: {task:?} was polled more than {POLLS} times at {now}: it spins");
        polls + 1
    }

    /// Takes in tasks that were spawned, and drops those that were cancelled.
    fn welcome(&mut self) {
        let (spawned, cancelled) =
            self.world.with(|state| (mem::take(&mut state.spawned), mem::take(&mut state.cancelled)));
        for (id, future) in spawned {
            self.tasks.insert(id, Running { future, polls: 0 });
            self.woken.add(id);
        }
        for id in cancelled {
            drop(self.tasks.remove(&id));
        }
    }

    fn is_idle(&self) -> bool {
        let nothing_new = self.world.with(|state| state.spawned.is_empty() && state.cancelled.is_empty());
        nothing_new && self.woken.is_empty() && !self.world.with(super::world::State::step)
    }

    fn pass_if_idle(&mut self, limit: Timestamp) {
        if !self.is_idle() {
            return;
        }
        let seed = self.seed;
        let Some(next) = self.world.with(|state| state.deadline()) else {
            panic!("seed {seed}: a lost wake-up, or a wait without end: nothing is woken and nothing is due");
        };
        assert!(next <= limit, "seed {seed}: it took more than {:?} of virtual time", self.patience);
        self.world.with(|state| state.pass(next));
        self.forget_polls();
    }

    fn forget_polls(&mut self) {
        self.main_polls = 0;
        self.tasks.values_mut().for_each(|task| task.polls = 0);
    }
}

impl Deref for Sim {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the seed of the simulation was {}", self.seed);
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.seed)
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}
