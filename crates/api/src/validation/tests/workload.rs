//! Deployments, ReplicaSets and Scales.

use serde_json::{Value, json};

use super::{check, check_update, with};

const DEPLOYMENT: &str = "apps/v1/Deployment";

fn deployment() -> Value {
    json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        },
    }})
}

#[track_caller]
fn check_with(pointer: &str, value: Value, expected: &[&str]) {
    check(DEPLOYMENT, with(deployment(), pointer, value), expected);
}

#[test]
fn a_plain_deployment_is_fine() {
    check(DEPLOYMENT, deployment(), &[]);
    check("apps/v1/ReplicaSet", deployment(), &[]);
}

#[test]
fn numbers_are_in_range() {
    check_with(
        "/spec/replicas",
        json!(-1),
        &["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
    );
    check_with(
        "/spec/minReadySeconds",
        json!(600),
        &["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
    );
    check(
        "autoscaling/v1/Scale",
        json!({"metadata": {"name": "a"}, "spec": {"replicas": -2}}),
        &["spec.replicas: Invalid value: -2: must be greater than or equal to 0"],
    );
}

#[test]
fn the_selector_selects_the_template() {
    check_with(
        "/spec/selector",
        Value::Null,
        &[
            "spec.selector: Required value",
            "spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`",
        ],
    );
    check_with(
        "/spec/selector",
        json!({}),
        &["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
    );
    check_with(
        "/spec/template/metadata/labels",
        json!({"app": "other"}),
        &[
            "spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` does not \
           match template `labels`",
        ],
    );
}

#[test]
fn the_selector_stays() {
    let mut other = with(deployment(), "/spec/selector/matchLabels", json!({"tier": "web"}));
    other = with(other, "/spec/template/metadata/labels", json!({"tier": "web"}));
    check_update(
        DEPLOYMENT,
        other,
        deployment(),
        &["spec.selector: Invalid value: {\"matchLabels\":{\"tier\":\"web\"}}: field is immutable"],
    );
    check_update(DEPLOYMENT, deployment(), deployment(), &[]);
}

#[test]
fn strategies() {
    let rolling = |unavailable: Value, surge: Value| json!({"rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}});
    check_with("/spec/strategy", rolling(json!(0), json!("25%")), &[]);
    check_with(
        "/spec/strategy",
        rolling(json!(0), json!("0%")),
        &["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when \
           `maxSurge` is 0"],
    );
    check_with(
        "/spec/strategy",
        rolling(json!("101%"), json!(1)),
        &["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be \
           greater than 100%"],
    );
    check_with(
        "/spec/strategy",
        json!({"type": "Recreate", "rollingUpdate": {}}),
        &["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is \
           'Recreate'"],
    );
}

#[test]
fn pods_of_workloads_run_for_ever() {
    check_with(
        "/spec/template/spec/restartPolicy",
        json!("Never"),
        &["spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \
           \"Always\""],
    );
}

#[test]
fn the_template_is_checked_too() {
    check_with(
        "/spec/template/spec/containers",
        json!([{"name": "web"}]),
        &["spec.template.spec.containers[0].image: Required value"],
    );
}
