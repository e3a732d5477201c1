//! Is an object one that Kubernetes would take: what [`create`] and [`update`] find wrong with it.
//!
//! Objects come here decoded and defaulted. What needs other objects (does the namespace exist, is
//! the address free) is the API server's to check.

use serde_json::Value;

use crate::Gvk;

mod address;
mod admission;
mod api_service;
mod autoscaler;
mod budget;
mod certificate;
mod cluster;
mod config;
mod controller;
mod cron;
mod cron_job;
mod csi;
mod definition;
mod device;
mod domain_path;
mod endpoint_slice;
mod error;
mod event;
mod failure_policy;
mod field;
mod flow;
mod ingress;
mod job;
mod metadata;
mod network;
mod pod;
mod policy;
mod priority_class;
mod rbac;
mod resource_name;
mod selector;
mod service;
mod source;
mod status;
mod storage;
mod storage_class;
mod storage_names;
mod workload;

pub use error::{ErrorKind, FieldError, aggregate, invalid_message};
pub use field::same;
use field::{Errors, Field};

/// What is wrong with a new object; nothing where it may be stored.
pub fn create(gvk: &Gvk, object: &Value) -> Vec<FieldError> {
    let errors = Errors::default();
    let root = Field::root(object, &errors);
    metadata::create(gvk, &root.at("metadata"));
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod") => pod::create(&root),
        ("networking.k8s.io", "Ingress") => ingress::create(&root),
        ("batch", "CronJob") => cron_job::create(&root),
        _ => always(gvk, &root, None),
    }
    errors.into_inner()
}

/// What is wrong with a changed object, given what it was; nothing where it may be stored.
pub fn update(gvk: &Gvk, new: &Value, old: &Value) -> Vec<FieldError> {
    let errors = Errors::default();
    let root = Field::root(new, &errors);
    metadata::update(gvk, &root.at("metadata"), old);
    always(gvk, &root, Some(old));
    changed(gvk, &root, old);
    errors.into_inner()
}

/// The same of an object whose status is written, and its metadata along.
pub fn update_status(gvk: &Gvk, new: &Value, old: &Value) -> Vec<FieldError> {
    let errors = Errors::default();
    let root = Field::root(new, &errors);
    metadata::update(gvk, &root.at("metadata"), old);
    status::check(gvk, &root, old);
    errors.into_inner()
}

/// The same of a CertificateSigningRequest that is approved or denied.
pub fn update_approval(new: &Value, old: &Value) -> Vec<FieldError> {
    let errors = Errors::default();
    let root = Field::root(new, &errors);
    certificate::update_approval(&root, old);
    let gvk = Gvk::new("certificates.k8s.io", "v1", "CertificateSigningRequest");
    metadata::update(&gvk, &root.at("metadata"), old);
    errors.into_inner()
}

/// The same for a Pod of which nothing but the ephemeral containers may differ.
pub fn update_debuggers(new: &Value, old: &Value) -> Vec<FieldError> {
    update_pod(new, old, pod::update_debuggers)
}

/// The same for a Pod of which nothing but requests and limits may differ.
pub fn update_resources(new: &Value, old: &Value) -> Vec<FieldError> {
    update_pod(new, old, pod::update_resources)
}

fn update_pod(new: &Value, old: &Value, part: fn(&Field<'_>, &Value)) -> Vec<FieldError> {
    let errors = Errors::default();
    let root = Field::root(new, &errors);
    metadata::update(&Gvk::core("Pod"), &root.at("metadata"), old);
    pod::check(&root);
    part(&root, old);
    errors.into_inner()
}

/// What must hold of an object whether it is new or changed; `old` is what it was.
fn always(gvk: &Gvk, object: &Field<'_>, old: Option<&Value>) {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "ConfigMap") => config::config_map(object),
        ("", "Event") => event::check(object, old, false),
        ("", "Namespace") => cluster::namespace(object, old.is_some()),
        ("", "Node") => cluster::node(object, old),
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
        ("events.k8s.io", "Event") => event::check(object, old, true),
        ("networking.k8s.io", "Ingress") => ingress::check(object),
        ("networking.k8s.io", "IngressClass") => ingress::class(object),
        ("rbac.authorization.k8s.io", _) => rbac::check(&gvk.kind, object),
        ("scheduling.k8s.io", "PriorityClass") => priority_class::check(object),
        _ => others(gvk, object, old),
    }
}

/// The same of kinds that nothing here acts upon, or whose controllers are elsewhere.
fn others(gvk: &Gvk, object: &Field<'_>, old: Option<&Value>) {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Endpoints") => network::endpoints(object),
        ("", "LimitRange") => budget::limits(object),
        ("", "PersistentVolume") => storage::volume(object),
        ("", "PersistentVolumeClaim") => storage::claim(object),
        ("", "ReplicationController") => workload::replication_controller(object),
        ("", "ResourceQuota") => budget::quota(object),
        (
            "admissionregistration.k8s.io",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => admission::webhooks(object),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => policy::validating(object),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy") => policy::mutating(object),
        ("admissionregistration.k8s.io", kind) => {
            policy::binding(object, kind == "ValidatingAdmissionPolicyBinding");
        }
        ("apiregistration.k8s.io", "APIService") => api_service::check(object),
        ("apps", "ControllerRevision") => controller::revision(object),
        ("apps", "DaemonSet") => controller::daemon_set(object),
        ("apps", "StatefulSet") => controller::stateful_set(object),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler::check(object, old),
        ("batch", "CronJob") => cron_job::check(object, old),
        ("batch", "Job") => job::check(object),
        ("certificates.k8s.io", _) => certificate::check(object),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => flow::schema(object),
        ("flowcontrol.apiserver.k8s.io", _) => flow::level(object),
        ("networking.k8s.io", "IPAddress") => network::ip_address(object),
        ("networking.k8s.io", "NetworkPolicy") => network::policy(object),
        ("networking.k8s.io", "ServiceCIDR") => network::service_range(object),
        ("node.k8s.io", _) => network::runtime_class(object),
        ("policy", "PodDisruptionBudget") => budget::disruption(object),
        ("resource.k8s.io", kind) => devices(kind, object, old),
        ("storage.k8s.io", "CSIDriver") => csi::driver(object),
        ("storage.k8s.io", "CSINode") => csi::node(object),
        ("storage.k8s.io", "CSIStorageCapacity") => csi::capacity(object),
        ("storage.k8s.io", "StorageClass") => storage_class::class(object),
        ("storage.k8s.io", "VolumeAttachment") => storage_class::attachment(object),
        ("storage.k8s.io", "VolumeAttributesClass") => storage_class::attributes_class(object),
        _ => {}
    }
}

/// Requests for devices do not change, so they are judged once.
fn devices(kind: &str, object: &Field<'_>, old: Option<&Value>) {
    match kind {
        "DeviceClass" => device::class(object),
        "ResourceClaim" if old.is_none() => device::claim(object),
        "ResourceClaimTemplate" if old.is_none() => device::template(object),
        "ResourceSlice" => device::slice(object, old),
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
        ("", "PersistentVolume") => storage::update_volume(object, old),
        ("", "PersistentVolumeClaim") => storage::update_claim(object, old),
        ("", "ResourceQuota") => budget::update_quota(object, old),
        ("apps", "ControllerRevision") => controller::update_revision(object, old),
        ("apps", "DaemonSet") => controller::update_daemon_set(object, old),
        ("apps", "StatefulSet") => controller::update_stateful_set(object, old),
        ("batch", "Job") => job::update(object, old),
        ("certificates.k8s.io", _) => certificate::update(object, old),
        ("networking.k8s.io", "IPAddress") => network::update_ip_address(object, old),
        ("networking.k8s.io", "ServiceCIDR") => network::update_service_range(object, old),
        ("node.k8s.io", _) => network::update_runtime_class(object, old),
        ("resource.k8s.io", "ResourceClaim" | "ResourceClaimTemplate") => {
            object.at("spec").immutable(crate::read::at(old, &["spec"]));
        }
        ("storage.k8s.io", "CSIDriver") => csi::update_driver(object, old),
        ("storage.k8s.io", "CSINode") => csi::update_node(object, old),
        ("storage.k8s.io", "CSIStorageCapacity") => csi::update_capacity(object, old),
        ("storage.k8s.io", "StorageClass") => storage_class::update_class(object, old),
        ("storage.k8s.io", "VolumeAttachment") => storage_class::update_attachment(object, old),
        ("storage.k8s.io", "VolumeAttributesClass") => {
            storage_class::update_attributes_class(object, old);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
