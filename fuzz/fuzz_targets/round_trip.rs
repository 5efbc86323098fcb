//! Any frame reads back as itself, or cannot be written.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stomp_checks::fuzzing::round_trip(data));
