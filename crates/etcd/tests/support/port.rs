//! Ports for servers that are started later, or again and again, by other processes.
//!
//! A port that the kernel picked and that was closed again may be picked for any connection before
//! the server listens there. These are below all that the kernel picks from, and a test
//! process holds a lock file for each that it has.

use std::fs::File;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

/// Below the range of outgoing connections (32768 and up) and of node ports (30000 and up).
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// The locks on this process's ports. The kernel frees them when the process ends, however.
static CLAIMED: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port that nobody listens at and that no other test gets while this process lives.
pub fn free_port() -> u16 {
    let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
    let (port, lock) = PORTS.into_iter().find_map(claim).expect("a free port");
    claimed.push(lock);
    port
}

fn claim(port: u16) -> Option<(u16, File)> {
    let path = std::env::temp_dir().join(format!("sampan-test-port-{port}.lock"));
    let lock = File::create(path).expect("a lock file");
    let is_free = lock.try_lock().is_ok() && TcpListener::bind(("0.0.0.0", port)).is_ok();
    is_free.then_some((port, lock))
}
