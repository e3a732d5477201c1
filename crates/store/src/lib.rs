//! The store: an MVCC key space in memory over a durable log. Bytes only.
