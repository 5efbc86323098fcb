//! Any octets are parsed, in any setting.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stomp_checks::fuzzing::decode(data));
