//! What is valid and yet likely not what its writer wants: texts for Warning headers, in upstream's words.
//!
//! Upstream warns where people write: of pods when they are made, of templates when they change.

use serde_json::Value;

use crate::{Gvk, meta, names, read};

mod node_label;
mod pod;
mod ports;
mod storage;

/// Of a new object.
pub fn create(gvk: &Gvk, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    name(gvk, object, &mut found);
    always(gvk, object, &mut found);
    if gvk.is("", "Pod") {
        pod::check("", object, &mut found);
    } else {
        template(gvk, object, &mut found);
    }
    found
}

/// Of a changed object.
pub fn update(gvk: &Gvk, old: &Value, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    always(gvk, object, &mut found);
    if old["spec"] != object["spec"] || old["template"] != object["template"] {
        template(gvk, object, &mut found);
    }
    found
}

/// Pods are named after their owners, and hosts after pods.
fn name(gvk: &Gvk, object: &Value, found: &mut Vec<String>) {
    let whose = match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod") => "the Pod's hostname",
        ("", "ReplicationController")
        | ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
        | ("batch", "Job" | "CronJob") => "Pod names and hostnames",
        _ => return,
    };
    let name = meta::name(object);
    let problems = names::dns_label(name);
    // One that is yet to be made ends well if it begins well.
    if !name.is_empty() && !problems.is_empty() {
        found.push(format!(
            "metadata.name: this is used in {whose}, which can result in surprising behavior; a \
             DNS label is recommended: [{}]",
            problems.join(" ")
        ));
    }
}

/// The template of what makes pods.
fn template(gvk: &Gvk, object: &Value, found: &mut Vec<String>) {
    let path: &[&str] = match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "PodTemplate") => &["template"],
        ("", "ReplicationController")
        | ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
        | ("batch", "Job") => &["spec", "template"],
        ("batch", "CronJob") => &["spec", "jobTemplate", "spec", "template"],
        _ => return,
    };
    let template = read::at(object, path);
    if template.is_object() {
        pod::check(&format!("{}.", path.join(".")), template, found);
    }
}

fn always(gvk: &Gvk, object: &Value, found: &mut Vec<String>) {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Node") => node(object, found),
        ("", "PersistentVolume") => storage::volume(object, found),
        ("", "PersistentVolumeClaim") => storage::claim(object, found),
        ("", "Service") => service(object, found),
        ("apps", "StatefulSet") => {
            let spec = &object["spec"];
            if read::int(spec, "revisionHistoryLimit").is_some_and(|limit| limit < 0) {
                found.push(
                    "spec.revisionHistoryLimit: a negative value retains all historical revisions; \
                     a value >= 0 is recommended"
                        .to_owned(),
                );
            }
        }
        ("networking.k8s.io", "Ingress") => ingress(object, found),
        ("storage.k8s.io", "StorageClass") => storage::class(object, found),
        _ => {}
    }
}

fn ingress(object: &Value, found: &mut Vec<String>) {
    if meta::annotation(object, "kubernetes.io/ingress.class").is_some() {
        found.push(
            "annotation \"kubernetes.io/ingress.class\" is deprecated, please use \
             'spec.ingressClassName' instead"
                .to_owned(),
        );
    }
}

fn node(object: &Value, found: &mut Vec<String>) {
    let spec = &object["spec"];
    if !spec["configSource"].is_null() {
        found.push("spec.configSource: the feature is removed in v1.24".to_owned());
    }
    if !read::is_empty(spec, "externalID") {
        found.push(
            "spec.externalID: this field is deprecated, and is unused by Kubernetes".to_owned(),
        );
    }
}

fn service(object: &Value, found: &mut Vec<String>) {
    const OLD: &str = "service.kubernetes.io/topology-aware-hints";
    const NEW: &str = "service.kubernetes.io/topology-mode";
    if meta::annotation(object, OLD).is_some() {
        found.push(format!("annotation {OLD} is deprecated, please use {NEW} instead"));
    }
    let spec = &object["spec"];
    let by_name = read::text(spec, "type") == "ExternalName";
    if by_name && !read::list(spec, "externalIPs").is_empty() {
        found.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if !by_name && !read::text(spec, "externalName").is_empty() {
        found
            .push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
}

#[cfg(test)]
mod tests;
