//! What has happened, in numbers.

use stomp_checks::sim::{Door, Ending, Sim, Weather};

use crate::kit::{config, seconds, settings};

#[test]
fn what_happens_is_counted() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    sim.set_door("broker", Door::Refusing);
    let client = sim.client(config(), settings());
    let world = sim.world();
    sim.block_on(async {
        world.sleep(seconds(5)).await;
        world.set_door("broker", Door::Open);
        let mut messages = client.subscribe("/queue/a").await.unwrap();
        client.send("/queue/a", "one").await.unwrap();
        client.send("/queue/a", "two").confirmed().await.unwrap();
        for _ in 0..2 {
            messages.next().await.unwrap().ack().unwrap();
        }
        world.sleep(seconds(1)).await;
        world.cut("broker", Ending::Reset);
        client.send("/queue/b", "three").at_least_once().await.unwrap();
        let statistics = client.statistics();
        let counted = (statistics.connections, statistics.connections_lost, statistics.messages_received);
        assert_eq!(counted, (2, 1, 2));
        assert_eq!((statistics.messages_sent, statistics.confirmed, statistics.unconfirmed), (3, 2, 0));
        assert_eq!(statistics.attempts_failed, world.dials("broker") - 2);
        assert!(statistics.octets_sent > 300 && statistics.octets_received > 300, "{statistics:?}");
    });
}
