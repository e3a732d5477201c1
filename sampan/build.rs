//! Links the binary at a fixed address, and identical functions once.
//!
//! Every pod has a shim, which is this binary. A position-independent one is relocated when it
//! starts, and each relocated page becomes the shim's own: about a megabyte for every pod.
//!
//! The same generic code for different types often comes out as the same instructions. lld, with
//! which Rust links on x86-64 by itself, keeps one copy of them.
//!
//! The names of functions were a third of the file. Cargo's own `strip` is forgotten for a package
//! with settings of its own, as this one has. A panic still says its file and line; for a backtrace
//! with names: `cargo build --release --config profile.release.debug=1`.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-bins=-no-pie");
    if env::var("DEBUG").is_ok_and(|debug| debug == "false") {
        println!("cargo:rustc-link-arg-bins=-Wl,--strip-all");
    }
    if links_with_lld() {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}

/// Whether it is the linker that Rust comes with: no other was asked for.
fn links_with_lld() -> bool {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|v| v == value);
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("HOST", &env::var("TARGET").unwrap_or_default())
        && env::var_os("RUSTC_LINKER").is_none()
        && !["fuse-ld", "linker"].iter().any(|word| flags.contains(word))
}
