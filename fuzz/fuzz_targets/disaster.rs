//! Sessions, model brokers and a network: the octets are the settings and the deeds of a run.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stomp_checks::fuzzing::disaster(data));
