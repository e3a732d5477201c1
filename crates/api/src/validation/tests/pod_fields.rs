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
    let source = |source: Value| {
        json!({"serviceAccountName": "a",
            "volumes": [{"name": "v", "projected": {"sources": [source]}}]})
    };
    check_spec(source(json!({"serviceAccountToken": {"path": "token"}})), &[]);
    check_spec(
        source(json!({"serviceAccountToken": {"path": "/x", "expirationSeconds": 60}})),
        &[
            "volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: \
             60: may not specify a duration less than 10 minutes",
            "volumes[0].projected.path: Invalid value: \"/x\": must be a relative path",
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
            "volumes[0].downwardAPI.path: Invalid value: \"..x\": must not start with \
             '..'",
            "volumes[0].downwardAPI: Required value: one of fieldRef and \
             resourceFieldRef is required",
        ],
    );
    check_spec(
        item(json!({"path": "l", "fieldRef": {"fieldPath": "spec.color"}})),
        &["volumes[0].downwardAPI.fieldRef.fieldPath: Invalid value: \"spec.color\": error \
           converting fieldPath: field label not supported: spec.color"],
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
             consist of lower case alphanumeric characters, '_', '-' or '.', and must start and \
             end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')",
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
            "topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"\": supported \
             values: \"DoNotSchedule\", \"ScheduleAnyway\"",
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
            "securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and \
             HostPID cannot both be enabled",
            "securityContext.sysctls[1].name: Invalid value: \"A\": must have at most 253 \
             characters and match regex \
             ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
            "securityContext.seccompProfile.localhostProfile: Required value: must be set when \
             seccomp type is Localhost",
        ],
    );
    check_spec(
        json!({"hostNetwork": true, "containers": [{"name": "a", "image": "a:1",
            "ports": [{"containerPort": 80, "hostPort": 81}]}]}),
        &["containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when \
           `hostNetwork` is true"],
    );
}

#[test]
fn where_other_pods_are() {
    let anti = |term: Value| {
        json!({"affinity": {"podAntiAffinity":
            {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
    };
    check_spec(anti(json!({"topologyKey": "kubernetes.io/hostname"})), &[]);
    check_spec(
        anti(json!({"topologyKey": "z", "matchLabelKeys": ["a"], "namespaces": ["-"]})),
        &[
            "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].namespace: \
             Invalid value: \"-\": a lowercase RFC 1123 label must consist of lower case \
             alphanumeric characters or '-', and must start and end with an alphanumeric character \
             (e.g. 'my-name',  or '123-abc', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
            "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].matchLabelKeys: \
             Forbidden: must not be specified when labelSelector is not set",
        ],
    );
}

#[test]
fn spread() {
    let with = |fields: Value| {
        let mut constraint = json!({"maxSkew": 1, "topologyKey": "z",
            "whenUnsatisfiable": "ScheduleAnyway"});
        for (field, value) in fields.as_object().unwrap() {
            constraint[field] = value.clone();
        }
        json!({"topologySpreadConstraints": [constraint]})
    };
    check_spec(with(json!({})), &[]);
    check_spec(
        with(json!({"minDomains": 0, "nodeTaintsPolicy": "Maybe", "matchLabelKeys": ["a"],
            "labelSelector": {"matchLabels": {"a": "b"}}})),
        &[
            "topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than zero",
            "topologySpreadConstraints[0].minDomains: Invalid value: 0: can only use minDomains if \
             whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
            "topologySpreadConstraints[0].nodeTaintsPolicy: Unsupported value: \"Maybe\": supported \
             values: \"Honor\", \"Ignore\"",
            "topologySpreadConstraints[0].matchLabelKeys[0]: Invalid value: \"a\": exists in both \
             matchLabelKeys and labelSelector",
        ],
    );
    let twice = json!({"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"});
    check_spec(
        json!({"topologySpreadConstraints": [twice, twice]}),
        &["topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: \"{z, \
           DoNotSchedule}\""],
    );
}

#[test]
fn other_systems_and_users_of_its_own() {
    check_spec(
        json!({"os": {"name": "windows"}, "securityContext": {"runAsUser": 1}}),
        &["securityContext.runAsUser: Forbidden: cannot be set for a windows pod"],
    );
    check_spec(
        json!({"os": {"name": "beos"}}),
        &["os: Unsupported value: \"beos\": supported values: \"linux\", \"windows\""],
    );
    check_spec(
        json!({"hostUsers": false, "hostPID": true}),
        &["HostPID: Forbidden: when `pod.Spec.HostUsers` is false"],
    );
    check_spec(
        json!({"containers": [{"name": "a", "image": "a:1",
            "securityContext": {"procMount": "Unmasked"}}]}),
        &[
            "containers[0].securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must \
           be false to use `Unmasked`",
        ],
    );
}

#[test]
fn profiles_of_apparmor() {
    let with = |profile: Value| json!({"securityContext": {"appArmorProfile": profile}});
    check_spec(with(json!({"type": "RuntimeDefault"})), &[]);
    check_spec(
        with(json!({"type": "Localhost"})),
        &["securityContext.appArmorProfile.localhostProfile: Required value: must be set when \
           AppArmor type is Localhost"],
    );
    check_spec(
        with(json!({"type": "Unconfined", "localhostProfile": "x"})),
        &[
            "securityContext.appArmorProfile.localhostProfile: Invalid value: \"x\": can only be set \
           when AppArmor type is Localhost",
        ],
    );
}

#[test]
fn devices_that_are_claimed() {
    check_spec(json!({"resourceClaims": [{"name": "a", "resourceClaimName": "b"}]}), &[]);
    check_spec(
        json!({"resourceClaims": [{"name": "a"}]}),
        &["resourceClaims[0]: Invalid value: {\"name\":\"a\"}: must specify one of: \
           `resourceClaimName`, `resourceClaimTemplateName`"],
    );
}

#[test]
fn the_share_of_the_whole_pod() {
    check_spec(
        json!({"resources": {"limits": {"cpu": "1"}}, "containers": [{"name": "a", "image": "a:1",
            "resources": {"limits": {"cpu": "2"}}}]}),
        &[
            "resources.requests[cpu]: Invalid value: \"1\": must be greater than or equal to \
             aggregate container requests of 2",
            "resources.containers[0][cpu].limits: Invalid value: \"2\": must be less than or equal \
             to pod limits of 1",
        ],
    );
}

#[test]
fn a_pod_behind_a_gate_has_no_node_yet() {
    check_spec(
        json!({"nodeName": "n", "schedulingGates": [{"name": "a.b/c"}]}),
        &["nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
    );
}
