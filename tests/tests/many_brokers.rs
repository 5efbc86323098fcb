//! Many brokers leave nothing behind: no thread, no socket, no file. They are alone in their process, where all is counted.

#![cfg(target_os = "linux")]

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use stomp_testkit::{
    broker::BrokerConfig,
    pki::{Authority, Leaf},
    proxy::Proxy,
    server::Server,
    tls::{TlsFront, TlsFrontConfig},
};
use stomp_tokio::{Client, TlsConfig};
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(60);
const ONE_AFTER_THE_OTHER: usize = 1_000;
const AT_ONCE: usize = 200;
/// Each of them has many descriptors.
const FRONTS_AT_ONCE: usize = 20;

/// One test, since the threads and descriptors of another would count as well.
#[test]
fn nothing_is_left_of_them() {
    // What tokio keeps for the whole process is there from its first runtime on.
    Runtime::new().unwrap().block_on(async {});
    let before = Held::now();
    let cases: [(&str, fn()); 3] = [
        ("one after the other", || one_after_the_other(ONE_AFTER_THE_OTHER)),
        ("at once", || at_once(AT_ONCE)),
        ("behind proxies and TLS", || behind_fronts(FRONTS_AT_ONCE)),
    ];
    for (name, case) in cases {
        case();
        let after = Held::at_most(&before);
        assert_eq!(after, before, "{name}");
    }
}

fn one_after_the_other(brokers: usize) {
    Runtime::new().unwrap().block_on(async {
        for _ in 0..brokers {
            let server = Server::start(BrokerConfig::default()).unwrap();
            let client = stomp_tokio::connect(&server.uri()).await.unwrap();
            client.send("/queue/a", "x").confirmed().await.unwrap();
            client.disconnect().await.unwrap();
            assert_eq!(server.with(|broker| broker.depth("/queue/a")), 1);
        }
    });
}

/// The brokers go while their clients are connected.
fn at_once(brokers: usize) {
    Runtime::new().unwrap().block_on(async {
        let mut tasks = Vec::new();
        for _ in 0..brokers {
            tasks.push(tokio::spawn(async {
                let server = Server::start(BrokerConfig::default()).unwrap();
                let client = stomp_tokio::connect(&server.uri()).await.unwrap();
                client.send("/queue/a", "x").confirmed().await.unwrap();
                (server, client)
            }));
        }
        let mut all = Vec::new();
        for task in tasks {
            all.push(task.await.unwrap());
        }
        assert!(Held::now().threads > brokers, "each has threads of its own");
    });
}

fn behind_fronts(brokers: usize) {
    let authority = Authority::new("an authority");
    let identity = authority.issue(&Leaf::server(&["localhost"]));
    let mut tls = TlsConfig::default();
    tls.system_roots = false;
    tls.roots.push(authority.certificate().into());
    Runtime::new().unwrap().block_on(async {
        let mut all = Vec::new();
        for _ in 0..brokers {
            let server = Server::start(BrokerConfig::default()).unwrap();
            let proxy = Proxy::start(server.address(), []).unwrap();
            let front = TlsFront::start(proxy.address(), &identity, TlsFrontConfig::default()).unwrap();
            let client = Client::builder(&*front.uri()).tls(tls.clone());
            let client = stomp_tokio::Connect::connect(client).await.unwrap();
            client.send("/queue/a", "x").confirmed().await.unwrap();
            all.push((server, proxy, front, client));
        }
    });
}

/// What the process has.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    threads: usize,
    descriptors: usize,
}

impl Held {
    fn now() -> Self {
        let count = |folder: &str| fs::read_dir(folder).unwrap().count();
        Self { threads: count("/proc/self/task"), descriptors: count("/proc/self/fd") }
    }

    /// The kernel lists a thread for a moment after it was joined, and tells nobody when it no longer does.
    fn at_most(before: &Self) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let held = Self::now();
            if held.threads <= before.threads || Instant::now() > deadline {
                return held;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}
