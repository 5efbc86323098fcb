//! Reconnects: after each of them messages flow both ways again, and no wake-up is lost.

use std::{collections::BTreeSet, time::Duration};

use stomp_checks::sim::{Door, Ending, Sim, Weather, World};
use stomp_proto::HeartBeat;
use stomp_session::client::{Client, Subscription};
use stomp_testkit::broker::BrokerConfig;

use crate::kit::{config, seconds, seeds, settings};

/// Takes and acknowledges messages until that one comes.
async fn take_until(subscription: &mut Subscription, body: &str) {
    loop {
        let message = subscription.next().await.expect("the subscription lives");
        let found = message.body() == body.as_bytes();
        // One of a connection that has just ended comes again.
        let _ = message.ack();
        if found {
            return;
        }
    }
}

/// Sends until the broker has confirmed it.
async fn send_until_confirmed(client: &Client, body: &str) {
    while client.send("/queue/a", body.to_owned()).confirmed().await.is_err() {}
}

async fn exchange(client: &Client, subscription: &mut Subscription, body: String) {
    send_until_confirmed(client, &body).await;
    take_until(subscription, &body).await;
}

fn break_somehow(world: &World, number: u32) {
    match number % 5 {
        0 => world.cut("broker", Ending::Eof),
        1 => world.cut("broker", Ending::Reset),
        2 => world.broker("broker", |broker| broker.crash()),
        3 => world.half_close("broker"),
        _ => {
            let first = world.broker("broker", |broker| broker.connections()[0]);
            world.broker("broker", |broker| broker.send_error(first, "shutdown", "bye"));
        }
    }
}

#[test]
fn a_thousand_without_a_lost_wake_up() {
    for seed in seeds(3) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            let mut subscription = client.subscribe("/queue/a").await.unwrap();
            for number in 0..1000 {
                break_somehow(&world, number);
                exchange(&client, &mut subscription, number.to_string()).await;
            }
        });
        assert!(sim.dials("broker") >= 1001, "seed {seed}: {} dials", sim.dials("broker"));
        assert!(sim.connections("broker") <= 1);
    }
}

#[test]
fn cut_after_any_octet_either_way() {
    for octets in 0..400 {
        for (upward, ending) in
            [(true, Ending::Eof), (true, Ending::Reset), (false, Ending::Eof), (false, Ending::Reset)]
        {
            let mut sim = Sim::new(octets);
            if upward {
                sim.cut_upward("broker", octets, ending);
            } else {
                sim.cut_downward("broker", octets, ending);
            }
            let client = sim.client(config(), settings());
            sim.block_on(async {
                let mut subscription = client.subscribe("/queue/a").await.unwrap();
                for number in 0..3 {
                    exchange(&client, &mut subscription, number.to_string()).await;
                }
                // Cut or not: nothing is left in the way of a good end.
                let _ = client.disconnect().await;
            });
        }
    }
}

#[test]
fn the_broker_goes_away_and_comes_back() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.block_on(async {
            let mut subscription = client.subscribe("/queue/a").await.unwrap();
            for (number, door) in [Door::Refusing, Door::Stuck, Door::Refusing].into_iter().enumerate() {
                world.set_door("broker", door);
                world.cut("broker", Ending::Reset);
                world.sleep(seconds(100)).await;
                assert!(client.connection().is_none());
                world.set_door("broker", Door::Open);
                exchange(&client, &mut subscription, number.to_string()).await;
            }
        });
    }
}

#[test]
fn a_frozen_broker_is_left_and_found_again() {
    for seed in seeds(10) {
        let mut sim = Sim::new(seed);
        let mut config = config();
        (config.send_beat, config.receive_beat) = (seconds(10), seconds(10));
        let client = sim.client(config, settings());
        let world = sim.world();
        sim.block_on(async {
            let mut subscription = client.subscribe("/queue/a").await.unwrap();
            world.set_frozen("broker", true);
            let before = world.dials("broker");
            world.sleep(seconds(21)).await;
            assert!(client.connection().is_none(), "noticed within two periods and a margin");
            world.sleep(seconds(60)).await;
            assert!(world.dials("broker") > before + 2, "CONNECT goes unanswered, again and again");
            world.set_frozen("broker", false);
            exchange(&client, &mut subscription, "thawed".into()).await;
        });
    }
}

/// Our own sending proves nothing: a peer that takes it and says nothing is dead all the same.
#[test]
fn a_dead_peer_is_noticed_however_busy_our_own_sending_is() {
    for seed in seeds(5) {
        let mut sim = Sim::new(seed);
        let mut config = config();
        (config.send_beat, config.receive_beat) = (seconds(10), seconds(10));
        let client = sim.client(config, settings());
        let world = sim.world();
        sim.block_on(async {
            client.connected().await.unwrap();
            let silenced = world.broker("broker", |broker| broker.connections()[0]);
            world.broker("broker", |broker| broker.silence(silenced));
            for second in 0..22 {
                assert!(second > 20 || world.dials("broker") == 1, "seed {seed}: given up after {second} s");
                client.send("/queue/a", "busy").await.unwrap();
                world.sleep(seconds(1)).await;
            }
            assert_eq!(world.dials("broker"), 2, "seed {seed}");
        });
    }
}

/// What waits to be read when the time is over counts: the peer lives.
#[test]
fn reading_comes_before_the_clock() {
    let mut sim = Sim::in_weather(1, Weather::calm());
    let mut config = config();
    config.receive_beat = seconds(10);
    let client = sim.client(config, settings());
    let world = sim.world();
    sim.block_on(async {
        client.connected().await.unwrap();
        let connection = world.broker("broker", |broker| broker.connections()[0]);
        world.broker("broker", |broker| broker.silence(connection));
        // Two periods and the margin, less the microsecond that it is on its way.
        world.sleep(Duration::from_micros(20_500_000 - 1)).await;
        world.broker("broker", |broker| broker.send_octets(connection, b"\n"));
        world.sleep(seconds(20)).await;
        assert_eq!(world.dials("broker"), 1);
        world.sleep(seconds(1)).await;
        assert_eq!(world.dials("broker"), 2);
    });
}

/// Many messages both ways under constant cuts: each that was confirmed arrives.
#[test]
fn nothing_confirmed_is_lost_in_a_storm() {
    for seed in seeds(40) {
        let mut sim = Sim::new(seed);
        let client = sim.client(config(), settings());
        let world = sim.world();
        sim.spawn({
            let world = world.clone();
            async move {
                for number in 0..30 {
                    world.sleep(Duration::from_millis(1 + (seed * number) % 40)).await;
                    world.cut("broker", if number % 2 == 0 { Ending::Eof } else { Ending::Reset });
                }
            }
        });
        let sender = sim.spawn({
            let client = client.clone();
            async move {
                for number in 0..200 {
                    send_until_confirmed(&client, &number.to_string()).await;
                }
            }
        });
        sim.block_on(async {
            let mut missing: BTreeSet<_> = (0..200).map(|number| number.to_string()).collect();
            let mut subscription = client.subscribe("/queue/a").await.unwrap();
            while !missing.is_empty() {
                let message = subscription.next().await.unwrap();
                missing.remove(std::str::from_utf8(message.body()).unwrap());
                let _ = message.ack();
            }
            sender.await;
        });
    }
}

/// A runtime may watch a connection by other means where there are no heart-beats.
#[test]
fn the_runtime_hears_of_each_connection_whether_its_broker_beats() {
    let promises =
        |every: u64| BrokerConfig::default().heart_beat(HeartBeat { outgoing: every, incoming: 0 });
    let mut sim = Sim::new(1);
    sim.add_broker("broker", promises(10_000));
    let mut config = config();
    config.receive_beat = seconds(10);
    let client = sim.client(config, settings());
    let world = sim.world();
    sim.block_on(async {
        send_until_confirmed(&client, "first").await;
        send_until_confirmed(&client, "again").await;
        assert_eq!(world.promised_beats(), [true], "once for a connection");
        for (every, promised) in [(0, &[true, false][..]), (20_000, &[true, false, true])] {
            world.add_broker("broker", promises(every));
            world.cut("broker", Ending::Eof);
            send_until_confirmed(&client, "and again").await;
            assert_eq!(world.promised_beats(), promised);
        }
    });
}
