//! Is an object one that Kubernetes would take: what [`create`] and [`update`] find wrong with it.
//!
//! Objects come here decoded and defaulted. What needs other objects (does the namespace exist, is
//! the address free) is the API server's to check.

use serde_json::Value;

use crate::Gvk;

mod error;
mod field;
mod metadata;

pub use error::{ErrorKind, FieldError, aggregate, invalid_message};
use field::{Errors, Field};

/// What is wrong with a new object; nothing where it may be stored.
pub fn create(gvk: &Gvk, object: &Value) -> Vec<FieldError> {
    let errors = Errors::default();
    let root = Field::root(object, &errors);
    metadata::create(gvk, &root.at("metadata"));
    errors.into_inner()
}

/// What is wrong with a changed object, given what it was; nothing where it may be stored.
pub fn update(gvk: &Gvk, new: &Value, old: &Value) -> Vec<FieldError> {
    let errors = Errors::default();
    let root = Field::root(new, &errors);
    metadata::update(gvk, &root.at("metadata"), old);
    errors.into_inner()
}
