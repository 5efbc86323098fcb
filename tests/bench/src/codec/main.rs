//! Times the codec beside its peers and a lower bound, in one run.

#![forbid(unsafe_code)]

mod decode;
mod goals;
mod pairs;
mod results;

use std::{
    env,
    fs::{self, File},
    hint::black_box,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use stomp_bench::{
    corpus::{self, Send},
    decoders,
    encoders::{self, Encode},
};

use crate::{
    decode::decode,
    pairs::{PAIRS, Work, measure_all},
    results::Results,
};

const USAGE: &str = "usage: codec [--json PATH]";
const DEFAULT_JSON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/codec.jsonl");
/// Octets written before the buffer is emptied, as a client does that flushes at 64 KiB.
const FLUSH: usize = 64 * 1024;

fn main() -> ExitCode {
    let Some(path) = json_path() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let results = run();
    match write_json(&path, &results) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn json_path() -> Option<PathBuf> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Some(DEFAULT_JSON.into()),
        ["--json", path] => Some(path.into()),
        _ => None,
    }
}

fn run() -> [Results; 3] {
    println!(
        "Thread CPU time a frame: 10th percentile of {PAIRS} slices (median relative to the lower bound).\n"
    );
    let whole = decode(corpus::whole(), decoders::decoders);
    let chunked = decode(corpus::chunked(), decoders::decoders);
    let encode = encode(corpus::sends());
    for results in [&whole, &chunked, &encode] {
        results.print_times();
    }
    println!("Time relative to ours.\n");
    whole.print_ratios(decoders::OURS);
    chunked.print_ratios(decoders::OURS);
    encode.print_ratios(encoders::OURS);
    println!("What is wanted of these ratios.\n");
    goals::print(&[&whole, &chunked], &encode);
    [whole, chunked, encode]
}

fn encode(sends: Vec<Send>) -> Results {
    let names = encoders::encoders(&sends[0]).into_iter().map(|(name, _)| name).collect();
    let mut results = Results::new("encode", names);
    for send in sends {
        let send: &'static Send = Box::leak(Box::new(send));
        eprintln!("encode: {}", send.name);
        let works = encoders::encoders(send).into_iter().map(|(_, encoder)| writing(encoder, send));
        let base = encoders::encoders(send).swap_remove(0).1;
        results.push(send.name, measure_all(writing(base, send), works));
    }
    results
}

fn writing(mut encoder: Box<dyn Encode>, send: &'static Send) -> Work {
    let frames = (FLUSH / encoders::reference(send).len()).max(1) as u64;
    Box::new(move || {
        for _ in 0..frames {
            encoder.write(black_box(send));
        }
        black_box(encoder.written());
        encoder.clear();
        frames
    })
}

fn write_json(path: &Path, results: &[Results]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut out = BufWriter::new(File::create(path)?);
    for results in results {
        results.write_json(&mut out)?;
    }
    out.flush()
}
