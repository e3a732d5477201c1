//! What a PATCH request does to an object: JSON patch, merge patch, strategic merge
//! patch and server-side apply. Each works on whole JSON objects and does no I/O;
//! validation and defaulting of the result are the caller's.

pub mod apply;
pub(crate) mod depth;
pub mod json;
pub mod merge;
pub mod strategic;
