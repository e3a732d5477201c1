//! Protobuf bodies as kubectl 1.32 really sent them, beside the JSON that the same command
//! prints with `--dry-run=client -o json`: both must make the same object.

use std::path::{Path, PathBuf};

use sampan_api::{Gvk, protobuf};
use serde_json::{Value, json};

fn recorded(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl").join(file)
}

fn body(name: &str) -> Vec<u8> {
    std::fs::read(recorded(&format!("{name}.pb"))).unwrap()
}

#[track_caller]
fn check(name: &str, gvk: &str) {
    let (found, object) = protobuf::decode(&body(name)).unwrap();
    assert_eq!(found, gvk.parse::<Gvk>().unwrap());
    let text = std::fs::read(recorded(&format!("{name}.json"))).unwrap();
    let mut expected: Value = serde_json::from_slice(&text).unwrap();
    drop_nulls(&mut expected);
    assert_eq!(object, expected, "{name}");
}

#[track_caller]
fn check_object(name: &str, expected: Value) {
    assert_eq!(protobuf::decode(&body(name)).unwrap().1, expected, "{name}");
}

/// kubectl prints zero times as null; what reads such a body drops them.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[test]
fn workloads_decode_to_the_json_kubectl_prints() {
    check("deployment", "apps/v1/Deployment");
    check("job", "batch/v1/Job");
    check("cronjob", "batch/v1/CronJob");
    check("pdb", "policy/v1/PodDisruptionBudget");
    check("priorityclass", "scheduling.k8s.io/v1/PriorityClass");
}

#[test]
fn configuration_decodes_to_the_json_kubectl_prints() {
    check("namespace", "v1/Namespace");
    check("configmap", "v1/ConfigMap");
    check("secret", "v1/Secret");
    check("quota", "v1/ResourceQuota");
}

#[test]
fn identities_decode_to_the_json_kubectl_prints() {
    check("serviceaccount", "v1/ServiceAccount");
    check("role", "rbac.authorization.k8s.io/v1/Role");
    check("clusterrole", "rbac.authorization.k8s.io/v1/ClusterRole");
    check("rolebinding", "rbac.authorization.k8s.io/v1/RoleBinding");
}

#[test]
fn services_and_ingresses_decode_to_the_json_kubectl_prints() {
    check("service", "v1/Service");
    check("ingress", "networking.k8s.io/v1/Ingress");
}

#[test]
fn reviews_and_token_requests_decode() {
    check_object(
        "selfsubjectaccessreview",
        json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "metadata": {},
            "spec": {"resourceAttributes": {
                "namespace": "default", "verb": "get", "resource": "pods",
            }},
            "status": {"allowed": false},
        }),
    );
    check_object(
        "selfsubjectreview",
        json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "SelfSubjectReview",
            "metadata": {},
            "status": {"userInfo": {}},
        }),
    );
    check_object(
        "tokenrequest",
        json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {},
            "spec": {"expirationSeconds": 3600},
            "status": {"token": ""},
        }),
    );
}

#[test]
fn a_body_cut_anywhere_is_an_error_or_a_smaller_object_never_a_panic() {
    for name in ["deployment", "ingress", "role", "cronjob", "configmap"] {
        let whole = body(name);
        for length in 0..whole.len() {
            let _ = protobuf::decode(&whole[..length]);
        }
    }
}
