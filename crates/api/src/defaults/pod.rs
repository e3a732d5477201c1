//! Pods, and the templates that become pods.

use serde_json::{Value, json};

use super::{each, fill, in_made, in_object, probe, set, volume};
use crate::read;

pub(super) fn apply(pod: &mut Value) {
    in_made(pod, "spec", |spec| {
        requests_from_limits(spec);
        apply_spec(spec);
        fill(spec, "enableServiceLinks", json!(true));
        host_ports(spec);
    });
    // As the registry does on create: what has no status is pending.
    in_made(pod, "status", |status| set(status, "phase", "Pending"));
}

/// A template that is there even where it was not given.
pub(super) fn apply_made_template(template: &mut Value) {
    in_made(template, "spec", apply_spec);
}

fn apply_spec(spec: &mut Value) {
    const GRACE_SECONDS: i64 = 30;
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "restartPolicy", "Always");
    fill(spec, "securityContext", json!({}));
    fill(spec, "terminationGracePeriodSeconds", json!(GRACE_SECONDS));
    set(spec, "schedulerName", "default-scheduler");
    service_account(spec);
    for containers in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec, containers, container);
    }
    each(spec, "volumes", volume::apply);
}

/// `serviceAccount` is the old name of `serviceAccountName`; both are kept alike.
fn service_account(spec: &mut Value) {
    let name = match (read::text(spec, "serviceAccountName"), read::text(spec, "serviceAccount")) {
        ("", "") => return,
        ("", old) => old.to_owned(),
        (name, _) => name.to_owned(),
    };
    spec["serviceAccountName"] = json!(name);
    spec["serviceAccount"] = json!(name);
}

/// In the host's network a container's port is the host's port. Templates do not say so.
fn host_ports(spec: &mut Value) {
    if !read::flag(spec, "hostNetwork") {
        return;
    }
    for containers in ["containers", "initContainers"] {
        each(spec, containers, |container| each(container, "ports", host_port));
    }
}

fn host_port(port: &mut Value) {
    if let Some(number) = read::int(port, "containerPort") {
        set(port, "hostPort", number);
    }
}

fn container(container: &mut Value) {
    let policy = pull_policy(read::text(container, "image"));
    set(container, "imagePullPolicy", policy);
    set(container, "terminationMessagePath", "/dev/termination-log");
    set(container, "terminationMessagePolicy", "File");
    fill(container, "resources", json!({}));
    each(container, "ports", |port| set(port, "protocol", "TCP"));
    each(container, "env", env_source);
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        in_object(container, field, probe::apply);
    }
    in_object(container, "lifecycle", |lifecycle| {
        for hook in ["postStart", "preStop"] {
            in_object(lifecycle, hook, probe::handler);
        }
    });
}

fn env_source(variable: &mut Value) {
    in_object(variable, "valueFrom", |source| {
        in_object(source, "fieldRef", |field| set(field, "apiVersion", "v1"));
        in_object(source, "resourceFieldRef", volume::resource_field);
        in_object(source, "fileKeyRef", |file| fill(file, "optional", json!(false)));
    });
}

/// `Always` for what may change behind the same name: the tag `latest`, or neither tag nor digest.
pub(super) fn pull_policy(image: &str) -> &'static str {
    let (name, has_digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let last = name.rsplit('/').next().unwrap_or_default();
    let is_latest = last.split_once(':').map_or(!has_digest, |(_, tag)| tag == "latest");
    if is_latest { "Always" } else { "IfNotPresent" }
}

/// A limit without a request is the request as well.
fn requests_from_limits(spec: &mut Value) {
    for containers in ["containers", "initContainers"] {
        each(spec, containers, |container| in_object(container, "resources", requests));
    }
    in_object(spec, "resources", requests);
}

fn requests(resources: &mut Value) {
    let Some(limits) = read::object(resources, "limits").cloned() else { return };
    in_made(resources, "requests", |requests| {
        for (name, limit) in limits {
            fill(requests, &name, limit);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_may_change_are_always_pulled() {
        let check = |image, policy| assert_eq!(pull_policy(image), policy, "{image}");
        check("nginx", "Always");
        check("nginx:latest", "Always");
        check("nginx:1.27", "IfNotPresent");
        check("localhost:5000/nginx", "Always");
        check("localhost:5000/nginx:1", "IfNotPresent");
        check("nginx@sha256:abc", "IfNotPresent");
        check("nginx:latest@sha256:abc", "Always");
        check("nginx:1.27@sha256:abc", "IfNotPresent");
    }
}
