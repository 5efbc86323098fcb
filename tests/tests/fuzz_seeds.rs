//! The committed seeds of the fuzz targets, replayed without a fuzzer.

use std::{fs, path::Path};

use stomp_testkit::fuzzing;

/// Runs every seed of a target; gives how many there are.
fn replay(target: &str, run: fn(&[u8])) -> usize {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let files = fs::read_dir(&seeds).unwrap_or_else(|error| panic!("{}: {error}", seeds.display()));
    let mut count = 0;
    for file in files {
        let path = file.unwrap().path();
        println!("{}", path.display());
        run(&fs::read(path).unwrap());
        count += 1;
    }
    count
}

#[test]
fn decode() {
    assert!(replay("decode", fuzzing::decode) > 20);
}

#[test]
fn decode_chunked() {
    assert!(replay("decode_chunked", fuzzing::decode_chunked) > 20);
}

#[test]
fn round_trip() {
    assert!(replay("round_trip", fuzzing::round_trip) > 20);
}

#[test]
fn headers() {
    assert!(replay("headers", fuzzing::headers) > 20);
}

#[test]
fn session() {
    assert!(replay("session", stomp_testkit::play::play) > 20);
}

#[test]
fn uri() {
    assert!(replay("uri", fuzzing::uri) > 20);
}

/// A target without a replay would have seeds that nobody runs.
#[test]
fn every_target_is_replayed() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    let mut names: Vec<_> = fs::read_dir(targets).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        ["decode.rs", "decode_chunked.rs", "headers.rs", "round_trip.rs", "session.rs", "uri.rs"]
    );
}
