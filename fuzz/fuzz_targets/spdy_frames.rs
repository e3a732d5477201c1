#![no_main]
//! See `node::fuzzing`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| node::fuzzing::spdy_frames(data));
