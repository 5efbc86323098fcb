//! The committed seeds of the fuzz targets, replayed without a fuzzer.

use std::{fs, path::Path};

use stomp_checks::fuzzing;

/// The seeds of a target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let files = fs::read_dir(&seeds).unwrap_or_else(|error| panic!("{}: {error}", seeds.display()));
    let read = |path: &Path| {
        println!("{}", path.display());
        fs::read(path).unwrap()
    };
    let seeds: Vec<_> = files.map(|file| read(&file.unwrap().path())).collect();
    assert!(seeds.len() > 20, "{target} has only {} seeds", seeds.len());
    seeds
}

/// Runs every seed of a target with each first octet there is: it is the one that chooses settings and laws.
fn replay_in_every_setting(target: &str, run: fn(&[u8])) {
    for mut seed in seeds(target) {
        for choice in 0..=u8::MAX {
            if let Some(first) = seed.first_mut() {
                *first = choice;
            }
            run(&seed);
        }
    }
}

#[test]
fn decode() {
    replay_in_every_setting("decode", fuzzing::decode);
}

#[test]
fn decode_chunked() {
    replay_in_every_setting("decode_chunked", fuzzing::decode_chunked);
}

#[test]
fn round_trip() {
    replay_in_every_setting("round_trip", fuzzing::round_trip);
}

#[test]
fn headers() {
    replay_in_every_setting("headers", fuzzing::headers);
}

#[test]
fn session() {
    seeds("session").iter().for_each(|seed| stomp_checks::play::play(seed));
}

#[test]
fn disaster() {
    seeds("disaster").iter().for_each(|seed| fuzzing::disaster(seed));
}

#[test]
fn uri() {
    seeds("uri").iter().for_each(|seed| fuzzing::uri(seed));
}

#[test]
fn websocket() {
    replay_in_every_setting("websocket", fuzzing::websocket);
}

/// A target without a replay would have seeds that nobody runs.
#[test]
fn every_target_is_replayed() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    let mut names: Vec<_> = fs::read_dir(targets).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "decode.rs",
            "decode_chunked.rs",
            "disaster.rs",
            "headers.rs",
            "round_trip.rs",
            "session.rs",
            "uri.rs",
            "websocket.rs"
        ]
    );
}
