//! For fuzzers: whatever bytes a client sends, they are read or refused.

/// Bytes as a client's SPDY frames.
pub fn spdy_frames(bytes: &[u8]) {
    crate::kubelet_api::fuzz_spdy_frames(bytes);
}
