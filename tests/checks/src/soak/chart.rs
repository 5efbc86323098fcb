//! Samples over time: as text for a terminal, and as SVG.

use std::{fmt::Write as _, fs, io, path::Path};

use super::Sample;

/// A curve: its name and unit, and its values.
type Curve = (&'static str, Vec<f64>);

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const COLUMNS: usize = 100;

fn curves(samples: &[Sample]) -> [Curve; 5] {
    let all = |value: fn(&Sample) -> f64| samples.iter().map(value).collect();
    [
        ("memory, MiB", all(|sample| sample.memory as f64 / 1024.0)),
        ("file descriptors", all(|sample| sample.files as f64)),
        ("tasks", all(|sample| sample.tasks as f64)),
        ("p50, ms", all(|sample| sample.latency.0.as_secs_f64() * 1e3)),
        ("p99, ms", all(|sample| sample.latency.1.as_secs_f64() * 1e3)),
    ]
}

/// A line of bars for each curve, from its least to its largest value.
pub(super) fn text(samples: &[Sample]) -> String {
    let lines = curves(samples).map(|(name, values)| {
        let (least, most) = range(&values);
        let step = values.len().div_ceil(COLUMNS).max(1);
        let bars = values.chunks(step).map(|part| level(range(part).1, least, most));
        format!("{name:<17} {least:>9.1} to {most:>9.1}  {}", bars.collect::<String>())
    });
    lines.join("\n")
}

fn level(value: f64, least: f64, most: f64) -> char {
    let part = if most > least { (value - least) / (most - least) } else { 0.0 };
    LEVELS[((part * 7.99) as usize).min(LEVELS.len() - 1)]
}

fn range(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    (least, values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 120.0;
const MARGIN: f64 = 30.0;

/// Writes one panel for each curve, below each other.
pub(super) fn write_svg(file: &Path, samples: &[Sample]) -> io::Result<()> {
    let curves = curves(samples);
    let height = (HEIGHT + MARGIN) * curves.len() as f64 + MARGIN;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{:.0}" height="{height:.0}" font-family="sans-serif" font-size="12">"#,
        WIDTH + 2.0 * MARGIN
    );
    svg.push_str(r#"<rect width="100%" height="100%" fill="white"/>"#);
    for (row, (name, values)) in curves.iter().enumerate() {
        panel(&mut svg, name, values, MARGIN + row as f64 * (HEIGHT + MARGIN));
    }
    let length = samples.last().map_or(0.0, |sample| sample.at.as_secs_f64());
    _ = write!(svg, r#"<text x="{MARGIN}" y="{:.0}">0 to {length:.0} s</text></svg>"#, height - 10.0);
    fs::write(file, svg)
}

fn panel(svg: &mut String, name: &str, values: &[f64], top: f64) {
    let (least, most) = range(values);
    let points = values.iter().enumerate().map(|(at, value)| {
        let x = MARGIN + WIDTH * at as f64 / values.len().max(2).saturating_sub(1) as f64;
        let part = if most > least { (value - least) / (most - least) } else { 0.0 };
        format!("{x:.1},{:.1}", top + HEIGHT * (1.0 - part))
    });
    let points = points.collect::<Vec<_>>().join(" ");
    _ = write!(
        svg,
        r##"<text x="{MARGIN}" y="{:.0}">{name}: {least:.1} to {most:.1}</text><rect x="{MARGIN}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ccc"/><polyline points="{points}" fill="none" stroke="#06c"/>"##,
        top - 4.0
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_bars_shows_where_it_rises() {
        let samples: Vec<_> =
            (0..200).map(|at| Sample { memory: 1024 * (1 + at / 100), ..Sample::default() }).collect();
        let text = text(&samples);
        let first = text.lines().next().unwrap();
        assert!(first.starts_with("memory, MiB             1.0 to       2.0  ▁▁▁"), "{first}");
        assert!(first.ends_with("███"), "{first}");
        assert_eq!(text.lines().count(), 5);
    }
}
