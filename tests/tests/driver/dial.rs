//! The dial of the adapters in virtual time: a name that has several addresses, of which some are dead.

use std::{
    future::Future,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use stomp_checks::sim::{Door, Ending, Sim, SimStream, Weather, World};
use stomp_session::{
    Attempt, Closed, Config, Login, Lost, Timestamp,
    client::{Addresses, Builder, Client, Credentials, Dial, Runtime, TlsConfig, race_addresses},
};
use stomp_testkit::broker::BrokerConfig;

use crate::kit::settings;

const HEAD_START: Duration = Duration::from_millis(250);

/// The runtime of an adapter: each name has addresses, and each address is a host of the simulation. Those of IPv6 hold a
/// colon.
#[derive(Clone)]
struct Names {
    world: World,
    zone: Vec<(&'static str, Vec<&'static str>)>,
    /// When which address was tried, and as the first one of its dial or not.
    tried: Arc<Mutex<Vec<(Timestamp, &'static str)>>>,
    firsts: Arc<Mutex<Vec<&'static str>>>,
}

struct Address(&'static str);

impl Address {
    fn is_ipv6(&self) -> bool {
        self.0.contains(':')
    }
}

impl Names {
    fn new(sim: &Sim, zone: &[(&'static str, &[&'static str])]) -> Self {
        let zone: Vec<_> = zone.iter().map(|(name, addresses)| (*name, addresses.to_vec())).collect();
        for address in zone.iter().flat_map(|(_, addresses)| addresses) {
            sim.add_broker(address, BrokerConfig::default());
        }
        Self { world: sim.world(), zone, tried: Arc::default(), firsts: Arc::default() }
    }

    /// A client that dials as those of the adapters do.
    fn client(&self, config: Config, settings: Builder) -> Client {
        let runtime = Arc::new(self.clone());
        let dial = Arc::new(Dial::new(Arc::clone(&runtime), TlsConfig::default()));
        let (client, driver) = settings.config(config).build_on(runtime, dial).unwrap();
        drop(self.world.spawn(driver.run()));
        client
    }

    async fn try_address(&self, address: &'static str) -> io::Result<SimStream> {
        self.tried.lock().unwrap().push((self.world.now(), address));
        self.world.dial(address, 0, 0).await
    }

    /// What was tried, and how long after the beginning.
    fn tried(&self) -> Vec<(Duration, &'static str)> {
        let tried = self.tried.lock().unwrap();
        tried.iter().map(|(at, address)| (at.since_start(), *address)).collect()
    }

    fn firsts(&self) -> Vec<&'static str> {
        self.firsts.lock().unwrap().clone()
    }
}

impl Runtime for Names {
    type Stream = SimStream;

    async fn dial(&self, host: &str, port: u16, attempt: u32) -> io::Result<SimStream> {
        self.dial_counted(host, port, &Addresses::new(attempt)).await
    }

    async fn dial_counted(&self, host: &str, _: u16, addresses: &Addresses) -> io::Result<SimStream> {
        let (_, resolved) = self.zone.iter().find(|(name, _)| *name == host).expect("a name of the zone");
        let resolved: Vec<_> = resolved.iter().map(|address| Address(address)).collect();
        let begun = self.tried.lock().unwrap().len();
        let connect = |Address(address)| self.try_address(address);
        let dialled = race_addresses(self, addresses, resolved, Address::is_ipv6, connect).await;
        let first = self.tried.lock().unwrap().get(begun).map(|(_, address)| *address);
        self.firsts.lock().unwrap().extend(first);
        dialled
    }

    fn sleep_until(&self, at: Timestamp) -> impl Future<Output = ()> + Send {
        self.world.sleep_until(at)
    }

    fn now(&self) -> Timestamp {
        self.world.now()
    }

    async fn unblock<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        work()
    }

    fn entropy(&self) -> [u8; 32] {
        self.world.entropy()
    }
}

fn sim() -> Sim {
    Sim::in_weather(1, Weather::calm())
}

fn once() -> Config {
    Config::new("tcp://broker".parse().unwrap())
}

/// With two refusals the third address is found as soon as the answers are there.
#[test]
fn a_frozen_address_costs_a_head_start_and_a_dead_one_nothing() {
    let rows = [
        ([Door::Open, Door::Open, Door::Open], vec![0]),
        ([Door::Stuck, Door::Open, Door::Open], vec![0, 250]),
        ([Door::Stuck, Door::Stuck, Door::Open], vec![0, 250, 500]),
        ([Door::Refusing, Door::Open, Door::Open], vec![0, 0]),
        ([Door::Refusing, Door::Refusing, Door::Open], vec![0, 0, 0]),
        ([Door::Stuck, Door::Refusing, Door::Open], vec![0, 250, 250]),
        ([Door::Refusing, Door::Stuck, Door::Open], vec![0, 0, 250]),
    ];
    let hosts = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
    for (doors, expected) in rows {
        let mut sim = sim();
        let names = Names::new(&sim, &[("broker", &hosts)]);
        hosts.iter().zip(doors).for_each(|(host, door)| sim.set_door(host, door));
        let client = names.client(once(), settings());
        sim.block_on(client.connected()).unwrap();
        let tried = names.tried();
        assert_eq!(tried.iter().map(|(_, host)| *host).collect::<Vec<_>>(), hosts[..expected.len()]);
        let times: Vec<_> = tried.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(times, expected, "{doors:?}");
        let connected = hosts.map(|host| sim.connections(host));
        let winner = doors.iter().position(|door| *door == Door::Open).unwrap();
        assert_eq!(connected.iter().sum::<usize>(), 1, "one connection, no more");
        assert_eq!(connected[winner], 1);
    }
}

/// The first address answers late, when another one was asked already: who comes first wins, and the other is dropped.
#[test]
fn a_slow_address_may_still_win() {
    let slow = Duration::from_millis(300);
    let mut sim = Sim::in_weather(1, with_latency(slow));
    let names = Names::new(&sim, &[("broker", &["10.0.0.1", "10.0.0.2"])]);
    let client = names.client(once(), settings());
    sim.block_on(client.connected()).unwrap();
    assert_eq!(names.tried(), [(Duration::ZERO, "10.0.0.1"), (HEAD_START, "10.0.0.2")]);
    assert_eq!((sim.connections("10.0.0.1"), sim.dials("10.0.0.2")), (1, 0), "the second dial was dropped");
}

fn with_latency(latency: Duration) -> Weather {
    let mut weather = Weather::calm();
    weather.latency = latency..=latency;
    weather
}

/// A host with IPv6 addresses in a network without: RFC 8305, section 4.
#[test]
fn the_families_take_turns() {
    let resolved: [&str; 5] = ["a::1", "a::2", "a::3", "10.0.0.1", "10.0.0.2"];
    let mut sim = sim();
    let names = Names::new(&sim, &[("broker", &resolved)]);
    resolved.iter().filter(|address| **address != "a::3").for_each(|host| sim.set_door(host, Door::Stuck));
    let client = names.client(once(), settings());
    sim.block_on(client.connected()).unwrap();
    let order = ["a::1", "10.0.0.1", "a::2", "10.0.0.2", "a::3"];
    let expected: Vec<_> = (0_u32..).map(|turn| turn * HEAD_START).zip(order).collect();
    assert_eq!(names.tried(), expected);
}

/// All orders of all attempts: each address once, each is the first of one attempt, and the families take turns for as long
/// as there are two.
#[test]
fn each_attempt_begins_with_another_address() {
    let is_ipv6 = |address: &(bool, u32)| address.0;
    for (six, four) in (0..5).flat_map(|six| (0..5).map(move |four| (six, four))) {
        let all: Vec<_> =
            (0..six).map(|number| (true, number)).chain((0..four).map(|number| (false, number))).collect();
        let both = 2 * six.min(four) as usize;
        let mut firsts = Vec::new();
        for attempt in 0..six + four {
            let order = Addresses::new(attempt).order(all.clone(), is_ipv6);
            let mut sorted = order.clone();
            sorted.sort_by_key(|(is_ipv6, number)| (!is_ipv6, *number));
            assert_eq!(sorted, all);
            assert!(take_turns(&order[..both]), "{attempt}: {order:?}");
            firsts.extend(order.first().copied());
        }
        // A dial that a connection has ended early takes the other family next time.
        assert!(take_turns(&firsts[..both]), "{firsts:?}");
        firsts.sort_by_key(|(is_ipv6, number)| (!is_ipv6, *number));
        assert_eq!(firsts, all);
    }
}

fn take_turns(addresses: &[(bool, u32)]) -> bool {
    addresses.windows(2).all(|pair| pair[0].0 != pair[1].0)
}

/// Two brokers with two addresses each, and connections that are lost: each broker has its own count of attempts. With one for
/// both, each would be reached at the same address for ever.
#[test]
fn each_broker_counts_its_own_attempts() {
    let mut sim = sim();
    let (one, two) = (["10.1.0.1", "10.1.0.2"], ["10.2.0.1", "10.2.0.2"]);
    let names = Names::new(&sim, &[("one", &one), ("two", &two)]);
    let uri = "failover:(tcp://one,tcp://two)?randomize=false&useExponentialBackOff=false";
    let mut config = Config::new(uri.parse().unwrap());
    config.stable_after = Duration::ZERO;
    let client = names.client(config, settings());
    let world = sim.world();
    sim.block_on(async {
        for _ in 0..8 {
            client.connected().await.unwrap();
            one.iter().chain(&two).for_each(|host| world.cut(host, Ending::Reset));
            world.sleep(Duration::from_secs(1)).await;
        }
    });
    let expected = ["10.1.0.1", "10.2.0.1", "10.1.0.2", "10.2.0.2"].repeat(2);
    assert_eq!(names.firsts()[..8], expected);
}

/// A broker behind each address accepts and closes: all are tried at the start, each once.
#[test]
fn all_addresses_of_all_brokers_are_tried_at_the_start() {
    let mut sim = sim();
    let names = Names::new(&sim, &[("one", &["10.1.0.1", "a:1::2"]), ("two", &["10.2.0.1", "10.2.0.2"])]);
    for address in ["10.1.0.1", "a:1::2", "10.2.0.1", "10.2.0.2"] {
        sim.add_stranger(address, b"");
    }
    let config = Config::new("failover:(tcp://one,tcp://two)?randomize=false".parse().unwrap());
    let client = names.client(config, settings());
    let closed = sim.block_on(client.connected()).unwrap_err();
    assert!(matches!(closed, Closed::GaveUp { last: Lost::ClosedBeforeConnected, .. }), "{closed:?}");
    assert_eq!(names.firsts(), ["10.1.0.1", "10.2.0.1", "a:1::2", "10.2.0.2"]);
}

/// An attempt that ended before anybody was dialled has reached no address: it takes none away from those that follow.
#[test]
fn an_attempt_without_credentials_takes_no_turn() {
    let mut sim = sim();
    let names = Names::new(&sim, &[("broker", &["10.0.0.1", "10.0.0.2"])]);
    ["10.0.0.1", "10.0.0.2"].iter().for_each(|address| sim.add_stranger(address, b""));
    let asked = Arc::new(Mutex::new(0));
    let settings = settings().credentials(Credentials::new(move |_: Attempt| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        let sealed = *asked % 2 == 1;
        async move { if sealed { Err("the vault is sealed") } else { Ok(Login::new("me", "secret")) } }
    }));
    let uri = "failover:(tcp://broker)?startupMaxReconnectAttempts=-1&initialReconnectDelay=1000";
    let _client = names.client(Config::new(uri.parse().unwrap()), settings);
    sim.run_for(Duration::from_secs(600));
    let firsts = names.firsts();
    assert!(firsts.len() > 6, "{firsts:?}");
    let turns = firsts.windows(2).all(|pair| pair[0] != pair[1]);
    assert!(turns, "the same address twice running: {firsts:?}");
}

/// What is said when none can be reached is what the last one has said; a name without addresses is an error, too.
#[test]
fn nobody_can_be_reached() {
    let cases: [(&'static [&'static str], &str); 2] = [
        (&["10.0.0.1", "10.0.0.2"], "connection refused: is a broker listening there?"),
        (&[], "the name has no address"),
    ];
    for (resolved, told) in cases {
        let mut sim = sim();
        let names = Names::new(&sim, &[("broker", resolved)]);
        resolved.iter().for_each(|address| sim.set_door(address, Door::Refusing));
        let client = names.client(once(), settings());
        let closed = sim.block_on(client.connected()).unwrap_err();
        assert!(closed.to_string().ends_with(told), "{closed}");
        assert_eq!(names.tried().len(), resolved.len(), "a race that was lost is no reason for another");
    }
}

/// Frozen addresses have their time together, and are dropped when it is over.
#[test]
fn a_race_that_nobody_wins_is_given_up() {
    let mut sim = sim();
    let names = Names::new(&sim, &[("broker", &["10.0.0.1", "a::1"])]);
    ["10.0.0.1", "a::1"].iter().for_each(|address| sim.set_door(address, Door::Stuck));
    let client = names.client(once(), settings());
    let closed = sim.block_on(client.connected()).unwrap_err();
    let limit = Duration::from_secs(10);
    assert!(matches!(closed, Closed::GaveUp { last: Lost::ConnectTimeout(after), .. } if after == limit));
    assert_eq!(names.tried(), [(Duration::ZERO, "10.0.0.1"), (HEAD_START, "a::1")]);
}
