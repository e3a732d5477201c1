//! What a write of an object's status may say.

use std::net::IpAddr;

use super::address;
use super::field::Field;
use crate::{Gvk, names};

/// Numbers of pods, which are at most those of `replicas`.
const PARTS: [&str; 6] = [
    "fullyLabeledReplicas",
    "readyReplicas",
    "availableReplicas",
    "currentReplicas",
    "updatedReplicas",
    "unavailableReplicas",
];

pub(super) fn check(gvk: &Gvk, object: &Field<'_>) {
    let status = object.at("status");
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "ReplicationController") | ("apps", "ReplicaSet") => {
            counts(&status, &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"]);
        }
        ("apps", "Deployment") => {
            counts(&status, &["updatedReplicas", "readyReplicas", "availableReplicas"]);
        }
        ("apps", "StatefulSet") => counts(
            &status,
            &["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"],
        ),
        ("policy", "PodDisruptionBudget") => {
            let numbers =
                ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];
            numbers.iter().for_each(|field| status.at(field).not_negative());
        }
        ("", "Service") | ("networking.k8s.io", "Ingress") => balancer(&status),
        _ => {}
    }
}

/// How many pods there are, and that no part of them is more than all.
fn counts(status: &Field<'_>, parts: &[&str]) {
    const TOO_MANY: &str = "cannot be greater than status.replicas";
    let all = status.at("replicas");
    all.not_negative();
    PARTS.iter().for_each(|field| status.at(field).not_negative());
    status.at("observedGeneration").not_negative();
    for part in parts.iter().map(|field| status.at(field)) {
        if part.number() > all.number() {
            part.invalid(TOO_MANY);
        }
    }
    let (available, ready) = (status.at("availableReplicas"), status.at("readyReplicas"));
    if available.number() > ready.number() {
        available.invalid("cannot be greater than readyReplicas");
    }
}

/// Where a balancer can be reached.
fn balancer(status: &Field<'_>) {
    for entry in status.at("loadBalancer").at("ingress").items() {
        let (ip, host) = (entry.at("ip"), entry.at("hostname"));
        if !ip.is_empty() {
            address::ip(&ip);
        }
        if !host.is_empty() {
            host.well_formed(names::dns_subdomain);
            if host.text().parse::<IpAddr>().is_ok() {
                host.invalid("must be a DNS name, not an IP address");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::validation::update_status;

    #[track_caller]
    fn check(kind: &str, status: Value, expected: &[&str]) {
        let object = json!({"metadata": {"name": "a", "namespace": "b"}, "status": status});
        let errors = update_status(&kind.parse().unwrap(), &object, &object);
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, expected);
    }

    #[test]
    fn parts_are_not_more_than_the_whole() {
        check("apps/v1/ReplicaSet", json!({"replicas": 2, "readyReplicas": 2}), &[]);
        check(
            "apps/v1/ReplicaSet",
            json!({"replicas": 1, "readyReplicas": 2, "availableReplicas": -1}),
            &[
                "status.availableReplicas: Invalid value: -1: must be greater than or equal to 0",
                "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
            ],
        );
    }

    #[test]
    fn balancers_have_addresses_and_names() {
        check(
            "networking.k8s.io/v1/Ingress",
            json!({"loadBalancer": {"ingress": [{"ip": "a"}, {"hostname": "10.0.0.1"}]}}),
            &[
                "status.loadBalancer.ingress[0].ip: Invalid value: \"a\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
                "status.loadBalancer.ingress[1].hostname: Invalid value: \"10.0.0.1\": must be a DNS name, not an IP address",
            ],
        );
    }

    #[test]
    fn metadata_is_checked_with_the_status() {
        let object = |label: &str| json!({"metadata": {"name": "a", "namespace": "b", "labels": {"x": label}}});
        let gvk = "apps/v1/Deployment".parse().unwrap();
        assert_eq!(update_status(&gvk, &object("fine"), &object("old")), []);
        assert_eq!(
            update_status(&gvk, &object("not fine"), &object("old"))[0].path,
            "metadata.labels"
        );
    }
}
