//! Is an object one that Kubernetes would take: what [`create`] and [`update`] find wrong with it.
//!
//! Objects come here decoded and defaulted. What needs other objects (does the namespace exist, is
//! the address free) is the API server's to check.

use serde_json::Value;

use crate::Gvk;

mod address;
mod error;
mod field;
mod metadata;
mod pod;
mod selector;
mod workload;

pub use error::{ErrorKind, FieldError, aggregate, invalid_message};
use field::{Errors, Field};

/// What is wrong with a new object; nothing where it may be stored.
pub fn create(gvk: &Gvk, object: &Value) -> Vec<FieldError> {
    let errors = Errors::default();
    let root = Field::root(object, &errors);
    metadata::create(gvk, &root.at("metadata"));
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod") => pod::create(&root),
        _ => always(gvk, &root),
    }
    errors.into_inner()
}

/// What is wrong with a changed object, given what it was; nothing where it may be stored.
pub fn update(gvk: &Gvk, new: &Value, old: &Value) -> Vec<FieldError> {
    let errors = Errors::default();
    let root = Field::root(new, &errors);
    metadata::update(gvk, &root.at("metadata"), old);
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod") => pod::update(&root, old),
        ("apps", "Deployment" | "ReplicaSet") => {
            always(gvk, &root);
            workload::update(&root, old);
        }
        _ => always(gvk, &root),
    }
    errors.into_inner()
}

/// What must hold of an object whether it is new or changed.
fn always(gvk: &Gvk, object: &Field<'_>) {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "PodTemplate") => pod::template(&object.at("template")),
        ("apps", "Deployment") => workload::deployment(object),
        ("apps", "ReplicaSet") => workload::replica_set(object),
        ("autoscaling", "Scale") => workload::scale(object),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
