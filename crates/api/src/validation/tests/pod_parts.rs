//! Pods whose ephemeral containers, or whose requests and limits, change.

use serde_json::{Value, json};

use super::with;
use crate::validation::{update_debuggers, update_resources};
use crate::{FieldError, Gvk, defaults};

fn pod() -> Value {
    let resources =
        json!({"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}});
    json!({"metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "containers": [{"name": "web", "image": "web:1", "resources": resources}],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
        "status": {"qosClass": "Burstable"}})
}

type Rule = fn(&Value, &Value) -> Vec<FieldError>;

#[track_caller]
fn check(rule: Rule, new: Value, old: Value, expected: &[&str]) {
    let [new, old] = [new, old].map(|mut pod| {
        defaults::apply(&Gvk::core("Pod"), &mut pod);
        pod
    });
    let errors: Vec<_> = rule(&new, &old).iter().map(ToString::to_string).collect();
    assert_eq!(errors, expected);
}

#[track_caller]
fn check_debuggers(new: Value, old: Value, expected: &[&str]) {
    let of = |list: Value| with(pod(), "/spec/ephemeralContainers", list);
    check(update_debuggers, of(new), of(old), expected);
}

#[test]
fn ephemeral_containers_are_added_and_stay() {
    let one = json!({"name": "debug", "image": "box:1", "targetContainerName": "web"});
    let two = json!({"name": "more", "image": "box:1"});
    check_debuggers(json!([one]), json!([]), &[]);
    check_debuggers(json!([two, one]), json!([one]), &[]);
    check_debuggers(
        json!([two]),
        json!([one]),
        &[
            "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"debug\" may not be \
           removed\n",
        ],
    );
    check_debuggers(
        json!([with(one.clone(), "/image", json!("box:2"))]),
        json!([one]),
        &[
            "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"debug\" may not be \
           changed\nchanged: image",
        ],
    );
}

#[test]
fn an_ephemeral_container_has_no_service_to_do() {
    let container = json!({"name": "web", "image": "box:1", "targetContainerName": "none",
        "ports": [{"containerPort": 1}], "resources": {"limits": {"cpu": "1"}},
        "livenessProbe": {"exec": {"command": ["x"]}}, "restartPolicy": "Always",
        "volumeMounts": [{"name": "data", "mountPath": "/a", "subPath": "b"}]});
    let forbidden = |field: &str| {
        format!(
            "spec.ephemeralContainers[0].{field}: Forbidden: cannot be set for an Ephemeral Container"
        )
    };
    let mut expected = vec![
        "spec.ephemeralContainers[0].name: Duplicate value: \"web\"".to_owned(),
        "spec.ephemeralContainers[0].targetContainerName: Not found: \"none\"".to_owned(),
    ];
    let fields =
        ["ports", "resources", "restartPolicy", "livenessProbe", "volumeMounts[0].subPath"];
    expected.extend(fields.map(forbidden));
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    check_debuggers(json!([container]), json!([]), &expected);
}

#[track_caller]
fn check_resize(pointer: &str, value: Value, expected: &[&str]) {
    check(update_resources, with(pod(), pointer, value), pod(), expected);
}

const RESOURCES: &str = "/spec/containers/0/resources";

#[test]
fn requests_and_limits_grow_and_shrink() {
    check_resize(&format!("{RESOURCES}/requests/cpu"), json!("1"), &[]);
    check_resize(&format!("{RESOURCES}/limits/memory"), json!("64Mi"), &[]);
    check_resize(&format!("{RESOURCES}/limits/cpu"), json!("2"), &[]);
    check_resize(
        &format!("{RESOURCES}/limits/memory"),
        json!("32Mi"),
        &["spec.containers[0].resources.requests: Invalid value: \"64Mi\": must be less than or \
           equal to memory limit of 32Mi"],
    );
}

#[test]
fn what_is_asked_for_is_not_taken_away() {
    check_resize(
        &format!("{RESOURCES}/requests/cpu"),
        Value::Null,
        &["spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"],
    );
    check_resize(
        &format!("{RESOURCES}/limits"),
        Value::Null,
        &["spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"],
    );
}

#[test]
fn the_service_class_stays() {
    let all = json!({"cpu": "1", "memory": "1Gi"});
    check_resize(
        RESOURCES,
        json!({"requests": all, "limits": all}),
        &[
            "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing",
        ],
    );
}

#[test]
fn nothing_else_changes() {
    check_resize(
        &format!("{RESOURCES}/requests/ephemeral-storage"),
        json!("1"),
        &["spec: Forbidden: only cpu and memory resources are mutable"],
    );
    check_resize(
        "/spec/containers/0/name",
        json!("other"),
        &[
            "spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize",
        ],
    );
    check_resize(
        "/spec/containers/-",
        json!({"name": "b", "image": "c"}),
        &["spec.containers: Forbidden: containers may not be added or removed on resize"],
    );
}

#[test]
fn a_node_that_does_not_tell_what_containers_have_cannot_resize_them() {
    let statuses = json!([{"name": "web", "state": {"running": {}}}]);
    let old = with(pod(), "/status/containerStatuses", statuses);
    let new = with(old.clone(), &format!("{RESOURCES}/requests/cpu"), json!("1"));
    let expected = ["spec: Forbidden: Pod running on node without support for resize"];
    check(update_resources, new, old, &expected);
}
