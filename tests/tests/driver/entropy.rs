//! What a client does with the random octets of its runtime.

use std::{collections::BTreeSet, future::Future, io, sync::Arc};

use stomp_checks::sim::{Sim, SimStream, World};
use stomp_session::{
    Config, Timestamp,
    client::{Client, Notice, Runtime},
};
use stomp_testkit::broker::BrokerConfig;

use crate::kit::settings;

/// A runtime with that luck.
struct Lucky(World, [u8; 32]);

impl Runtime for Lucky {
    type Stream = SimStream;

    async fn dial(&self, host: &str, port: u16, attempt: u32) -> io::Result<SimStream> {
        self.0.dial(host, port, attempt).await
    }

    fn sleep_until(&self, at: Timestamp) -> impl Future<Output = ()> + Send {
        self.0.sleep_until(at)
    }

    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn unblock<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        work()
    }

    fn entropy(&self) -> [u8; 32] {
        self.1
    }
}

fn lucky(sim: &Sim, config: Config, luck: [u8; 32]) -> Client {
    let world = sim.world();
    let (client, driver) =
        settings().config(config).build_on(Arc::new(Lucky(world.clone(), luck)), Arc::new(world)).unwrap();
    drop(sim.spawn(driver.run()));
    client
}

fn counting() -> [u8; 32] {
    std::array::from_fn(|at| at as u8)
}

/// Two programs that send alike must not be taken for one by a broker that drops what it has seen. An identity of the
/// configuration's, as that of a program that has crashed, is kept.
#[test]
fn a_client_is_known_by_random_octets() {
    let identities =
        [(None, "08090a0b0c0d0e0f1011121314151617"), (Some(0xf00d), "0000000000000000000000000000f00d")];
    for (own, expected) in identities {
        let mut sim = Sim::new(1);
        sim.add_broker("broker", BrokerConfig::artemis().recording());
        let mut config = Config::new("tcp://broker".parse().unwrap());
        config.identity = own;
        let client = lucky(&sim, config, counting());
        sim.block_on(async { client.send("/queue/a", "x").at_least_once().await.unwrap() });
        let ids = sim.broker("broker", |broker| {
            let frames = broker.received().flat_map(|(_, frames)| frames);
            let ids = frames.filter_map(|frame| frame.headers().get("_AMQ_DUPL_ID"));
            ids.map(|id| id.to_string()).collect::<Vec<_>>()
        });
        assert_eq!(ids.len(), 1);
        assert!(ids[0].starts_with(&format!("{expected}-")), "{ids:?}");
    }
}

/// A fleet must not come in one order to the brokers of one list: each octet of the seed may change it.
#[test]
fn the_order_of_brokers_is_random() {
    let order = |luck: [u8; 32]| {
        let mut sim = Sim::new(1);
        let config = Config::new("failover:(tcp://a,tcp://b,tcp://c,tcp://d,tcp://e)".parse().unwrap());
        let client = lucky(&sim, config, luck);
        let mut listener = client.listen();
        sim.block_on(async {
            client.connected().await.unwrap_err();
            let mut order = String::new();
            while let Some(notice) = listener.next().await {
                if let Notice::Connecting(attempt) = notice {
                    order.push_str(attempt.endpoint.host());
                }
            }
            order
        })
    };
    assert_eq!(order(counting()), order(counting()), "it is no other luck");
    for at in 0..8 {
        let lucks = (0..20).map(|octet| {
            let mut luck = counting();
            luck[at] = octet;
            luck
        });
        let orders: BTreeSet<_> = lucks.map(order).collect();
        assert!(orders.len() > 10, "octet {at}: {orders:?}");
    }
}
