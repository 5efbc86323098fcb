//! The driver stops reading while consumers take what it has read.

use std::sync::Arc;

use loom::{sync::Notify, thread};

use super::gauge::Gauge;

const MANY: usize = 3;
const FEW: usize = 1;

/// The driver and the waker that consumers find.
struct Shared {
    gauge: Gauge,
    woken: Notify,
}

impl Shared {
    fn full() -> Arc<Self> {
        let shared = Self { gauge: Gauge::default(), woken: Notify::new() };
        shared.gauge.add(MANY + 1);
        Arc::new(shared)
    }

    fn take(&self, octets: usize) {
        if self.gauge.take(octets) {
            self.woken.notify();
        }
    }

    /// What a driver does that has no other reason to be polled.
    fn read_on(&self) {
        while self.gauge.wait(MANY, FEW) {
            self.woken.wait();
        }
        self.gauge.go_on();
    }
}

#[test]
fn who_takes_the_last_message_wakes_the_driver_that_stops_reading_meanwhile() {
    loom::model(|| {
        let shared = Shared::full();
        let consumer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || (0..2).for_each(|_| shared.take(2))
        });
        shared.read_on();
        consumer.join().unwrap();
    });
}

#[test]
fn one_of_two_who_take_at_once_wakes_the_driver() {
    loom::model(|| {
        let shared = Shared::full();
        let consumers = [2, 2].map(|octets| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.take(octets))
        });
        shared.read_on();
        consumers.into_iter().for_each(|consumer| consumer.join().unwrap());
        assert_eq!(shared.gauge.level(), 0);
    });
}

#[test]
fn nobody_wakes_a_driver_that_reads() {
    loom::model(|| {
        let gauge = Arc::new(Gauge::default());
        gauge.add(2);
        let consumer = thread::spawn({
            let gauge = Arc::clone(&gauge);
            move || assert!(!gauge.take(1) && !gauge.take(1))
        });
        gauge.add(1);
        consumer.join().unwrap();
        assert_eq!(gauge.level(), 1);
    });
}
