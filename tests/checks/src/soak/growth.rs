//! Whether something grows that should not, by the slope of its medians.

use std::fmt;

use super::Sample;

/// A quantity over the second half of a run.
#[derive(Clone, Debug)]
pub struct Growth {
    /// What it is, with its unit.
    pub what: &'static str,
    /// Its median in the first and in the last part of that half.
    pub from: f64,
    /// See `from`.
    pub to: f64,
    /// By how much the line that fits best rises over that half.
    pub rise: f64,
    /// What it may rise by luck.
    pub most: f64,
}

impl Growth {
    /// Returns whether it rises by more than luck explains.
    #[must_use]
    pub fn is_leak(&self) -> bool {
        self.rise > self.most
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, from, to, rise, most } = self;
        let verdict = if self.is_leak() { "LEAK" } else { "ok" };
        write!(
            f,
            "{what}: {from:.0} to {to:.0} in the second half, rising by {rise:.1} (at most {most:.1}): {verdict}"
        )
    }
}

/// The parts into which the second half of a run is divided: what counts of each is the median, which neither a burst nor the
/// absence of a broker changes.
const PARTS: usize = 12;

/// So many samples has a part at least.
const LEAST: usize = 10;

/// What it is, its value in a sample, and what it may rise by luck around that mean.
type Quantity = (&'static str, fn(&Sample) -> f64, fn(f64) -> f64);

/// Returns what has become of memory, file descriptors, tasks and threads in the second half of a run.
#[must_use]
pub fn growth(samples: &[Sample]) -> Vec<Growth> {
    let half = &samples[samples.len() / 2..];
    if half.len() < PARTS * LEAST {
        return Vec::new();
    }
    let quantities: [Quantity; 4] = [
        // The allocator keeps what it was given: a twentieth, and 4 MiB, are no leak.
        ("memory, KiB", |sample| sample.memory as f64, |mean| mean / 20.0 + 4096.0),
        ("file descriptors", |sample| sample.files as f64, |_| 3.0),
        ("tasks", |sample| sample.tasks as f64, |_| 3.0),
        ("threads", |sample| sample.threads as f64, |_| 3.0),
    ];
    quantities
        .into_iter()
        .map(|(what, value, most)| of(what, half.iter().map(value).collect(), most))
        .collect()
}

fn of(what: &'static str, values: Vec<f64>, most: fn(f64) -> f64) -> Growth {
    let parts: Vec<_> = values.chunks(values.len().div_ceil(PARTS)).map(median).collect();
    let mean = parts.iter().sum::<f64>() / parts.len() as f64;
    let (from, to) = (parts[0], parts[parts.len() - 1]);
    Growth { what, from, to, rise: slope(&parts) * parts.len() as f64, most: most(mean) }
}

fn median(part: &[f64]) -> f64 {
    let mut sorted = part.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The slope of the line with the least squares, for each step.
fn slope(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let (mean_x, mean_y) = ((count - 1.0) / 2.0, values.iter().sum::<f64>() / count);
    let deviations = values.iter().enumerate().map(|(x, y)| (x as f64 - mean_x, y - mean_y));
    let (covariance, variance) = deviations.fold((0.0, 0.0), |(xy, xx), (x, y)| (xy + x * y, xx + x * x));
    if variance == 0.0 { 0.0 } else { covariance / variance }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(memory: impl Fn(usize) -> u64) -> Vec<Growth> {
        let sample = |at| Sample { memory: memory(at), files: 20, tasks: 50, ..Sample::default() };
        growth(&(0..240).map(sample).collect::<Vec<_>>())
    }

    #[test]
    fn a_leak_rises_and_a_burst_does_not() {
        let leaks = |growth: Vec<Growth>| growth.iter().filter(|one| one.is_leak()).count();
        assert_eq!(leaks(run(|at| 20_000 + 100 * at as u64)), 1);
        assert_eq!(leaks(run(|at| if at % 7 == 0 { 90_000 } else { 20_000 })), 0);
        // What a program needs before it is warm.
        assert_eq!(leaks(run(|at| 20_000 + 1000 * at.min(100) as u64)), 0);
        let files = |at: usize| Sample { files: 20 + at / 10, ..Sample::default() };
        assert_eq!(leaks(growth(&(0..240).map(files).collect::<Vec<_>>())), 1);
    }

    #[test]
    fn a_run_that_is_too_short_says_nothing() {
        assert!(growth(&vec![Sample::default(); 200]).is_empty());
    }
}
