//! Messages of a WebSocket, cut in any way, and anything else.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stomp_checks::fuzzing::websocket(data));
