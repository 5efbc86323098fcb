//! How long things took: counts in buckets whose width is a 32nd of their value, so that memory does not grow.

use std::{fmt::Write as _, time::Duration};

/// Below this, each microsecond has its bucket.
const LINEAR: u64 = 64;
/// So many buckets for each doubling beyond that.
const PARTS: u64 = 32;
/// The columns of the longest bar.
const COLUMNS: u64 = 40;

/// The times.
#[derive(Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    longest: u64,
}

/// The bucket of a time in microseconds.
const fn bucket(time: u64) -> usize {
    if time < LINEAR {
        return time as usize;
    }
    let doublings = time.ilog2() as u64 - 6;
    let part = (time >> (doublings + 1)) - PARTS;
    (LINEAR + doublings * PARTS + part) as usize
}

/// The largest time of a bucket.
const fn ceiling(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < LINEAR {
        return bucket;
    }
    let (doublings, part) = ((bucket - LINEAR) / PARTS, (bucket - LINEAR) % PARTS);
    ((part + PARTS + 1) << (doublings + 1)) - 1
}

impl Histogram {
    pub(crate) fn record(&mut self, time: Duration) {
        // A day is the longest: so the buckets are few.
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).min(86_400_000_000);
        let at = bucket(time);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
        self.count += 1;
        self.longest = self.longest.max(time);
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The time within which this fraction was done, in milliseconds.
    pub(crate) fn percentile(&self, fraction: f64) -> f64 {
        let wanted = (fraction * self.count as f64).ceil().max(1.0) as u64;
        let mut passed = 0;
        let found = self.counts.iter().position(|count| {
            passed += count;
            passed >= wanted
        });
        found.map_or(0, |at| ceiling(at).min(self.longest)) as f64 / 1000.0
    }

    /// The longest, in milliseconds.
    pub(crate) const fn longest(&self) -> f64 {
        self.longest as f64 / 1000.0
    }

    /// A bar for each doubling of the time.
    pub(crate) fn plot(&self) -> String {
        let mut rows: Vec<(u64, u64)> = Vec::new();
        for (at, count) in self.counts.iter().enumerate() {
            let limit = (ceiling(at) + 1).next_power_of_two();
            match rows.last_mut() {
                Some((last, sum)) if *last == limit => *sum += count,
                _ => rows.push((limit, *count)),
            }
        }
        let first = rows.iter().position(|(_, count)| *count > 0).unwrap_or_default();
        let most = rows.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
        rows[first..].iter().fold(String::new(), |mut plot, (limit, count)| {
            // What is there is seen, however little it is.
            let columns = (count * COLUMNS).div_ceil(most);
            let bar = "#".repeat(usize::try_from(columns).unwrap_or_default());
            _ = writeln!(plot, "  < {:>9.3} ms |{bar:<40}| {count}", *limit as f64 / 1000.0);
            plot
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_times_and_no_others() {
        let mut last = None;
        for time in (0..5_000).chain([1 << 20, (1 << 20) + 1, 86_400_000_000]) {
            let at = bucket(time);
            assert!(ceiling(at) >= time, "{time}");
            assert!(at == 0 || ceiling(at - 1) < time, "{time}");
            assert!(last <= Some(at));
            last = Some(at);
        }
    }

    #[test]
    fn percentiles_are_within_a_32nd() {
        let mut times = Histogram::default();
        (1..=1000).for_each(|time| times.record(Duration::from_millis(time)));
        for (fraction, right) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0), (0.0, 1.0)] {
            let found = times.percentile(fraction);
            assert!((right..=right * 33.0 / 32.0).contains(&found), "{fraction}: {found}");
        }
        assert_eq!(times.plot().lines().count(), 11);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let times = Histogram::default();
        assert!(times.is_empty() && times.plot().is_empty());
        assert_eq!(times.percentile(0.5), 0.0);
    }
}
