#![no_main]
//! See `cel::fuzzing`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| cel::fuzzing::expressions(data));
