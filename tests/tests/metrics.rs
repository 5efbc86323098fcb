//! What a recorder of the crate `metrics` is told of a session.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use stomp_checks::sim::{Door, Ending, Sim, Weather};
use stomp_session::{Config, Login, client::Client};
use stomp_testkit::broker::BrokerConfig;

const PASSCODE: &str = "canary-7f3a";

/// What was recorded: a number for each name with its labels.
#[derive(Clone, Default)]
struct Records {
    counters: Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>,
    gauges: Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>,
    described: Arc<Mutex<BTreeMap<String, String>>>,
}

/// The name and the labels, as Prometheus would show them.
fn shown(key: &Key) -> String {
    let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

impl Records {
    fn describe(&self, key: KeyName, text: SharedString) {
        self.described.lock().unwrap().insert(key.as_str().to_owned(), text.to_string());
    }

    fn counter(&self, name: &str) -> u64 {
        self.counters.lock().unwrap().get(name).map_or(0, |value| value.load(Ordering::SeqCst))
    }

    fn gauge(&self, name: &str) -> f64 {
        let gauges = self.gauges.lock().unwrap();
        gauges.get(name).map_or(0.0, |value| f64::from_bits(value.load(Ordering::SeqCst)))
    }

    fn keys(&self) -> Vec<String> {
        [&self.counters, &self.gauges]
            .iter()
            .flat_map(|of| of.lock().unwrap().keys().cloned().collect::<Vec<_>>())
            .collect()
    }
}

impl Recorder for Records {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, text: SharedString) {
        self.describe(key, text);
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, text: SharedString) {
        self.describe(key, text);
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, text: SharedString) {
        self.describe(key, text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let value = self.counters.lock().unwrap().entry(shown(key)).or_default().clone();
        Counter::from_arc(value)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let value = self.gauges.lock().unwrap().entry(shown(key)).or_default().clone();
        Gauge::from_arc(value)
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn config(uri: &str) -> Config {
    let mut config = Config::new(uri.parse().unwrap());
    (config.send_beat, config.receive_beat) = (Duration::ZERO, Duration::ZERO);
    config.login = Some(Login::new("user", PASSCODE));
    config
}

fn sim(brokers: &[&str]) -> Sim {
    let sim = Sim::in_weather(1, Weather::calm());
    for broker in brokers {
        sim.add_broker(broker, BrokerConfig::default().user("user", PASSCODE));
    }
    sim
}

/// Two clients at one broker: their numbers add up, and what waits is gone when they are.
#[test]
fn what_happens_is_recorded() {
    let records = Records::default();
    with_local_recorder(&records, || {
        let mut sim = sim(&["broker"]);
        let [one, two] =
            [(); 2].map(|()| sim.client(config("tcp://broker"), Client::builder("tcp://broker")));
        let world = sim.world();
        sim.block_on(async {
            let mut messages = one.subscribe("/queue/a").await.unwrap();
            for client in [&one, &two] {
                client.send("/queue/a", "x").confirmed().await.unwrap();
            }
            world.sleep(Duration::from_secs(1)).await;
            assert_eq!(records.gauge("stomp_connected{broker=broker}"), 2.0);
            let undelivered = one.undelivered();
            assert!(undelivered > 0, "nobody has taken them");
            assert_eq!(records.gauge("stomp_undelivered_octets{broker=broker}"), undelivered as f64);
            for _ in 0..2 {
                messages.next().await.unwrap().ack().unwrap();
            }
            world.cut("broker", Ending::Reset);
            one.send("/queue/a", "x").at_least_once().await.unwrap();
            let statistics = [&one, &two].map(|client| client.statistics());
            one.disconnect().await.unwrap();
            two.connected().await.unwrap();
            two.disconnect().await.unwrap();
            world.sleep(Duration::from_secs(1)).await;

            let counted = |name: &str| records.counter(&format!("{name}{{broker=broker}}"));
            assert_eq!(counted("stomp_messages_received_total"), one.statistics().messages_received);
            assert_eq!(counted("stomp_messages_sent_total"), 3);
            assert_eq!(counted("stomp_connections_total"), 4);
            assert_eq!(counted("stomp_connections_lost_total"), 4);
            let octets: u64 = [&one, &two].iter().map(|client| client.statistics().octets_sent).sum();
            assert_eq!(counted("stomp_sent_octets_total"), octets);
            assert!(octets > statistics.iter().map(|it| it.octets_sent).sum());
        });
        for name in records.keys() {
            assert_eq!(records.gauge(&name), 0.0, "{name}");
        }
    });
}

/// What a session does at one broker is not counted at the next, and what stood at it stands no more.
#[test]
fn each_broker_has_its_own() {
    let records = Records::default();
    with_local_recorder(&records, || {
        let mut sim = sim(&["a", "b"]);
        sim.set_door("a", Door::Refusing);
        let client =
            sim.client(config("failover:(tcp://a,tcp://b)?randomize=false"), Client::builder("tcp://broker"));
        let world = sim.world();
        sim.block_on(async {
            client.connected().await.unwrap();
            world.sleep(Duration::from_secs(1)).await;
            assert_eq!(records.counter("stomp_attempts_failed_total{broker=a}"), 1);
            assert_eq!(records.gauge("stomp_connected{broker=b}"), 1.0);
            world.set_door("a", Door::Open);
            world.set_door("b", Door::Refusing);
            world.cut("b", Ending::Reset);
            while records.gauge("stomp_connected{broker=a}") < 1.0 {
                world.sleep(Duration::from_secs(1)).await;
            }
            assert_eq!(records.gauge("stomp_connected{broker=b}"), 0.0);
            assert_eq!(records.counter("stomp_connections_lost_total{broker=b}"), 1);
            assert_eq!(records.counter("stomp_connections_lost_total{broker=a}"), 0);
            client.disconnect().await.unwrap();
        });
    });
}

/// The table of the guide names what there is, and no label holds more than the name of a host.
#[test]
fn the_guide_lists_them_all() {
    let records = Records::default();
    with_local_recorder(&records, || {
        let mut sim = sim(&["broker"]);
        let client = sim.client(config("tcp://broker"), Client::builder("tcp://broker"));
        sim.block_on(async {
            client.connected().await.unwrap();
            client.disconnect().await.unwrap();
        });
    });
    let keys = records.keys();
    let names: BTreeSet<_> = keys.iter().map(|key| key.strip_suffix("{broker=broker}").unwrap()).collect();
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stomp-session/src/client/guide.md");
    let guide = fs::read_to_string(guide).unwrap();
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `stomp_")?.split_once('`'));
    let listed: BTreeSet<_> = rows.map(|(name, _)| format!("stomp_{name}")).collect();
    assert_eq!(listed.iter().map(String::as_str).collect::<BTreeSet<_>>(), names);
    let described = records.described.lock().unwrap();
    assert_eq!(described.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
}

/// A recorder is not ours, and its panic is not the session's end.
#[test]
fn a_recorder_that_panics_harms_nobody() {
    struct Panics;
    impl CounterFn for Panics {
        fn increment(&self, _: u64) {
            panic!("the recorder");
        }
        fn absolute(&self, _: u64) {}
    }
    struct Hostile(Records);
    impl Recorder for Hostile {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(Arc::new(Panics))
        }
        fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
            self.0.register_gauge(key, metadata)
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }
    with_local_recorder(&Hostile(Records::default()), || {
        let mut sim = sim(&["broker"]);
        let client = sim.client(config("tcp://broker"), Client::builder("tcp://broker"));
        sim.block_on(async {
            client.send("/queue/a", "x").confirmed().await.unwrap();
            client.disconnect().await.unwrap();
        });
    });
}
