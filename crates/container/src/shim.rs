//! The shim: the one process of a pod that makes and watches its containers.
//!
//! It has one thread and must keep it so: libcontainer clones this process raw, and a lock held
//! by another thread would never be released in the clone. It talks to nobody but its clients
//! and the kernel, sleeps in poll(2), and ends only when told to stop.

mod bundle;
mod calls;
mod capabilities;
mod client;
mod container;
mod descriptors;
mod event_loop;
mod exec;
mod log;
mod passwd;
mod program;
mod reap;
mod rootfs;
mod seccomp;
mod setup;
mod stdio;

use std::ffi::OsString;
use std::path::PathBuf;

/// Runs this process as a pod's shim and never returns.
///
/// To be called first thing in `main`, before any thread or asynchronous runtime exists, when
/// the first argument is `shim`. `args` are the arguments after that word.
pub fn shim_main(mut args: impl Iterator<Item = OsString>) -> ! {
    let Some(directory) = args.next().map(PathBuf::from) else {
        eprintln!("usage: shim POD-DIRECTORY (this is started by the server, not by hand)");
        std::process::exit(2)
    };
    match setup::prepare(directory) {
        Ok(shim) => {
            setup::say("ready");
            shim.run()
        }
        Err(error) => {
            setup::say(&error);
            std::process::exit(1)
        }
    }
}
