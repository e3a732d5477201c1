//! Metadata, which is the same for all kinds.

use serde_json::{Value, json};

use super::{check, check_update};

#[track_caller]
fn check_metadata(metadata: Value, expected: &[&str]) {
    check("v1/ConfigMap", json!({"metadata": metadata}), expected);
}

#[test]
fn names_follow_their_kind() {
    let named = |name: &str| json!({"metadata": {"name": name}, "spec": {"clusterIP": "None"}});
    check("v1/ConfigMap", named("a.b"), &[]);
    check(
        "v1/ConfigMap",
        named(""),
        &["metadata.name: Required value: name or generateName is required"],
    );
    check("v1/Namespace", named("a-b"), &[]);
    check("v1/Service", named("a-1"), &[]);
    check(
        "v1/Namespace",
        named("a.b"),
        &[
            "metadata.name: Invalid value: \"a.b\": a lowercase RFC 1123 label must consist of lower \
           case alphanumeric characters or '-', and must start and end with an alphanumeric \
           character (e.g. 'my-name',  or '123-abc', regex used for validation is \
           '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        ],
    );
    check(
        "v1/Service",
        named("1a"),
        &["metadata.name: Invalid value: \"1a\": a DNS-1035 label must consist of lower case \
           alphanumeric characters or '-', start with an alphabetic character, and end with an \
           alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
           '[a-z]([-a-z0-9]*[a-z0-9])?')"],
    );
    check("rbac.authorization.k8s.io/v1/ClusterRole", named("system:node"), &[]);
}

#[test]
fn a_prefix_for_a_name_may_end_with_a_dash() {
    check_metadata(json!({"generateName": "web-"}), &[]);
    check_metadata(json!({"generateName": "web-", "name": "web-abcde"}), &[]);
}

#[test]
fn labels_and_annotations() {
    check_metadata(json!({"name": "a", "labels": {"app.kubernetes.io/name": "A_b.c"}}), &[]);
    check_metadata(
        json!({"name": "a", "labels": {"/x": "y"}}),
        &["metadata.labels: Invalid value: \"/x\": prefix part must be non-empty"],
    );
    check_metadata(json!({"name": "a", "annotations": {"Example.com/X": "any text"}}), &[]);
    check_metadata(
        json!({"name": "a", "annotations": {"x": "y".repeat(256 * 1024)}}),
        &["metadata.annotations: Too long: may not be more than 262144 bytes"],
    );
}

#[test]
fn owners() {
    let owner = |name: &str, controller: bool| {
        json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": "1",
            "controller": controller})
    };
    check_metadata(
        json!({"name": "a", "ownerReferences": [owner("x", true), owner("y", false)]}),
        &[],
    );
    check_metadata(
        json!({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x"}]}),
        &["metadata.ownerReferences.uid: Invalid value: \"\": must not be empty"],
    );
}

#[test]
fn finalizers() {
    check_metadata(json!({"name": "a", "finalizers": ["example.com/x", "orphan"]}), &[]);
    check_metadata(
        json!({"name": "a", "finalizers": ["mine"]}),
        &["metadata.finalizers[0]: Invalid value: \"mine\": name is neither a standard finalizer \
           name nor is it fully qualified"],
    );
    check_update(
        "v1/ConfigMap",
        json!({"metadata": {"name": "a", "deletionTimestamp": "x", "finalizers": ["a/b", "a/c"]}}),
        json!({"metadata": {"name": "a", "deletionTimestamp": "x", "finalizers": ["a/b"]}}),
        &["metadata.finalizers: Forbidden: no new finalizers can be added if the object is being \
           deleted, found new finalizers []string{\"a/c\"}"],
    );
}

#[test]
fn identity_does_not_change() {
    check_update(
        "v1/ConfigMap",
        json!({"metadata": {"name": "a", "uid": "2"}}),
        json!({"metadata": {"name": "a", "uid": "1"}}),
        &["metadata.uid: Invalid value: \"2\": field is immutable"],
    );
}
