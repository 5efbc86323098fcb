//! The life of a session: commands, frames, cuts, losses and the passing of time, in any order.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stomp_checks::play::play_quickly(data));
