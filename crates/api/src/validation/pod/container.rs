//! Containers, init containers and ephemeral containers.

use std::collections::BTreeSet;

use super::volume::Volumes;
use super::{Seen, claim, env, handler, label, mount, resources, security};
use crate::names;
use crate::validation::address;
use crate::validation::field::Field;

const RESTART_POLICIES: [&str; 3] = ["Always", "Never", "OnFailure"];
const SIDECARS_ONLY: &str = "may not be set for init containers without restartPolicy=Always";

/// What the containers of a pod have in common.
struct Pod<'a> {
    volumes: &'a Volumes<'a>,
    claims: &'a claim::Claims<'a>,
    /// How long it may take to end.
    grace: i64,
    restart: &'a str,
    /// Are its users those of the host?
    host_users: bool,
}

/// All containers of a pod, which has these volumes and claims.
pub(super) fn all<'a>(spec: &Field<'a>, volumes: &Volumes<'a>, claims: &claim::Claims<'a>) {
    let pod = Pod {
        volumes,
        claims,
        grace: spec.at("terminationGracePeriodSeconds").number(),
        restart: spec.at("restartPolicy").text(),
        host_users: spec.at("hostUsers").value != &serde_json::Value::Bool(false),
    };
    let containers = spec.at("containers");
    if containers.is_empty() {
        containers.required("");
    }
    let mut names = Seen::default();
    for container in containers.items() {
        common(&container, &pod);
        names.check(&container.at("name"));
        hooks_and_probes(&container, pod.grace);
    }
    let mut host_ports = BTreeSet::new();
    containers.items().for_each(|container| host_ports_are_free(&container, &mut host_ports));
    for container in spec.at("initContainers").items() {
        common(&container, &pod);
        names.check(&container.at("name"));
        // These run one after the other.
        host_ports_are_free(&container, &mut BTreeSet::new());
        init(&container, pod.grace);
    }
    for container in spec.at("ephemeralContainers").items() {
        common(&container, &pod);
        names.check(&container.at("name"));
        ephemeral(&container, spec);
    }
}

fn common(container: &Field<'_>, pod: &Pod<'_>) {
    label(&container.at("name"));
    container.at("image").must_be_given();
    container.at("terminationMessagePolicy").one_of(&["File", "FallbackToLogsOnError"]);
    ports(&container.at("ports"));
    env::variables(&container.at("env"));
    env::sources(&container.at("envFrom"));
    mount::check(container, pod.volumes);
    container.at("imagePullPolicy").one_of(&["Always", "IfNotPresent", "Never"]);
    resources::check(&container.at("resources"), pod.claims, resources::Of::Container);
    resize_policy(&container.at("resizePolicy"), pod.restart);
    security::of_container(&container.at("securityContext"), pod.host_users);
    let restart = container.at("restartPolicy");
    if restart.is_some() {
        restart.one_of(&RESTART_POLICIES);
    }
}

/// What a change of resources does to a container; most paths upstream are the list's.
fn resize_policy(list: &Field<'_>, pod_restarts: &str) {
    let mut seen = BTreeSet::new();
    for item in list.items() {
        let (resource, policy) = (item.at("resourceName"), item.at("restartPolicy"));
        if !seen.insert(resource.text()) {
            item.showing(resource.value).duplicate();
        }
        list.showing(resource.value).one_of(&["cpu", "memory"]);
        list.showing(policy.value).one_of(&["NotRequired", "RestartContainer"]);
        if pod_restarts == "Never" && policy.text() != "NotRequired" {
            list.showing(policy.value)
                .invalid_text("must be 'NotRequired' when `restartPolicy` is 'Never'");
        }
    }
}

fn ports(ports: &Field<'_>) {
    let mut seen = Seen::default();
    for port in ports.items() {
        let (name, number, host) = (port.at("name"), port.at("containerPort"), port.at("hostPort"));
        if !name.is_empty() {
            name.well_formed(names::port_name);
            seen.check(&name);
        }
        match number.is_empty() {
            true => number.required(""),
            false => address::port(&number),
        }
        if !host.is_empty() {
            address::port(&host);
        }
        address::protocol(&port.at("protocol"));
    }
}

/// Two containers of a pod cannot have the same port of the host.
fn host_ports_are_free(container: &Field<'_>, taken: &mut BTreeSet<String>) {
    for port in container.at("ports").items() {
        let host = port.at("hostPort");
        if host.number() == 0 {
            continue;
        }
        let (address, protocol) = (port.at("hostIP").text(), port.at("protocol").text());
        let key = format!("{protocol}/{address}/{}", host.number());
        if taken.contains(&key) {
            host.showing(&key.as_str().into()).duplicate();
        }
        taken.insert(key);
    }
}

fn hooks_and_probes(container: &Field<'_>, grace: i64) {
    handler::lifecycle(&container.at("lifecycle"), grace);
    for kind in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = container.at(kind);
        if probe.is_some() {
            handler::probe(&probe, kind);
        }
    }
}

/// Only those that go on running beside the others have hooks and probes.
fn init(container: &Field<'_>, grace: i64) {
    let resize = container.at("resizePolicy");
    if !resize.is_empty() && container.at("restartPolicy").text() != "Always" {
        resize.invalid("must not be set for init containers");
    }
    if container.at("restartPolicy").text() == "Always" {
        return hooks_and_probes(container, grace);
    }
    for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
        if container.at(field).is_some() {
            container.at(field).forbidden(SIDECARS_ONLY);
        }
    }
}

fn ephemeral(container: &Field<'_>, spec: &Field<'_>) {
    const NOT_FOR_IT: &str = "cannot be set for an Ephemeral Container";
    let target = container.at("targetContainerName");
    let mut others =
        ["containers", "initContainers"].into_iter().flat_map(|list| spec.at(list).items());
    if !target.is_empty() && !others.any(|other| other.at("name").text() == target.text()) {
        target.not_found();
    }
    let fields = [
        "ports",
        "resources",
        "resizePolicy",
        "restartPolicy",
        "restartPolicyRules",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
    ];
    for field in fields.into_iter().map(|field| container.at(field)) {
        if !field.is_empty() {
            field.forbidden(NOT_FOR_IT);
        }
    }
    for mount in container.at("volumeMounts").items() {
        for field in ["subPath", "subPathExpr"].map(|field| mount.at(field)) {
            if !field.is_empty() {
                field.forbidden(NOT_FOR_IT);
            }
        }
    }
}
