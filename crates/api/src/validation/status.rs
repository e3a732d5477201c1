//! What a write of an object's status may say.

mod conditions;
mod core;
mod workload;

use serde_json::Value;

use self::workload::{DAEMON_SET, DEPLOYMENT, REPLICA_SET, STATEFUL_SET, collisions, counts};
use super::field::Field;
use super::{certificate, cluster, device, job, pod, policy, storage_class};
use crate::Gvk;

pub(super) use self::conditions::check as conditions;

pub(super) fn check(gvk: &Gvk, object: &Field<'_>, old: &Value) {
    let status = object.at("status");
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps", kind) => apps(kind, &status, old),
        ("", kind) => of_core(kind, object, old),
        ("admissionregistration.k8s.io", _) => policy::status(&status),
        ("autoscaling", _) => not_negative(&status, &["currentReplicas", "desiredReplicas"]),
        ("batch", "Job") => job::status::check(object, old),
        ("certificates.k8s.io", _) => certificate::update_status(object, old),
        ("flowcontrol.apiserver.k8s.io", _) => core::typed_conditions(&status),
        ("networking.k8s.io", "Ingress") => core::ingress(object),
        ("policy", "PodDisruptionBudget") => {
            conditions(&status.at("conditions"));
            not_negative(
                &status,
                &["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"],
            );
        }
        ("resource.k8s.io", "ResourceClaim") => device::update_status(object, old),
        ("storage.k8s.io", "VolumeAttachment") => storage_class::attachment_status(&status),
        _ => {}
    }
}

fn apps(kind: &str, status: &Field<'_>, old: &Value) {
    match kind {
        "DaemonSet" => not_negative(status, &DAEMON_SET),
        "Deployment" => counts(status, &DEPLOYMENT),
        "ReplicaSet" => counts(status, &REPLICA_SET),
        "StatefulSet" => counts(status, &STATEFUL_SET),
        _ => {}
    }
    collisions(status, old);
}

fn of_core(kind: &str, object: &Field<'_>, old: &Value) {
    let status = object.at("status");
    match kind {
        "Namespace" => core::namespace(object),
        "Node" => {
            cluster::node_status(object);
            cluster::update_node(object, old);
        }
        "PersistentVolumeClaim" => core::claim(object),
        "Pod" => pod::update_status(object, old),
        "ReplicationController" => counts(&status, &REPLICA_SET),
        "ResourceQuota" => core::quota(&status),
        "Service" => core::service(object),
        _ => {}
    }
}

fn not_negative(status: &Field<'_>, fields: &[&str]) {
    fields.iter().for_each(|field| status.at(field).not_negative());
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
    fn a_balancer_is_of_a_service_of_that_type() {
        let service = |kind: &str, entry: Value| {
            json!({"metadata": {"name": "a", "namespace": "b"}, "spec": {"type": kind},
                "status": {"loadBalancer": {"ingress": [entry]}}})
        };
        #[track_caller]
        fn check(object: &Value, expected: &[&str]) {
            let errors = update_status(&"v1/Service".parse().unwrap(), object, object);
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            assert_eq!(errors, expected);
        }
        check(&service("LoadBalancer", json!({"ip": "192.0.2.1", "ipMode": "VIP"})), &[]);
        check(
            &service("LoadBalancer", json!({"hostname": "a.b", "ipMode": "VIP"})),
            &[
                "status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set",
            ],
        );
        check(
            &service("ClusterIP", json!({"ip": "192.0.2.1"})),
            &[
                "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'",
            ],
        );
    }

    #[test]
    fn a_namespace_ends_when_it_was_deleted() {
        check("v1/Namespace", json!({"phase": "Active"}), &[]);
        check(
            "v1/Namespace",
            json!({"phase": "Terminating"}),
            &[
                "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty",
            ],
        );
    }

    #[test]
    fn quotas_count_what_they_know() {
        check(
            "v1/ResourceQuota",
            json!({"hard": {"pods": "1"}, "used": {"pods": "-1", "fun": "1"}}),
            &[
                "status.used[fun]: Invalid value: \"fun\": must be a standard resource type or fully qualified",
                "status.used[fun]: Invalid value: \"fun\": must be a standard resource for quota",
                "status.used[pods]: Invalid value: \"-1\": must be greater than or equal to 0",
            ],
        );
    }

    #[test]
    fn conditions_say_since_when_and_why() {
        check(
            "policy/v1/PodDisruptionBudget",
            json!({"expectedPods": -1, "conditions": [
                {"type": "A", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "Fine"},
                {"type": "A", "status": "Yes", "reason": "9"}]}),
            &[
                "status.conditions[1].type: Duplicate value: \"A\"",
                "status.conditions[1].status: Unsupported value: \"Yes\": supported values: \"False\", \"True\", \"Unknown\"",
                "status.conditions[1].lastTransitionTime: Required value",
                "status.conditions[1].reason: Invalid value: \"9\": a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')",
                "status.expectedPods: Invalid value: -1: must be greater than or equal to 0",
            ],
        );
    }

    #[test]
    fn a_claim_grows_by_known_steps() {
        let object = json!({"metadata": {"name": "a", "namespace": "b"},
            "spec": {"accessModes": ["ReadWriteOnce"]},
            "status": {"capacity": {"storage": "-1"}, "allocatedResources": {"cpu": "1"},
                "allocatedResourceStatuses": {"storage": "Growing"}}});
        let errors = update_status(&"v1/PersistentVolumeClaim".parse().unwrap(), &object, &object);
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "status.capacity[storage]: Invalid value: \"-1\": must be a valid resource quantity",
                "status.allocatedResourceStatus: Unsupported value: \"storage\": supported values: \"ControllerResizeInProgress\", \"ControllerResizeInfeasible\", \"NodeResizeInProgress\", \"NodeResizeInfeasible\", \"NodeResizePending\"",
                "status.allocatedResources: Unsupported value: \"cpu\": supported values: \"storage\"",
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
