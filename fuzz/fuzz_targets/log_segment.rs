#![no_main]
//! See `store::fuzzing`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| store::fuzzing::log_segment(data));
