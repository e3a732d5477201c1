//! The shim: the one process of a pod that makes and watches its containers.

use std::ffi::OsString;

/// Runs this process as a pod's shim and never returns.
///
/// To be called first thing in `main`, before any thread or asynchronous runtime exists, when
/// the first argument is `shim`. `args` are the arguments after that word.
pub fn shim_main(args: impl Iterator<Item = OsString>) -> ! {
    drop(args);
    std::process::exit(1)
}
