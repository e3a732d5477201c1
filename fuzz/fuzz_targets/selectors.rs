#![no_main]
//! See `api::fuzzing`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| api::fuzzing::selectors(data));
