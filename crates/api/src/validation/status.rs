//! What a write of an object's status may say.

use std::net::IpAddr;

use serde_json::Value;

use super::field::Field;
use super::{address, certificate, job};
use crate::{Gvk, names, read};

/// How many pods a workload has: all of them, then those in one state or another.
struct Counts {
    /// What is not negative, in upstream's order.
    numbers: &'static [&'static str],
    /// What is at most `replicas`.
    parts: &'static [&'static str],
    /// What upstream calls those that available ones are among.
    ready: &'static str,
}

const REPLICA_SET: Counts = Counts {
    numbers: &[
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
    ],
    parts: &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
    ready: "readyReplicas",
};
const DEPLOYMENT: Counts = Counts {
    numbers: &[
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "collisionCount",
    ],
    parts: &["updatedReplicas", "readyReplicas", "availableReplicas"],
    ready: "readyReplicas",
};
const STATEFUL_SET: Counts = Counts {
    numbers: &[
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
        "collisionCount",
    ],
    parts: &["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"],
    ready: "status.readyReplicas",
};
const DAEMON_SET: [&str; 9] = [
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
];

pub(super) fn check(gvk: &Gvk, object: &Field<'_>, old: &Value) {
    let status = object.at("status");
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "ReplicationController") | ("apps", "ReplicaSet") => counts(&status, &REPLICA_SET),
        ("apps", "Deployment") => counts(&status, &DEPLOYMENT),
        ("apps", "StatefulSet") => counts(&status, &STATEFUL_SET),
        ("apps", "DaemonSet") => DAEMON_SET.iter().for_each(|one| status.at(one).not_negative()),
        ("batch", "Job") => job::status::check(object, old),
        ("certificates.k8s.io", _) => certificate::update_status(object, old),
        ("policy", "PodDisruptionBudget") => {
            let numbers =
                ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];
            numbers.iter().for_each(|field| status.at(field).not_negative());
        }
        ("", "Service") | ("networking.k8s.io", "Ingress") => balancer(&status),
        _ => {}
    }
    if gvk.group == "apps" {
        collisions(&status.at("collisionCount"), read::at(old, &["status", "collisionCount"]));
    }
}

/// How many pods there are, and that no part of them is more than all.
fn counts(status: &Field<'_>, counts: &Counts) {
    const TOO_MANY: &str = "cannot be greater than status.replicas";
    let all = status.at("replicas");
    counts.numbers.iter().for_each(|field| status.at(field).not_negative());
    for part in counts.parts.iter().map(|field| status.at(field)) {
        if part.number() > all.number() {
            part.invalid(TOO_MANY);
        }
    }
    let (available, ready) = (status.at("availableReplicas"), status.at("readyReplicas"));
    if available.number() > ready.number() {
        available.invalid(format!("cannot be greater than {}", counts.ready));
    }
}

/// Names that were taken make more of them, never fewer.
fn collisions(count: &Field<'_>, old: &Value) {
    if old.as_i64().is_some_and(|old| !count.is_some() || count.number() < old) {
        count.invalid_number("cannot be decremented");
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
