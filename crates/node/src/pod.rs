//! One pod: from its object to running containers and back to its status.
//!
//! `worker` walks the way; `plan` decides each step. What is pure: `env`, `ephemeral`, `etc`,
//! `expand`, `fields`, `plan`, `probe`, `qos`, `references`, `resize`, `restart`, `security`, `spec`, `state`,
//! `status`, `unsupported`, `volumes::render`. The rest does the I/O.

pub(crate) mod check;
pub(crate) mod create;
pub(crate) mod env;
pub(crate) mod ephemeral;
pub(crate) mod etc;
pub(crate) mod expand;
pub(crate) mod fields;
pub(crate) mod image;
pub(crate) mod kill;
pub(crate) mod listen;
pub(crate) mod observe;
pub(crate) mod plan;
pub(crate) mod probe;
pub(crate) mod probing;
pub(crate) mod qos;
pub(crate) mod references;
pub(crate) mod report;
pub(crate) mod resize;
mod resizing;
pub(crate) mod restart;
pub(crate) mod sandbox;
pub(crate) mod security;
pub(crate) mod spec;
pub(crate) mod start;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod supply;
pub(crate) mod termination;
pub(crate) mod unsupported;
mod usage;
pub(crate) mod volumes;
pub(crate) mod worker;
