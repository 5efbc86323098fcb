//! A broker URI of anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stomp_checks::fuzzing::uri(data));
