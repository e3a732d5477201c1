//! Pods.

use serde_json::{Value, json};

use super::{check, check_update, with};

fn pod() -> Value {
    json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {
        "containers": [{"name": "web", "image": "web:1"}],
        "volumes": [{"name": "data", "emptyDir": {}}],
    }})
}

#[track_caller]
fn check_with(pointer: &str, value: Value, expected: &[&str]) {
    check("v1/Pod", with(pod(), pointer, value), expected);
}

/// A field of the only container; paths of messages begin within it.
#[track_caller]
fn check_container(field: &str, value: Value, expected: &[&str]) {
    let expected: Vec<_> =
        expected.iter().map(|text| format!("spec.containers[0].{text}")).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    check_with(&format!("/spec/containers/0/{field}"), value, &expected);
}

#[test]
fn containers_have_names_and_images() {
    check("v1/Pod", pod(), &[]);
    check_with("/spec/containers", json!([]), &["spec.containers: Required value"]);
    check_container("image", json!(""), &["image: Required value"]);
    check_container(
        "image",
        json!(" web"),
        &["image: Invalid value: \" web\": must not have leading or trailing whitespace"],
    );
    check_container("name", json!(""), &["name: Required value"]);
    check_with(
        "/spec/containers/-",
        json!({"name": "web", "image": "x"}),
        &["spec.containers[1].name: Duplicate value: \"web\""],
    );
    check_with(
        "/spec/initContainers",
        json!([{"name": "web", "image": "x"}]),
        &["spec.initContainers[0].name: Duplicate value: \"web\""],
    );
}

#[test]
fn ports() {
    check_container("ports", json!([{"containerPort": 80, "name": "http"}]), &[]);
    check_container(
        "ports",
        json!([{"containerPort": 70000}, {"name": "a", "containerPort": 1},
            {"name": "a", "containerPort": 2, "protocol": "tcp"}, {}]),
        &[
            "ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            "ports[2].name: Duplicate value: \"a\"",
            "ports[2].protocol: Unsupported value: \"tcp\": supported values: \"SCTP\", \"TCP\", \
             \"UDP\"",
            "ports[3].containerPort: Required value",
        ],
    );
    check_container(
        "ports",
        json!([{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]),
        &["ports[1].hostPort: Duplicate value: \"TCP//80\""],
    );
}

#[test]
fn environment() {
    let field = |path: &str| json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}}]);
    for path in ["status.podIP", "metadata.labels['app']"] {
        check_container("env", field(path), &[]);
    }
    check_container(
        "env",
        field("status.phase"),
        &["env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \"status.phase\": supported \
           values: \"metadata.name\", \"metadata.namespace\", \"metadata.uid\", \
           \"spec.nodeName\", \"spec.serviceAccountName\", \"status.hostIP\", \
           \"status.hostIPs\", \"status.podIP\", \"status.podIPs\""],
    );
    check_container(
        "env",
        json!([{"name": "a=b"}, {}, {"name": "c", "value": "x", "valueFrom":
            {"secretKeyRef": {"name": "s", "key": "k"}}}, {"name": "d", "valueFrom": {}}]),
        &[
            "env[0].name: Invalid value: \"a=b\": a valid environment variable name must consist \
             only of printable ASCII characters other than '='",
            "env[1].name: Required value",
            "env[2].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty",
            "env[3].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, \
             `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ],
    );
    check_container(
        "envFrom",
        json!([{"configMapRef": {"name": "a"}}, {}]),
        &["envFrom: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`"],
    );
}

#[test]
fn mounts_refer_to_volumes() {
    check_container(
        "volumeMounts",
        json!([{"name": "data", "mountPath": "/a"}, {"name": "data", "mountPath": "/a"},
            {"name": "other", "mountPath": "/b", "subPath": "../x"}]),
        &[
            "volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique",
            "volumeMounts[2].name: Not found: \"other\"",
            "volumeMounts.subPath: Invalid value: \"../x\": must not contain '..'",
        ],
    );
}

#[test]
fn volumes_have_one_source() {
    check_with(
        "/spec/volumes",
        json!([{"name": "a", "emptyDir": {}, "hostPath": {"path": "/x"}}, {"name": "a"},
            {"name": "b", "secret": {}}, {"name": "c", "configMap": {"name": "x",
                "defaultMode": 512, "items": [{"key": "k", "path": "/abs"}]}}]),
        &[
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
            "spec.volumes[1].name: Duplicate value: \"a\"",
            "spec.volumes[2].secret.secretName: Required value",
            "spec.volumes[3].configMap.defaultMode: Invalid value: 512: must be a number between 0 \
             and 0777 (octal), both inclusive",
            "spec.volumes[3].configMap.items[0].path: Invalid value: \"/abs\": must be a relative \
             path",
        ],
    );
}

#[test]
fn probes_and_hooks_do_one_thing() {
    check_container("livenessProbe", json!({"httpGet": {"port": "http"}}), &[]);
    check_container(
        "livenessProbe",
        json!({}),
        &["livenessProbe: Required value: must specify a handler type"],
    );
    check_container(
        "livenessProbe",
        json!({"httpGet": {"port": 0}, "exec": {"command": ["x"]}, "periodSeconds": -1,
            "successThreshold": 2}),
        &[
            "livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type",
            "livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
            "livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ],
    );
    check_container(
        "lifecycle",
        json!({"preStop": {"exec": {}}}),
        &["lifecycle.preStop.exec.command: Required value"],
    );
    check_with(
        "/spec/initContainers",
        json!([{"name": "i", "image": "x", "readinessProbe": {"exec": {"command": ["x"]}}}]),
        &["spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers \
           without restartPolicy=Always"],
    );
}

#[test]
fn requests_are_within_limits() {
    check_container(
        "resources",
        json!({"limits": {"cpu": "1", "memory": "-1"}, "requests": {"cpu": "1500m", "memory": "-1"}}),
        &[
            "resources.limits[memory]: Invalid value: \"-1\": must be greater than or equal to 0",
            "resources.requests: Invalid value: \"1500m\": must be less than or equal to cpu limit \
             of 1",
            "resources.requests[memory]: Invalid value: \"-1\": must be greater than or equal to 0",
        ],
    );
}

#[test]
fn policies_and_deadlines() {
    check_with(
        "/spec/restartPolicy",
        json!("Sometimes"),
        &["spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \
           \"OnFailure\", \"Never\""],
    );
    check_with(
        "/spec/activeDeadlineSeconds",
        json!(0),
        &["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, \
           inclusive"],
    );
    check_with(
        "/spec/hostAliases",
        json!([{"ip": "300.0.0.1", "hostnames": ["a"]}]),
        &[
            "spec.hostAliases[0].ip: Invalid value: \"300.0.0.1\": must be a valid IP address, (e.g. \
           10.9.8.7 or 2001:db8::ffff)",
        ],
    );
    check_with(
        "/spec/tolerations",
        json!([{"operator": "Exists"}, {"key": "a", "operator": "Exists", "effect": "Never"}]),
        &["spec.tolerations[1].effect: Unsupported value: \"Never\": supported values: \
           \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\""],
    );
}

#[test]
fn security() {
    check_container(
        "securityContext",
        json!({"runAsUser": -1, "privileged": true, "allowPrivilegeEscalation": false}),
        &[
            "securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, \
             inclusive",
            "securityContext: Invalid value: {\"allowPrivilegeEscalation\":false,\
             \"privileged\":true,\"runAsUser\":-1}: cannot set `allowPrivilegeEscalation` to false \
             and `privileged` to true",
        ],
    );
}

#[test]
fn of_a_running_pod_only_images_and_deadlines_change() {
    let now = |pointer: &str, value: Value, expected: &[&str]| {
        check_update("v1/Pod", with(pod(), pointer, value), pod(), expected);
    };
    now("/spec/containers/0/image", json!("web:2"), &[]);
    now("/spec/activeDeadlineSeconds", json!(10), &[]);
    now("/spec/tolerations", json!([{"operator": "Exists"}]), &[]);
    now(
        "/spec/containers/0/command",
        json!(["x"]),
        &["spec: Forbidden: pod updates may not change fields other than \
           `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
           `spec.tolerations` (only additions to existing tolerations),\
           `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously \
           negative)\nchanged: spec.containers[0].command"],
    );
    now(
        "/spec/containers/-",
        json!({"name": "b", "image": "c"}),
        &["spec.containers: Forbidden: pod updates may not add or remove containers"],
    );
}
