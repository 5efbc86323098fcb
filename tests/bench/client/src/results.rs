//! All outcomes of a run, and how they are shown: a table for people, JSON lines for programs.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::Path,
    time::Duration,
};

use stomp_bench::table;

/// Of one contestant, a value a round.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    /// Nanoseconds of CPU time a message.
    pub(crate) cpu: Vec<f64>,
    /// The median wait, where each message is waited for.
    pub(crate) wall: Vec<f64>,
}

/// Octets that are allocated for an idle connection.
#[derive(Clone, Debug)]
pub(crate) struct Heap {
    pub(crate) name: String,
    pub(crate) octets: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) heap: Vec<Heap>,
}

impl Outcome {
    pub(crate) fn add_waits(&mut self, mut waits: Vec<Duration>) {
        waits.sort_unstable();
        self.wall.extend(waits.get(waits.len() / 2).map(|wait| wait.as_nanos() as f64));
    }
}

impl Results {
    /// The median of the CPU times, in nanoseconds.
    pub(crate) fn cpu(&self, name: &str) -> Option<f64> {
        self.outcome(name).and_then(|outcome| percentile(&outcome.cpu, 50))
    }

    /// The median of the median waits, in nanoseconds.
    pub(crate) fn wall(&self, name: &str) -> Option<f64> {
        self.outcome(name).and_then(|outcome| percentile(&outcome.wall, 50))
    }

    pub(crate) fn heap(&self, name: &str) -> Option<f64> {
        self.heap.iter().find(|heap| heap.name == name).map(|heap| heap.octets)
    }

    fn outcome(&self, name: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.name == name)
    }

    pub(crate) fn print(&self) {
        let mut rows =
            vec![["work", "who", "CPU, us", "10 % to 90 %", "p50, us"].map(str::to_owned).to_vec()];
        rows.extend(self.outcomes.iter().map(Outcome::row));
        table::print(&rows);
        if !self.heap.is_empty() {
            let mut rows = vec![["idle", "octets of heap"].map(str::to_owned).to_vec()];
            rows.extend(self.heap.iter().map(|heap| vec![heap.name.clone(), format!("{:.0}", heap.octets)]));
            table::print(&rows);
        }
    }

    /// A line for each contestant.
    pub(crate) fn write_json(&self, path: &Path) -> io::Result<()> {
        path.parent().map(fs::create_dir_all).transpose()?;
        let mut out = BufWriter::new(File::create(path)?);
        // No name has a character that JSON escapes.
        for outcome in &self.outcomes {
            let (work, who) = split(outcome.name);
            let [low, median, high] = [10, 50, 90].map(|percent| json(percentile(&outcome.cpu, percent)));
            let wall = json(percentile(&outcome.wall, 50));
            writeln!(
                out,
                "{{\"work\":\"{work}\",\"who\":\"{who}\",\"rounds\":{},\"cpu_ns\":{median},\
                 \"cpu_ns_p10\":{low},\"cpu_ns_p90\":{high},\"wall_ns_p50\":{wall}}}",
                outcome.cpu.len(),
            )?;
        }
        for Heap { name, octets } in &self.heap {
            writeln!(out, "{{\"work\":\"idle\",\"who\":\"{name}\",\"octets\":{octets:.0}}}")?;
        }
        out.flush()
    }
}

impl Outcome {
    fn row(&self) -> Vec<String> {
        let (work, who) = split(self.name);
        let [low, median, high] = [10, 50, 90].map(|percent| shown(percentile(&self.cpu, percent)));
        let wall = shown(percentile(&self.wall, 50));
        vec![work.to_owned(), who.to_owned(), median, format!("{low} to {high}"), wall]
    }
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((name, ""))
}

fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) * percent / 100).copied()
}

/// Microseconds, with no more digits than mean something.
fn shown(nanoseconds: Option<f64>) -> String {
    match nanoseconds {
        None => String::new(),
        Some(time) if time < 10_000.0 => format!("{:.2}", time / 1e3),
        Some(time) if time < 1e6 => format!("{:.1}", time / 1e3),
        Some(time) => format!("{:.0}", time / 1e3),
    }
}

fn json(nanoseconds: Option<f64>) -> String {
    nanoseconds.map_or_else(|| "null".to_owned(), |time| format!("{time:.1}"))
}
