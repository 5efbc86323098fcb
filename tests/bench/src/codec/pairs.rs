//! Times that can be compared on a busy machine: each slice is paired with a slice of the base just before it.

use std::time::Duration;

use cpu_time::ThreadTime;

/// How long a slice is meant to take.
const SLICE: Duration = Duration::from_millis(1);
/// How many pairs there are of each contestant.
pub(crate) const PAIRS: usize = 31;

/// Something to be timed: does its work once and says how many frames that were.
pub(crate) type Work = Box<dyn FnMut() -> u64>;

/// A contestant, with the number of times that its work fits into a slice.
struct Contestant {
    work: Work,
    times: u32,
}

/// What came out for one contestant.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The time of each slice relative to that of the base just before.
    pub(crate) ratios: Vec<f64>,
    /// Nanoseconds a frame in each slice.
    pub(crate) nanoseconds: Vec<f64>,
}

impl Contestant {
    /// Warms it up and finds out how long it takes.
    fn new(mut work: Work) -> Self {
        work();
        let mut contestant = Self { work, times: 1 };
        while contestant.run().0 < SLICE / 2 {
            contestant.times *= 2;
        }
        contestant
    }

    fn run(&mut self) -> (Duration, u64) {
        let start = ThreadTime::now();
        let frames = (0..self.times).map(|_| (self.work)()).sum();
        (start.elapsed(), frames)
    }

    /// Nanoseconds a frame in one slice.
    fn slice(&mut self) -> f64 {
        let (time, frames) = self.run();
        time.as_nanos() as f64 / frames as f64
    }
}

/// What came out for each, in turn with the base.
pub(crate) fn measure_all(base: Work, contestants: impl Iterator<Item = Work>) -> Vec<Outcome> {
    let mut contestants: Vec<_> = contestants.map(Contestant::new).collect();
    measure(&mut Contestant::new(base), &mut contestants)
}

/// All contestants in turn, as often as there are pairs, so that a busy moment hits all alike.
fn measure(base: &mut Contestant, contestants: &mut [Contestant]) -> Vec<Outcome> {
    let empty = Outcome { ratios: Vec::new(), nanoseconds: Vec::new() };
    let mut outcomes = vec![empty; contestants.len()];
    for _ in 0..PAIRS {
        for (contestant, outcome) in contestants.iter_mut().zip(&mut outcomes) {
            let reference = base.slice();
            let time = contestant.slice();
            outcome.ratios.push(time / reference);
            outcome.nanoseconds.push(time);
        }
    }
    outcomes
}

impl Outcome {
    /// The median of its time relative to the base.
    pub(crate) fn relative(&self) -> f64 {
        percentile(&self.ratios, 50)
    }

    /// Nanoseconds a frame in a quiet moment.
    pub(crate) fn quiet_nanoseconds(&self) -> f64 {
        percentile(&self.nanoseconds, 10)
    }

    /// Its time relative to another's: the median over the rounds.
    pub(crate) fn relative_to(&self, other: &Self) -> f64 {
        let ratios: Vec<_> = self.ratios.iter().zip(&other.ratios).map(|(own, other)| own / other).collect();
        percentile(&ratios, 50)
    }
}

/// The value below which `percent` of a hundred lie.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}
