#![no_main]
//! See `etcd::fuzzing`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| etcd::fuzzing::requests(data));
