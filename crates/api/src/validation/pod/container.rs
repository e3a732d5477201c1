//! Containers, init containers and ephemeral containers.

use std::collections::BTreeSet;

use super::{Seen, env, handler, label, mount, resources, security};
use crate::names;
use crate::validation::address;
use crate::validation::field::Field;

const RESTART_POLICIES: [&str; 3] = ["Always", "Never", "OnFailure"];
const SIDECARS_ONLY: &str = "may not be set for init containers without restartPolicy=Always";

/// All containers of a pod, which has these volumes.
pub(super) fn all(spec: &Field<'_>, volumes: &BTreeSet<&str>) {
    let containers = spec.at("containers");
    if containers.is_empty() {
        containers.required("");
    }
    let (mut names, mut host_ports) = (Seen::default(), BTreeSet::new());
    let grace = spec.at("terminationGracePeriodSeconds").number();
    for container in containers.items() {
        common(&container, volumes);
        names.check(&container.at("name"));
        hooks_and_probes(&container, grace);
        host_ports_are_free(&container, &mut host_ports);
    }
    for container in spec.at("initContainers").items() {
        common(&container, volumes);
        names.check(&container.at("name"));
        init(&container, grace);
    }
    for container in spec.at("ephemeralContainers").items() {
        common(&container, volumes);
        names.check(&container.at("name"));
        ephemeral(&container, spec);
    }
}

fn common(container: &Field<'_>, volumes: &BTreeSet<&str>) {
    label(&container.at("name"));
    container.at("image").must_be_given();
    container.at("terminationMessagePolicy").one_of(&["File", "FallbackToLogsOnError"]);
    ports(&container.at("ports"));
    env::variables(&container.at("env"));
    env::sources(&container.at("envFrom"));
    mount::check(container, volumes);
    container.at("imagePullPolicy").one_of(&["Always", "IfNotPresent", "Never"]);
    resources::check(&container.at("resources"));
    security::of_container(&container.at("securityContext"));
    let restart = container.at("restartPolicy");
    if restart.is_some() {
        restart.one_of(&RESTART_POLICIES);
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
