//! What Kubernetes fills in where an object does not say: apply it after decoding, before validation.
//!
//! Only what follows from the object itself is here. What is allocated (addresses, ports) or comes
//! from other objects (service account, priority, limit ranges) belongs to the API server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::{Gvk, meta};

mod access;
mod admission;
mod controller;
mod pod;
mod probe;
mod service;
mod storage;
mod volume;
mod workload;
mod zeros;

/// Fills in the defaults of a kind. Kinds without defaults, and what is not an object, stay as they are.
pub fn apply(gvk: &Gvk, object: &mut Value) {
    if !object.is_object() {
        return;
    }
    of_kind(gvk, object);
    zeros::apply(gvk, object);
}

fn of_kind(gvk: &Gvk, object: &mut Value) {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod") => pod::apply(object),
        ("", "PodTemplate") => in_made(object, "template", pod::apply_made_template),
        ("", "Endpoints") => endpoints(object),
        // Core v1 requires it.
        ("", "Event") => fill(object, "involvedObject", json!({})),
        ("", "LimitRange") => in_object(object, "spec", |spec| each(spec, "limits", limit_range)),
        ("", "Namespace") => namespace(object),
        ("", "Node") => node(object),
        ("", "PersistentVolume") => storage::volume(object),
        ("", "PersistentVolumeClaim") => storage::claim(object),
        ("", "ReplicationController") => workload::replication_controller(object),
        ("", "Secret") => secret(object),
        ("", "Service") => service::apply(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("apiregistration.k8s.io", "APIService") => api_service(object),
        ("apps", "Deployment") => workload::deployment(object),
        ("apps", "ReplicaSet") => workload::replica_set(object),
        ("admissionregistration.k8s.io", kind) => admission::apply(kind, object),
        ("apps", "DaemonSet") => controller::daemon_set(object),
        ("apps", "StatefulSet") => controller::stateful_set(object),
        ("autoscaling", "HorizontalPodAutoscaler") => controller::autoscaler(object),
        ("batch", "CronJob") => controller::cron_job(object),
        ("batch", "Job") => controller::job(object),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => access::flow_schema(object),
        ("flowcontrol.apiserver.k8s.io", _) => access::priority_level(object),
        ("networking.k8s.io", "NetworkPolicy") => access::network_policy(object),
        ("resource.k8s.io", "ResourceClaim") => in_object(object, "spec", access::device_requests),
        ("resource.k8s.io", "ResourceClaimTemplate") => {
            in_object(object, "spec", |spec| in_object(spec, "spec", access::device_requests));
        }
        ("storage.k8s.io", "CSIDriver") => storage::csi_driver(object),
        ("storage.k8s.io", "StorageClass") => storage::class(object),
        ("autoscaling", "Scale") => fill(object, "spec", json!({})),
        ("discovery.k8s.io", "EndpointSlice") => endpoint_slice(object),
        ("networking.k8s.io", "IngressClass") => in_object(object, "spec", ingress_class),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding" | "RoleBinding") => role_binding(object),
        ("scheduling.k8s.io", "PriorityClass") => {
            set(object, "preemptionPolicy", "PreemptLowerPriority");
        }
        ("authentication.k8s.io", "TokenRequest") => token_request(object),
        _ => {}
    }
}

fn namespace(object: &mut Value) {
    let name = meta::name(object).to_owned();
    if !name.is_empty() {
        meta::set_label(object, "kubernetes.io/metadata.name", &name);
    }
    in_made(object, "spec", |spec| fill(spec, "finalizers", json!(["kubernetes"])));
    in_made(object, "status", |status| set(status, "phase", "Active"));
}

/// Besides, the first range of addresses is the one that older clients know; if the two are not
/// the same, theirs counts.
fn node(object: &mut Value) {
    in_made(object, "spec", |spec| {
        let first = spec["podCIDRs"][0].as_str().unwrap_or_default().to_owned();
        match crate::read::text(spec, "podCIDR").to_owned() {
            old if old == first => {}
            old if old.is_empty() => set(spec, "podCIDR", first),
            old => spec["podCIDRs"] = json!([old]),
        }
    });
    in_object(object, "status", |status| {
        let capacity = status.get("capacity").cloned();
        if let Some(capacity) = capacity {
            fill(status, "allocatable", capacity);
        }
    });
}

/// Plain texts go over to `data`, which holds base64, and win over what is there.
fn secret(object: &mut Value) {
    set(object, "type", "Opaque");
    let plain = object.as_object_mut().and_then(|fields| fields.remove("stringData"));
    let Some(Value::Object(plain)) = plain else { return };
    in_made(object, "data", |data| {
        for (key, text) in plain {
            data[key.as_str()] = STANDARD.encode(text.as_str().unwrap_or_default()).into();
        }
    });
}

fn endpoints(object: &mut Value) {
    each(object, "subsets", |subset| each(subset, "ports", |port| set(port, "protocol", "TCP")));
}

/// A limit of containers that is not given is the most there may be; a request is the limit, or else
/// the least.
fn limit_range(limit: &mut Value) {
    if crate::read::text(limit, "type") != "Container" {
        return;
    }
    for (field, from) in
        [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")]
    {
        let amounts = limit.get(from).and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, amount) in amounts {
            in_made(limit, field, |given| fill(given, &name, amount));
        }
    }
}

fn endpoint_slice(object: &mut Value) {
    each(object, "ports", |port| {
        fill(port, "name", json!(""));
        set(port, "protocol", "TCP");
    });
}

/// A reference to parameters is to a cluster's object unless it says otherwise.
fn ingress_class(spec: &mut Value) {
    in_object(spec, "parameters", |parameters| set(parameters, "scope", "Cluster"));
}

/// Users and groups are names of the group that roles are in; ServiceAccounts are core objects.
fn role_binding(object: &mut Value) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    in_object(object, "roleRef", |role| set(role, "apiGroup", GROUP));
    each(object, "subjects", |subject| {
        if matches!(subject["kind"].as_str(), Some("User" | "Group")) {
            set(subject, "apiGroup", GROUP);
        }
    });
}

/// Names that follow from others, and objects that are not converted.
fn definition(object: &mut Value) {
    const HTTPS: i64 = 443;
    in_object(object, "spec", |spec| {
        in_object(spec, "names", |names| {
            let kind = names["kind"].as_str().unwrap_or_default().to_owned();
            if !kind.is_empty() {
                set(names, "singular", kind.to_lowercase());
                set(names, "listKind", format!("{kind}List"));
            }
        });
        fill(spec, "conversion", json!({"strategy": "None"}));
        in_object(spec, "conversion", |conversion| {
            in_object(conversion, "webhook", |webhook| {
                in_object(webhook, "clientConfig", |client| {
                    in_object(client, "service", |service| fill(service, "port", json!(HTTPS)));
                });
            });
        });
    });
}

fn api_service(object: &mut Value) {
    const HTTPS: i64 = 443;
    in_object(object, "spec", |spec| {
        in_object(spec, "service", |service| fill(service, "port", json!(HTTPS)));
    });
}

fn token_request(object: &mut Value) {
    const ONE_HOUR: i64 = 60 * 60;
    in_made(object, "spec", |spec| fill(spec, "expirationSeconds", json!(ONE_HOUR)));
}

/// Sets a field that is missing or null.
fn fill(value: &mut Value, field: &str, default: Value) {
    if let Some(fields) = value.as_object_mut() {
        let slot = fields.entry(field).or_insert(Value::Null);
        if slot.is_null() {
            *slot = default;
        }
    }
}

/// Sets a text or number that is missing, empty or zero: Go cannot tell these apart.
fn set(value: &mut Value, field: &str, default: impl Into<Value>) {
    if !crate::read::is_empty(value, field) {
        return;
    }
    if let Some(fields) = value.as_object_mut() {
        fields.insert(field.to_owned(), default.into());
    }
}

/// Works on a field that is an object; does nothing where there is none.
fn in_object(value: &mut Value, field: &str, work: impl FnOnce(&mut Value)) {
    if let Some(inner) = value.get_mut(field).filter(|inner| inner.is_object()) {
        work(inner);
    }
}

/// Works on a field that is an object, made where it is missing.
fn in_made(value: &mut Value, field: &str, work: impl FnOnce(&mut Value)) {
    fill(value, field, json!({}));
    in_object(value, field, work);
}

/// Works on every item of a list that is an object.
fn each(value: &mut Value, field: &str, work: impl FnMut(&mut Value)) {
    let items = value.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten();
    items.filter(|item| item.is_object()).for_each(work);
}

#[cfg(test)]
mod tests;
