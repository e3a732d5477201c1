#![no_main]
//! See `apiserver::fuzzing`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| apiserver::fuzzing::request_lines(data));
