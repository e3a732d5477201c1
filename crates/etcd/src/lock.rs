//! The Lock service: locks by name, held as long as a lease.
