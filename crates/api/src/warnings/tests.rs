use serde_json::{Value, json};

use crate::Gvk;

fn gvk(kind: &str) -> Gvk {
    let (version, kind) = kind.rsplit_once('/').unwrap();
    Gvk::from_api_version(version, kind).unwrap()
}

#[track_caller]
fn check(kind: &str, mut object: Value, expected: &[&str]) {
    if object["metadata"]["name"].is_null() {
        object["metadata"]["name"] = json!("a");
    }
    assert_eq!(super::create(&gvk(kind), &object), expected);
}

/// A pod of one container with these fields.
fn pod(container: Value, spec: Value) -> Value {
    let mut spec = spec;
    let mut container = container;
    container["name"] = json!("c");
    spec["containers"] = json!([container]);
    json!({"spec": spec})
}

#[test]
fn what_is_usual_gets_no_warning() {
    check("v1/Pod", pod(json!({"image": "a:1"}), json!({})), &[]);
    check("v1/Service", json!({"spec": {"type": "ClusterIP"}}), &[]);
    check("v1/ConfigMap", json!({}), &[]);
}

#[test]
fn variables_that_hide_others() {
    let env =
        |value: &str| json!({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": value}]});
    let text = "spec.containers[0].env[1]: hides previous definition of \"A\", which may be dropped \
        when using apply";
    check("v1/Pod", pod(env("2"), json!({})), &[text]);
    check("v1/Pod", pod(env("$(A)"), json!({})), &[text]);
    check("v1/Pod", pod(env("$(A):2"), json!({})), &[]);
}

#[test]
fn ports_that_are_there_twice() {
    let ports =
        |second: Value| json!({"ports": [{"containerPort": 80, "protocol": "TCP"}, second]});
    check(
        "v1/Pod",
        pod(ports(json!({"containerPort": 80, "protocol": "TCP"})), json!({})),
        &[
            "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
        ],
    );
    check(
        "v1/Pod",
        pod(ports(json!({"containerPort": 80, "protocol": "TCP", "hostPort": 8080})), json!({})),
        &[
            "spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]",
        ],
    );
    check("v1/Pod", pod(ports(json!({"containerPort": 80, "protocol": "UDP"})), json!({})), &[]);
    check(
        "v1/Pod",
        pod(
            json!({"ports": [{"containerPort": 80, "protocol": "TCP", "hostIP": "127.0.0.1"}]}),
            json!({}),
        ),
        &["spec.containers[0].ports[0]: hostIP set without hostPort: {Name: HostPort:0 \
           ContainerPort:80 Protocol:TCP HostIP:127.0.0.1}"],
    );
}

#[test]
fn old_labels_volumes_and_annotations() {
    check(
        "v1/Pod",
        pod(
            json!({}),
            json!({"nodeSelector": {"beta.kubernetes.io/os": "linux"},
            "volumes": [{"name": "v", "gitRepo": {"repository": "r"}}]}),
        ),
        &[
            "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \
             \"kubernetes.io/os\" instead",
            "spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
        ],
    );
    check(
        "networking.k8s.io/v1/Ingress",
        json!({"metadata": {"annotations": {"kubernetes.io/ingress.class": "x"}}}),
        &["annotation \"kubernetes.io/ingress.class\" is deprecated, please use \
           'spec.ingressClassName' instead"],
    );
}

#[test]
fn templates_warn_with_their_path_and_again_only_when_they_change() {
    let with = |replicas: i64| {
        json!({"metadata": {"name": "a.b"}, "spec": {"replicas": replicas, "template":
            pod(json!({"resources": {"limits": {"memory": "100m"}}}), json!({}))}})
    };
    check(
        "apps/v1/Deployment",
        with(1),
        &[
            "metadata.name: this is used in Pod names and hostnames, which can result in \
             surprising behavior; a DNS label is recommended: [a lowercase RFC 1123 label must \
             consist of lower case alphanumeric characters or '-', and must start and end with an \
             alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?')]",
            "spec.template.spec.containers[0].resources.limits[memory]: fractional byte value \
             \"100m\" is invalid, must be an integer",
        ],
    );
    let again =
        |old: &Value, new: &Value| super::update(&gvk("apps/v1/Deployment"), old, new).len();
    assert_eq!(again(&with(1), &with(1)), 0);
    assert_eq!(again(&with(1), &with(2)), 1);
    assert_eq!(super::update(&gvk("v1/Pod"), &json!({}), &pod(json!({}), json!({}))).len(), 0);
}

#[test]
fn storage_and_services() {
    check(
        "v1/PersistentVolumeClaim",
        json!({"spec": {"resources": {"requests": {"storage": "1500m"}}}}),
        &["spec.resources.requests[storage]: fractional byte value \"1500m\" is invalid, must be \
           an integer"],
    );
    check(
        "v1/Service",
        json!({"spec": {"type": "ClusterIP", "externalName": "a.b"}}),
        &["spec.externalName is ignored when spec.type is not \"ExternalName\""],
    );
}
