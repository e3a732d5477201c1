//! Is an object one that Kubernetes would take: what `create` and `update` find wrong with it.
//!
//! Objects come here decoded and defaulted.

mod error;

pub use error::{ErrorKind, FieldError, aggregate, invalid_message};
