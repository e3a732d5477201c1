//! The Lease service.
