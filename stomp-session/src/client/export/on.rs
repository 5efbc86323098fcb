//! Counters and gauges of the crate `metrics`, which the driver updates after each of its turns that has changed them.
//!
//! They are updated by differences, so that the values of several clients add up: all clients have the same names, and
//! those that are connected to the same broker have the same label.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

use crate::{
    Endpoint,
    client::{contain::contained, shared::Shared, statistics::Statistics},
};

/// A name, a unit, a description, and a function that reads the value.
type Meter<S, T> = (&'static str, Unit, &'static str, fn(&S) -> T);

/// The counters. The guide has the same table.
const COUNTERS: [Meter<Statistics, u64>; 12] = [
    ("stomp_connections_total", Unit::Count, "Connections that were established", |it| it.connections),
    ("stomp_connections_lost_total", Unit::Count, "Established connections that have ended", |it| {
        it.connections_lost
    }),
    ("stomp_attempts_failed_total", Unit::Count, "Attempts to connect that failed", |it| it.attempts_failed),
    ("stomp_messages_received_total", Unit::Count, "Messages that came", |it| it.messages_received),
    ("stomp_messages_sent_total", Unit::Count, "Messages that were handed to the session to be sent", |it| {
        it.messages_sent
    }),
    ("stomp_confirmed_total", Unit::Count, "RECEIPTs that came for frames of the client", |it| it.confirmed),
    ("stomp_unconfirmed_total", Unit::Count, "Frames that were refused, not sent, or not answered", |it| {
        it.unconfirmed
    }),
    ("stomp_errors_total", Unit::Count, "ERRORs that ended neither a connection nor a subscription", |it| {
        it.errors
    }),
    (
        "stomp_resubscriptions_total",
        Unit::Count,
        "Subscriptions that were refused or cancelled, and sent again",
        |it| it.resubscriptions,
    ),
    ("stomp_too_large_total", Unit::Count, "Messages over the limits that were read past", |it| it.too_large),
    ("stomp_received_octets_total", Unit::Bytes, "Octets that were read", |it| it.octets_received),
    ("stomp_sent_octets_total", Unit::Bytes, "Octets that were written", |it| it.octets_sent),
];

/// The gauges. The guide has the same table.
const GAUGES: [Meter<Levels, usize>; 5] = [
    ("stomp_connected", Unit::Count, "Established connections", |it| it.connected),
    ("stomp_undelivered_octets", Unit::Bytes, "Octets of received messages that were not taken yet", |it| {
        it.undelivered
    }),
    ("stomp_unsent_octets", Unit::Bytes, "Octets that wait for the transport", |it| it.unsent),
    ("stomp_parked_octets", Unit::Bytes, "Octets of messages that wait for a connection with room", |it| {
        it.parked
    }),
    ("stomp_awaited_receipts", Unit::Count, "Frames that wait for their RECEIPT", |it| it.awaited),
];

/// The values of the gauges at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Levels {
    connected: usize,
    undelivered: usize,
    unsent: usize,
    parked: usize,
    awaited: usize,
}

impl Levels {
    fn of(shared: &Shared) -> Self {
        shared.with(|inner| Self {
            connected: usize::from(inner.session.connection().is_some()),
            undelivered: shared.pressure.undelivered(),
            unsent: inner.session.unsent(),
            parked: inner.parking.octets(),
            awaited: inner.session.awaited_receipts(),
        })
    }
}

/// The values that have been recorded.
#[derive(Debug, Default)]
pub(in super::super) struct Export {
    statistics: Statistics,
    levels: Levels,
    meters: Option<Meters>,
}

impl Export {
    /// From now on, records under the label of this broker. This finds a recorder that was installed in the meantime.
    pub(in super::super) fn begin(&mut self, broker: &Endpoint) {
        self.lower();
        // A recorder is not ours.
        self.meters = contained(|| Meters::of(broker)).ok();
    }

    /// Records what has changed.
    pub(in super::super) fn record(&mut self, shared: &Shared) {
        // Before the first attempt there is no broker to whom it belongs.
        let Some(meters) = &self.meters else { return };
        let (statistics, levels) = (shared.counters.read(), Levels::of(shared));
        drop(contained(|| meters.count(&self.statistics, &statistics)));
        drop(contained(|| meters.level(&self.levels, &levels)));
        (self.statistics, self.levels) = (statistics, levels);
    }

    /// Subtracts what was recorded from the gauges.
    fn lower(&mut self) {
        let levels = std::mem::take(&mut self.levels);
        if let Some(meters) = &self.meters {
            drop(contained(|| meters.level(&levels, &Levels::default())));
        }
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        self.lower();
    }
}

/// The counters and gauges of the sessions at one broker.
#[derive(Debug)]
struct Meters {
    counters: Vec<Counter>,
    gauges: Vec<Gauge>,
}

impl Meters {
    fn of(broker: &Endpoint) -> Self {
        let counters = COUNTERS.iter().map(|(name, unit, text, _)| {
            describe_counter!(*name, *unit, *text);
            counter!(*name, "broker" => broker.host().to_owned())
        });
        let gauges = GAUGES.iter().map(|(name, unit, text, _)| {
            describe_gauge!(*name, *unit, *text);
            gauge!(*name, "broker" => broker.host().to_owned())
        });
        Self { counters: counters.collect(), gauges: gauges.collect() }
    }

    fn count(&self, before: &Statistics, now: &Statistics) {
        for ((.., of), counter) in COUNTERS.iter().zip(&self.counters) {
            let more = of(now).wrapping_sub(of(before));
            if more > 0 {
                counter.increment(more);
            }
        }
    }

    fn level(&self, before: &Levels, now: &Levels) {
        for ((.., of), gauge) in GAUGES.iter().zip(&self.gauges) {
            let (before, now) = (of(before), of(now));
            if now > before {
                gauge.increment(now.saturating_sub(before) as f64);
            } else if before > now {
                gauge.decrement(before.saturating_sub(now) as f64);
            }
        }
    }
}
