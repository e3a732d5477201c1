//! kubectl's step from client-side to server-side apply.

use super::*;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A Deployment that client-side apply made.
fn client_side(fields: Value) -> Object {
    let mut object = Object::deployment();
    let last = object.config(fields.clone()).to_string();
    object.update("kubectl-client-side-apply", fields);
    object.update(
        "kubectl-client-side-apply",
        json!({"metadata": {"annotations": {ANNOTATION: last}}}),
    );
    object
}

#[test]
fn kubectl_takes_over_from_its_client_side_apply() {
    client_side(json!({"spec": {"replicas": 1}}))
        .apply("kubectl", json!({"spec": {"replicas": 3}}))
        .applied_by("kubectl", &[".spec.replicas"]);
}

#[test]
fn other_managers_do_not() {
    client_side(json!({"spec": {"replicas": 1}})).conflict(
        "other",
        json!({"spec": {"replicas": 3}}),
        "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using apps/v1: \
         .spec.replicas",
    );
}

#[test]
fn what_somebody_changed_since_is_not_taken_over() {
    client_side(json!({"spec": {"replicas": 1, "paused": true}}))
        .update("hpa", json!({"spec": {"replicas": 5}}))
        .conflict(
            "kubectl",
            json!({"spec": {"replicas": 3, "paused": false}}),
            "Apply failed with 1 conflict: conflict with \"hpa\" using apps/v1: .spec.replicas",
        );
}

#[test]
fn the_annotation_is_kept_true() {
    let mut object = client_side(json!({"spec": {"replicas": 1}}));
    object.apply("kubectl", json!({"spec": {"replicas": 3}}));
    let expected = object.config(json!({"spec": {"replicas": 3}}));
    let live = object.live.clone().unwrap();
    let text = live["metadata"]["annotations"][ANNOTATION].as_str().unwrap();
    assert!(text.ends_with('\n'));
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), expected);
    object.apply("kubectl", json!({"spec": {"replicas": 3}}));
    assert_eq!(object.live, Some(live));
}

#[test]
fn the_managed_fields_that_kubectl_patches_in_are_taken() {
    // kubectl itself renames its client-side entry by a JSON patch before it applies.
    let mut object = client_side(json!({"spec": {"replicas": 1}}));
    let mut entries = object.managed_fields();
    entries[0]["manager"] = json!("kubectl");
    entries[0]["operation"] = json!("Apply");
    object.update("kubectl", json!({"metadata": {"managedFields": entries}}));
    object
        .updated_by("kubectl-client-side-apply", &[])
        .updated_by("kubectl", &[])
        .apply("kubectl", json!({"spec": {"paused": true}}))
        .is(json!({"spec": {"paused": true}}));
}
