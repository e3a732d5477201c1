//! ConfigMaps, Secrets, and the cluster's own small kinds.

use serde_json::{Value, json};

use super::{check, check_update};

fn config(data: Value) -> Value {
    json!({"metadata": {"name": "a"}, "data": data})
}

#[test]
fn keys_are_file_names() {
    check("v1/ConfigMap", config(json!({"app.yaml": "x", "_A-b": ""})), &[]);
    check(
        "v1/ConfigMap",
        config(json!({"..x": ""})),
        &["data[..x]: Invalid value: \"..x\": must not start with '..'"],
    );
    check(
        "v1/ConfigMap",
        json!({"metadata": {"name": "a"}, "data": {"x": ""}, "binaryData": {"x": ""}}),
        &["data[x]: Invalid value: \"x\": duplicate of key present in binaryData"],
    );
}

#[test]
fn data_ends_at_one_mebibyte() {
    let size = 1024 * 1024;
    check("v1/ConfigMap", config(json!({"a": "x".repeat(size)})), &[]);
    check(
        "v1/ConfigMap",
        config(json!({"a": "x".repeat(size + 1)})),
        &["[]: Too long: may not be more than 1048576 bytes"],
    );
    check(
        "v1/Secret",
        json!({"metadata": {"name": "a"}, "stringData": {"a": "x".repeat(size + 1)}}),
        &["data: Too long: may not be more than 1048576 bytes"],
    );
}

#[test]
fn sealed_data_stays() {
    let sealed = |data: &str, immutable: bool| json!({"metadata": {"name": "a"}, "immutable": immutable, "data": {"a": data}});
    let kind = "v1/ConfigMap";
    check_update(kind, sealed("y", true), sealed("x", false), &[]);
    check_update(kind, sealed("x", true), sealed("x", true), &[]);
    check_update(
        kind,
        sealed("y", false),
        sealed("x", true),
        &[
            "immutable: Forbidden: field is immutable when `immutable` is set",
            "data: Forbidden: field is immutable when `immutable` is set",
        ],
    );
}

#[test]
fn secret_types_ask_for_their_keys() {
    let secret = |kind: &str, data: Value| json!({"metadata": {"name": "a"}, "type": kind, "stringData": data});
    let kind = "v1/Secret";
    check(kind, secret("example.com/own", json!({})), &[]);
    check(
        kind,
        secret("kubernetes.io/tls", json!({"tls.crt": ""})),
        &["data[tls.key]: Required value"],
    );
    check(
        kind,
        secret("kubernetes.io/dockerconfigjson", json!({})),
        &["data[.dockerconfigjson]: Required value"],
    );
    check(kind, secret("kubernetes.io/dockerconfigjson", json!({".dockerconfigjson": "{}"})), &[]);
    check(
        kind,
        secret("kubernetes.io/basic-auth", json!({})),
        &["data[username]: Required value", "data[password]: Required value"],
    );
    check(
        kind,
        secret("kubernetes.io/service-account-token", json!({})),
        &["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    );
    check_update(
        kind,
        secret("Opaque", json!({})),
        secret("a/b", json!({})),
        &["type: Invalid value: \"Opaque\": field is immutable"],
    );
}

#[test]
fn events_are_where_their_object_is() {
    let event = |there: &str, here: &str| {
        json!({"metadata": {"name": "a", "namespace": here},
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": there}})
    };
    check("v1/Event", event("shop", "shop"), &[]);
    check("v1/Event", event("", "default"), &[]);
    check(
        "v1/Event",
        event("shop", "default"),
        &["involvedObject.namespace: Invalid value: \"shop\": does not match event.namespace"],
    );
}

#[test]
fn new_events_say_who_reports() {
    let event = json!({"metadata": {"name": "a", "namespace": "x"}, "type": "Normal",
        "eventTime": "2026-01-01T00:00:00.000000Z", "regarding": {"namespace": "x"},
        "reportingController": "sampan.dev/node", "reason": "Started"});
    check(
        "events.k8s.io/v1/Event",
        event,
        &["reportingInstance: Required value", "action: Required value"],
    );
}

#[test]
fn leases_nodes_and_namespaces() {
    check(
        "coordination.k8s.io/v1/Lease",
        json!({"metadata": {"name": "a"}, "spec": {"leaseDurationSeconds": 0,
            "leaseTransitions": -1}}),
        &[
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
            "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
        ],
    );
    check(
        "v1/Node",
        json!({"metadata": {"name": "a"}, "spec": {"taints": [
            {"key": "x", "effect": "NoSchedule"}, {"key": "x", "effect": "NoSchedule"},
            {"key": "y", "effect": "Never"}]}}),
        &[
            "metadata.taints[1]: Duplicate value: {\"effect\":\"NoSchedule\",\"key\":\"x\"}: taints \
             must be unique by key and effect pair",
            "metadata.taints[2].effect: Unsupported value: \"Never\": supported values: \
             \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"",
        ],
    );
    let node = |id: &str| json!({"metadata": {"name": "a"}, "spec": {"providerID": id}});
    check_update("v1/Node", node("x"), node(""), &[]);
    check_update(
        "v1/Node",
        node("y"),
        node("x"),
        &[
            "spec.providerID: Forbidden: node updates may not change providerID except from \"\" to \
           valid",
        ],
    );
    check(
        "v1/Namespace",
        json!({"metadata": {"name": "a"}, "spec": {"finalizers": ["mine"]}}),
        &["spec.finalizers: Invalid value: \"mine\": name is neither a standard finalizer name \
           nor is it fully qualified"],
    );
}
