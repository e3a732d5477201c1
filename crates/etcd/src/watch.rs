//! The Watch service: many watches on one stream.
