//! The Kubernetes object model: schema, defaulting, validation, patch, apply, selectors. No I/O, no async.
//!
//! Objects are `serde_json::Value`s, so that no field is lost on the way through; what a
//! type looks like is a [`schema::TypeSchema`], which everything else here walks.

pub mod cel;
pub mod custom;
pub mod defaults;
pub mod fields;
#[doc(hidden)]
pub mod fuzzing;
pub mod go;
pub mod gvk;
pub mod meta;
pub mod names;
pub mod patch;
pub mod policy;
pub mod protobuf;
pub mod qos;
pub mod quantity;
pub mod quota;
mod read;
pub mod schema;
pub mod selector;
pub mod status;
pub mod validation;
pub mod warnings;

pub use gvk::Gvk;
pub use quantity::Quantity;
pub use schema::TypeSchema;
pub use validation::FieldError;
