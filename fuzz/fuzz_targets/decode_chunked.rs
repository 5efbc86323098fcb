//! A stream gives the same however it was cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stomp_checks::fuzzing::decode_chunked(data));
