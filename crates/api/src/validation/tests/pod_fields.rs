//! The rarer fields of a pod's spec.

use serde_json::{Value, json};

use super::check;

/// A pod with these fields beside its container; paths of messages begin within the spec.
#[track_caller]
fn check_spec(fields: Value, expected: &[&str]) {
    let mut spec = json!({"containers": [{"name": "a", "image": "a:1"}]});
    for (field, value) in fields.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let expected: Vec<_> = expected.iter().map(|text| format!("spec.{text}")).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    check("v1/Pod", json!({"metadata": {"name": "a"}, "spec": spec}), &expected);
}

#[test]
fn projected_volumes() {
    let source =
        |source: Value| json!({"volumes": [{"name": "v", "projected": {"sources": [source]}}]});
    check_spec(source(json!({"serviceAccountToken": {"path": "token"}})), &[]);
    check_spec(
        source(json!({"serviceAccountToken": {"path": "/x", "expirationSeconds": 60}})),
        &[
            "volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: \
             60: may not specify a duration less than 10 minutes",
            "volumes[0].projected.sources[0].serviceAccountToken.path: Invalid value: \"/x\": must \
             be a relative path",
        ],
    );
    check_spec(
        source(json!({"secret": {"name": "s"}, "configMap": {"name": "c"}})),
        &[
            "volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per \
           source",
        ],
    );
}

#[test]
fn files_of_the_downward_api() {
    let item = |item: Value| json!({"volumes": [{"name": "v", "downwardAPI": {"items": [item]}}]});
    check_spec(item(json!({"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}})), &[]);
    check_spec(
        item(json!({"path": "..x"})),
        &[
            "volumes[0].downwardAPI.items[0].path: Invalid value: \"..x\": must not start with \
             '..'",
            "volumes[0].downwardAPI.items[0]: Required value: one of fieldRef and \
             resourceFieldRef is required",
        ],
    );
    check_spec(
        item(json!({"path": "l", "fieldRef": {"fieldPath": "spec.color"}})),
        &[
            "volumes[0].downwardAPI.items[0].fieldRef.fieldPath: Invalid value: \"spec.color\": error \
           converting fieldPath: field label not supported: spec.color",
        ],
    );
}

#[test]
fn divisors_are_of_their_resource() {
    let of = |resource: &str, divisor: &str| {
        json!({"containers": [{"name": "a", "image": "a:1", "env": [{"name": "A", "valueFrom":
            {"resourceFieldRef": {"resource": resource, "divisor": divisor}}}]}]})
    };
    check_spec(of("limits.cpu", "1m"), &[]);
    check_spec(of("limits.memory", "1Mi"), &[]);
    check_spec(
        of("limits.cpu", "1Mi"),
        &[
            "containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: \"limits.cpu\": \
           only divisor's values 1m and 1 are supported with the cpu resource",
        ],
    );
}

#[test]
fn dns() {
    check_spec(
        json!({"dnsPolicy": "None"}),
        &["dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
    );
    check_spec(
        json!({"dnsConfig": {"nameservers": ["dns"], "searches": ["a.b.", "-"]}}),
        &[
            "dnsConfig.nameservers[0]: Invalid value: \"dns\": must be a valid IP address, (e.g. \
             10.9.8.7 or 2001:db8::ffff)",
            "dnsConfig.searches[1]: Invalid value: \"-\": a lowercase RFC 1123 subdomain must \
             consist of lower case alphanumeric characters, '-' or '.', and must start and end \
             with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ],
    );
}

#[test]
fn placement() {
    check_spec(
        json!({"tolerations": [{"operator": "Equal", "value": "x"}]}),
        &["tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` \
           is empty, which means \"match all values and all keys\""],
    );
    check_spec(
        json!({"schedulingGates": [{"name": "a.b/c"}, {"name": "a.b/c"}]}),
        &["schedulingGates[1]: Duplicate value: \"a.b/c\""],
    );
    check_spec(
        json!({"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": ""}]}),
        &[
            "topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            "topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
        ],
    );
    check_spec(
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": []}}}}),
        &[
            "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: \
           Required value: must have at least one node selector term",
        ],
    );
}

#[test]
fn security_of_the_pod() {
    check_spec(
        json!({"securityContext": {"sysctls": [{"name": "net.core.somaxconn"}, {"name": "A"}],
            "seccompProfile": {"type": "Localhost"}}, "hostPID": true,
            "shareProcessNamespace": true}),
        &[
            "securityContext.seccompProfile.localhostProfile: Required value: must be set when \
             seccomp type is Localhost",
            "securityContext.sysctls[1].name: Invalid value: \"A\": must have at most 253 \
             characters and match regex \
             ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
            "shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot \
             both be enabled",
        ],
    );
    check_spec(
        json!({"hostNetwork": true, "containers": [{"name": "a", "image": "a:1",
            "ports": [{"containerPort": 80, "hostPort": 81}]}]}),
        &["containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when \
           `hostNetwork` is true"],
    );
}
