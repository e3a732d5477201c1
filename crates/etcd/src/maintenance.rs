//! The Maintenance service: status, alarms, hashes, snapshots.
