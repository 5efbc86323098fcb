//! Header lines of any kind, and what the accessors make of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stomp_checks::fuzzing::headers(data));
