//! The Election service: a leader by name, as long as its lease.
