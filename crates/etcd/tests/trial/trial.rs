//! The trial of a server that is killed: what concurrent clients did and saw, and whether one
//! order of it all can explain it.
//!
//! - [`model`]: what an operation does to a key space, one at a time
//! - [`history`]: what was asked, what was answered, and when; an answer may be missing
//! - [`linear`]: the checker of linearizability, key by key, that believes no revision
//! - [`timeline`]: the stricter one, that holds the server to every revision it named
//! - [`leases`]: no lease ends early, a lapsed one ends in time
//! - [`load`], [`watching`], [`renewing`]: the clients; [`wire`]: what they say
//! - [`vessel`]: the server that is killed
//! - [`voyage`]: the load, the kills and the checks, window after window
//!
//! It is used by the tests of this crate (against its own server and Debian's) and by the
//! end-to-end tests of the binary.

pub mod history;
pub mod leases;
pub mod linear;
pub mod load;
pub mod model;
pub mod renewing;
pub mod timeline;
pub mod vessel;
pub mod voyage;
pub mod watching;
pub mod wire;
