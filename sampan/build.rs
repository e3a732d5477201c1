//! Links the binary at a fixed address.
//!
//! Every pod has a shim, which is this binary. A position-independent one is relocated when it
//! starts, and each relocated page becomes the shim's own: about a megabyte for every pod.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-bins=-no-pie");
}
