//! The order of tries and the delays before them: by default, by option, at limits and after refusals.

use alloc::{format, vec};

use super::*;

fn schedule(uri: &str, seed: u64) -> Schedule {
    Schedule::new(uri.parse().unwrap(), seed)
}

fn tries(uri: &str, seed: u64, count: usize) -> Vec<(u16, u128)> {
    let tries = schedule(uri, seed).take(count);
    tries.map(|(endpoint, delay)| (endpoint.port(), delay.as_millis())).collect()
}

/// For ever, in the order of the list, and without luck.
const PLAIN: &str = "startupMaxReconnectAttempts=-1&randomize=false&reconnectDelayJitter=0";

fn at(milliseconds: u64) -> Timestamp {
    Timestamp::from_start(Duration::from_millis(milliseconds))
}

#[test]
fn the_default_sequence_without_jitter() {
    let mut schedule = schedule("failover:(tcp://h:1)?reconnectDelayJitter=0", 0);
    schedule.connected();
    let delays: Vec<_> = schedule.take(14).map(|(_, delay)| delay.as_millis()).collect();
    let expected = [0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 30000];
    assert_eq!(delays, expected);
}

#[test]
fn the_defaults_are_activemqs_but_for_the_start_and_jitter() {
    let brokers: Brokers = "failover:(tcp://a:1)".parse().unwrap();
    let expected = crate::Reconnect {
        initial_delay: Duration::from_millis(10),
        max_delay: Duration::from_secs(30),
        exponential: true,
        multiplier: 2.0,
        max_attempts: None,
        startup_max_attempts: Some(0),
        jitter: Duration::ZERO,
        full_jitter: true,
        refusal_delay: Duration::from_secs(1),
        randomize: true,
        priority_backup: false,
        rebalance: None,
    };
    assert_eq!(brokers.reconnect, expected);
    assert_eq!(Brokers::one(Endpoint::plain("a", 1)), brokers);
}

#[test]
fn a_round_has_no_pause_and_the_delay_grows_by_rounds() {
    let uri = format!("failover:(tcp://a:1,tcp://b:2,tcp://c:3)?{PLAIN}&backOffMultiplier=3.0");
    let expected = [(1, 0), (2, 0), (3, 0), (1, 10), (2, 0), (3, 0), (1, 30), (2, 0), (3, 0), (1, 90)];
    assert_eq!(tries(&uri, 0, 10), expected);
}

#[test]
fn at_the_start_each_broker_is_tried_once() {
    assert_eq!(tries("tcp://h:1", 0, 9), [(1, 0)]);
    let uri = "failover:(tcp://a:1,tcp://b:2,tcp://c:3)?randomize=false";
    assert_eq!(tries(uri, 0, 9), [(1, 0), (2, 0), (3, 0)]);
}

#[test]
fn the_others_are_tried_when_one_is_given_up() {
    let mut schedule = schedule("failover:(tcp://a:1,tcp://b:2,tcp://c:3)?randomize=false", 0);
    let mut ports = vec![];
    while let Some((endpoint, _)) = schedule.next() {
        ports.push(endpoint.port());
        schedule.give_up(&endpoint);
    }
    assert_eq!(ports, [1, 2, 3]);
}

#[test]
fn the_one_that_failed_last_comes_last() {
    let uri = format!("failover:(tcp://a:1,tcp://b:2,tcp://c:3)?{PLAIN}&maxReconnectAttempts=-1");
    let mut schedule = schedule(&uri, 0);
    let port = |schedule: &mut Schedule| schedule.next().unwrap().0.port();
    assert_eq!(port(&mut schedule), 1);
    schedule.connected();
    schedule.restart();
    assert_eq!([(); 4].map(|()| port(&mut schedule)), [2, 3, 1, 2]);
    schedule.restart();
    assert_eq!([(); 3].map(|()| port(&mut schedule)), [1, 3, 2]);
    let mut random =
        Schedule::new("failover:(tcp://a:1,tcp://b:2)?startupMaxReconnectAttempts=-1".parse().unwrap(), 3);
    let ports: Vec<_> = random.by_ref().take(40).map(|(endpoint, _)| endpoint.port()).collect();
    assert!(ports.windows(2).all(|pair| pair[0] != pair[1]), "no broker twice running: {ports:?}");
}

#[test]
fn those_that_do_not_answer_come_behind_all_others() {
    let uri = format!("failover:(tcp://a:1,tcp://b:2,tcp://c:3)?{PLAIN}");
    let mut schedule = schedule(&uri, 0);
    let mut seen = vec![];
    for _ in 0..9 {
        let (endpoint, _) = schedule.next().unwrap();
        seen.push(endpoint.port());
        schedule.note_answer(&endpoint, endpoint.port() != 1);
    }
    assert_eq!(seen, [1, 2, 3, 2, 3, 1, 2, 3, 1]);
}

#[test]
fn all_addresses_are_tried_in_the_round() {
    let mut schedule = schedule(&format!("failover:(tcp://a:1,tcp://b:2)?{PLAIN}"), 0);
    let mut seen = vec![];
    for _ in 0..8 {
        let (endpoint, delay) = schedule.next().unwrap();
        seen.push((endpoint.port(), delay.as_millis()));
        if endpoint.port() == 1 {
            schedule.try_again(&endpoint, 3);
        }
    }
    assert_eq!(seen, [(1, 0), (2, 0), (1, 0), (1, 0), (2, 10), (1, 0), (1, 0), (1, 0)]);
}

#[test]
fn at_the_start_all_addresses_are_tried_and_none_counts_as_a_reconnect() {
    for (limit, expected) in [(0, 4), (1, 4), (3, 8)] {
        let uri =
            format!("failover:(tcp://a:1,tcp://b:2)?startupMaxReconnectAttempts={limit}&randomize=false");
        let mut schedule = schedule(&uri, 0);
        let mut count = 0;
        while let Some((endpoint, _)) = schedule.next() {
            count += 1;
            schedule.try_again(&endpoint, 2);
        }
        assert_eq!(count, expected, "{limit}");
    }
}

#[test]
fn a_delay_is_capped_or_does_not_grow_at_all() {
    let delays = |options: &str| {
        let uri = format!(
            "failover:(tcp://a:1)?{PLAIN}&startupMaxReconnectAttempts=3&initialReconnectDelay=17&{options}"
        );
        tries(&uri, 0, 9).iter().map(|row| row.1).collect::<Vec<_>>()
    };
    assert_eq!(delays("backOffMultiplier=3.0&maxReconnectDelay=18"), [0, 17, 18, 18]);
    assert_eq!(delays("maxReconnectDelay=15"), [0, 15, 15, 15]);
    assert_eq!(delays("useExponentialBackOff=false"), [0, 17, 17, 17]);
}

#[test]
fn nobody_dials_in_circles() {
    let options =
        ["initialReconnectDelay=0", "maxReconnectDelay=0", "initialReconnectDelay=0&fullJitter=true"];
    for options in options {
        let uri =
            format!("failover:(tcp://a:1)?startupMaxReconnectAttempts=-1&reconnectDelayJitter=0&{options}");
        let delays: Vec<_> = tries(&uri, 0, 1000).iter().map(|row| row.1).collect();
        assert_eq!(delays[..2], [0, 0], "the first retry may be at once");
        assert!(delays[2..].iter().all(|delay| *delay == 10), "{options}: {delays:?}");
    }
    let jittered = "failover:(tcp://a:1)?startupMaxReconnectAttempts=-1";
    assert!((0..100).all(|seed| tries(jittered, seed, 20)[2..].iter().all(|row| row.1 >= 10)));
}

#[test]
fn the_limit_of_reconnects_counts_from_the_loss_and_none_is_none() {
    let uri = |limit: &str| {
        format!(
            "failover:(tcp://a:1,tcp://b:2,tcp://c:3)?{PLAIN}&startupMaxReconnectAttempts=3&maxReconnectAttempts={limit}"
        )
    };
    for (limit, expected) in [("0", 0), ("1", 1), ("4", 4)] {
        for stable in [true, false] {
            let mut schedule = schedule(&uri(limit), 0);
            assert_eq!(schedule.by_ref().take(2).count(), 2);
            schedule.connected();
            if stable {
                schedule.restart();
            }
            assert_eq!(schedule.count(), expected, "{limit} {stable}");
        }
    }
}

#[test]
fn jitter_adds_and_is_capped() {
    let uri = "failover:(tcp://a:1)?startupMaxReconnectAttempts=-1&reconnectDelayJitter=100&maxReconnectDelay=60&useExponentialBackOff=false";
    let first = tries(uri, 1, 50);
    assert!(first.iter().skip(1).all(|(_, delay)| (10..=60).contains(delay)), "{first:?}");
    assert!(first.iter().any(|(_, delay)| (11..60).contains(delay)), "{first:?}");
    assert_eq!(first, tries(uri, 1, 50), "the same seed gives the same run");
    assert_ne!(first, tries(uri, 2, 50));
}

#[test]
fn full_jitter_draws_each_delay_between_nothing_and_all_of_it_but_little_of_what_was_waited() {
    let uri = "failover:(tcp://a:1)?startupMaxReconnectAttempts=-1&initialReconnectDelay=1000&maxReconnectDelay=8000";
    let mut spread = 0;
    for seed in 0..1000 {
        let delays: Vec<_> = tries(uri, seed, 8).iter().map(|row| row.1).collect();
        let mut waited = 0;
        for (delay, most) in delays.iter().zip([0, 1000, 2000, 4000, 8000, 8000, 8000, 8000]) {
            assert!(*delay <= most.min(1000.max(waited / 6)), "{delays:?}");
            waited += delay;
        }
        spread += usize::from((250..750).contains(&delays[1]));
    }
    assert!((400..600).contains(&spread), "half of the first delays in the middle half: {spread}");
}

#[test]
fn one_that_is_held_back_waits_and_the_others_go_on() {
    let mut schedule = schedule(&format!("failover:(tcp://a:1,tcp://b:2)?{PLAIN}"), 0);
    let (a, _) = schedule.next_at(at(0)).unwrap();
    schedule.hold_back(&a, at(50));
    let mut now = 0;
    let mut seen = vec![];
    for _ in 0..7 {
        let (endpoint, delay) = schedule.next_at(at(now)).unwrap();
        now += delay.as_millis() as u64;
        seen.push((endpoint.port(), now));
    }
    assert_eq!(seen, [(2, 0), (2, 10), (2, 30), (1, 70), (2, 70), (1, 150), (2, 150)]);
}

#[test]
fn where_all_are_held_back_the_first_that_is_free_is_tried() {
    let mut schedule = schedule(&format!("failover:(tcp://a:1,tcp://b:2)?{PLAIN}"), 0);
    for until in [9000, 3000] {
        let (endpoint, _) = schedule.next_at(at(0)).unwrap();
        schedule.hold_back(&endpoint, at(until));
    }
    let (endpoint, delay) = schedule.next_at(at(1000)).unwrap();
    assert_eq!((endpoint.port(), delay), (2, Duration::from_secs(2)), "and jitter takes nothing of it");
}

#[test]
fn each_round_is_a_new_order_unless_told_otherwise() {
    let uri = "failover:(tcp://a:1,tcp://b:2,tcp://c:3,tcp://d:4)?startupMaxReconnectAttempts=-1";
    let rounds = |seed| {
        let ports: Vec<_> = tries(uri, seed, 40).iter().map(|row| row.0).collect();
        ports.chunks(4).map(<[u16]>::to_vec).collect::<Vec<_>>()
    };
    let sorted = |mut round: Vec<u16>| {
        round.sort_unstable();
        round
    };
    assert!(rounds(1).into_iter().all(|round| sorted(round) == [1, 2, 3, 4]), "each broker once a round");
    assert!(rounds(1).windows(2).any(|pair| pair[0][..3] != pair[1][..3]));
}

#[test]
fn priority_backup_orders_and_leaves_the_rest_to_luck() {
    let uri = "failover:(tcp://a:1,tcp://b:2,tcp://localhost:3,tcp://127.0.0.1:4)?priorityBackup=true&startupMaxReconnectAttempts=-1";
    let mut seen = alloc::collections::BTreeSet::new();
    for seed in 0..100 {
        let ports: Vec<_> = tries(uri, seed, 4).iter().map(|row| row.0).collect();
        assert!(ports[..2].iter().all(|port| *port > 2), "{ports:?}");
        seen.insert(ports);
    }
    assert_eq!(seen.len(), 4, "two orders of two brokers, twice");
    let uri = "failover:(tcp://a:1,tcp://127.0.0.2:2,tcp://[::1]:3)?priorityBackup=true&randomize=false";
    assert_eq!(tries(uri, 0, 9).iter().map(|row| row.0).collect::<Vec<_>>(), [2, 3, 1]);
}

#[test]
fn a_huge_policy_does_not_overflow() {
    let uri = "failover:(tcp://a:1)?startupMaxReconnectAttempts=-1&backOffMultiplier=1e300&maxReconnectDelay=18446744073709551615";
    assert_eq!(tries(uri, 0, 2000).len(), 2000);
    let uri = format!("{uri}&reconnectDelayJitter=18446744073709551615");
    assert_eq!(tries(&uri, 0, 2000).len(), 2000);
}

/// How long after the standby opened the last of a fleet is back: broker 1 is gone, 2 is the standby, others never come.
fn last_return(uri: &str, opens: u64) -> Duration {
    let opens = at(opens);
    let back = (0..1000).map(|seed| {
        let mut schedule = schedule(uri, seed);
        // Wherever they were before.
        while schedule.next().unwrap().0.port() != 1 {}
        schedule.connected();
        schedule.restart();
        let mut now = Timestamp::ZERO;
        loop {
            let (endpoint, delay) = schedule.next_at(now).unwrap();
            now = now.after(delay);
            if endpoint.port() == 2 && now >= opens {
                return now.since(opens);
            }
        }
    });
    back.max().unwrap()
}

#[test]
fn a_fleet_is_back_at_its_standby_soon_after_it_opens() {
    let two = "failover:(tcp://a:1,tcp://b:2)?startupMaxReconnectAttempts=-1";
    let three = "failover:(tcp://a:1,tcp://b:2,tcp://c:3)?startupMaxReconnectAttempts=-1";
    for (opens, within) in [(0, 0), (1500, 500), (5000, 1000), (30_000, 5000)] {
        for uri in [two, three] {
            let last = last_return(uri, opens);
            assert!(last <= Duration::from_millis(within), "{uri}, open after {opens} ms: {last:?}");
        }
    }
}
