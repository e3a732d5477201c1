//! Is an object one that Kubernetes would take: what [`create`] and [`update`] find wrong with it.
//!
//! Objects come here decoded and defaulted. What needs other objects (does the namespace exist, is
//! the address free) is the API server's to check.

use serde_json::Value;

use crate::Gvk;

mod address;
mod cluster;
mod config;
mod definition;
mod endpoint_slice;
mod error;
mod event;
mod field;
mod ingress;
mod metadata;
mod pod;
mod priority_class;
mod rbac;
mod selector;
mod service;
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
        ("networking.k8s.io", "Ingress") => ingress::create(&root),
        _ => always(gvk, &root),
    }
    errors.into_inner()
}

/// What is wrong with a changed object, given what it was; nothing where it may be stored.
pub fn update(gvk: &Gvk, new: &Value, old: &Value) -> Vec<FieldError> {
    let errors = Errors::default();
    let root = Field::root(new, &errors);
    metadata::update(gvk, &root.at("metadata"), old);
    always(gvk, &root);
    changed(gvk, &root, old);
    errors.into_inner()
}

/// What must hold of an object whether it is new or changed.
fn always(gvk: &Gvk, object: &Field<'_>) {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "ConfigMap") => config::config_map(object),
        ("", "Event") => event::check(object, false),
        ("", "Namespace") => cluster::namespace(object),
        ("", "Node") => cluster::node(object),
        ("", "Pod") => pod::check(object),
        ("", "PodTemplate") => pod::template(&object.at("template")),
        ("", "Secret") => config::secret(object),
        ("", "Service") => service::check(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition::check(object),
        ("apps", "Deployment") => workload::deployment(object),
        ("apps", "ReplicaSet") => workload::replica_set(object),
        ("autoscaling", "Scale") => workload::scale(object),
        ("coordination.k8s.io", "Lease") => cluster::lease(object),
        ("discovery.k8s.io", "EndpointSlice") => endpoint_slice::check(object),
        ("events.k8s.io", "Event") => event::check(object, true),
        ("networking.k8s.io", "Ingress") => ingress::check(object),
        ("networking.k8s.io", "IngressClass") => ingress::class(object),
        ("rbac.authorization.k8s.io", _) => rbac::check(&gvk.kind, object),
        ("scheduling.k8s.io", "PriorityClass") => priority_class::check(object),
        _ => {}
    }
}

/// What may not change.
fn changed(gvk: &Gvk, object: &Field<'_>, old: &Value) {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "ConfigMap") => config::update(object, old),
        ("", "Node") => cluster::update_node(object, old),
        ("", "Pod") => pod::update(object, old),
        ("", "Secret") => config::update_secret(object, old),
        ("", "Service") => service::update(object, old),
        ("apps", "Deployment" | "ReplicaSet") => workload::update(object, old),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition::update(object, old),
        ("discovery.k8s.io", "EndpointSlice") => endpoint_slice::update(object, old),
        ("networking.k8s.io", "IngressClass") => ingress::update_class(object, old),
        ("rbac.authorization.k8s.io", _) => rbac::update(object, old),
        ("scheduling.k8s.io", "PriorityClass") => priority_class::update(object, old),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
