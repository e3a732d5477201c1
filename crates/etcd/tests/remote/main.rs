//! The store over a real etcd. Without an `etcd` on the PATH, each test says so and is skipped.

mod away;
mod cluster;
mod etcd_process;
mod leader;
mod load;
#[path = "../support/port.rs"]
mod port;
mod proxy;
mod secured;
mod single;
mod support;
