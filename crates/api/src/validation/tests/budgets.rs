//! Quotas, limits, nodes and what else is counted.

use serde_json::{Value, json};

use super::{check, check_update};

fn object(spec: Value) -> Value {
    json!({"metadata": {"name": "a", "namespace": "default"}, "spec": spec})
}

#[test]
fn quotas_name_what_can_be_counted() {
    const KIND: &str = "v1/ResourceQuota";
    check(KIND, object(json!({"hard": {"pods": "10", "requests.cpu": "1500m"}})), &[]);
    check(KIND, object(json!({"hard": {"count/deployments.apps": "10"}})), &[]);
    check(
        KIND,
        object(json!({"hard": {"pods": "1500m", "storage": "1Gi", "cats": "3"}})),
        &[
            "spec.hard[cats]: Invalid value: \"cats\": must be a standard resource type or fully \
             qualified",
            "spec.hard[cats]: Invalid value: \"cats\": must be a standard resource for quota",
            "spec.hard[pods]: Invalid value: \"1500m\": must be an integer",
            "spec.hard[storage]: Invalid value: \"storage\": must be a standard resource for quota",
        ],
    );
}

#[test]
fn scopes_of_quotas_fit_and_do_not_conflict() {
    const KIND: &str = "v1/ResourceQuota";
    check(
        KIND,
        object(json!({"hard": {"pods": "1"}, "scopes": ["Terminating", "NotTerminating"]})),
        &["spec.scopes: Invalid value: [\"Terminating\",\"NotTerminating\"]: conflicting scopes"],
    );
    let select = |operator: &str, values: Value| {
        object(json!({"hard": {"pods": "1"}, "scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": operator, "values": values}]}}))
    };
    check(KIND, select("In", json!(["high"])), &[]);
    check(
        KIND,
        select("In", json!([])),
        &[
            "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value \
           when `operator` is 'In' or 'NotIn' for scope selector",
        ],
    );
    check(
        KIND,
        select("Near", json!([])),
        &["spec.scopeSelector.matchExpressions.operator: Invalid value: \"Near\": not a valid \
           selector operator"],
    );
}

#[test]
fn limits_are_in_order() {
    const KIND: &str = "v1/LimitRange";
    let limit = |limit: Value| object(json!({"limits": [limit]}));
    check(
        KIND,
        limit(json!({"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1"},
            "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "200m"},
            "maxLimitRequestRatio": {"cpu": "10"}})),
        &[],
    );
    check(
        KIND,
        limit(json!({"type": "Container", "max": {"cpu": "1"}, "default": {"cpu": "2"},
            "defaultRequest": {"cpu": "1"}})),
        &[
            "spec.limits[0].default[cpu]: Invalid value: \"1\": default value 2 is greater than max \
           value 1",
        ],
    );
    check(
        KIND,
        limit(json!({"type": "Pod", "default": {"cpu": "1"}, "min": {"cpu": "1"},
            "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}})),
        &[
            "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
            "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"3\": ratio 3 is greater \
             than max/min = 2.000000",
        ],
    );
    check(
        KIND,
        limit(json!({"type": "Cat"})),
        &["spec.limits[0].type: Invalid value: \"Cat\": must be a standard limit type or fully \
           qualified"],
    );
    check(
        KIND,
        limit(json!({"type": "PersistentVolumeClaim"})),
        &["spec.limits[0].limits: Required value: either minimum or maximum storage value is \
           required, but neither was provided"],
    );
}

#[test]
fn taints_of_nodes() {
    let node = |spec: Value| json!({"metadata": {"name": "n"}, "spec": spec});
    let taint = json!({"key": "a", "value": "b", "effect": "NoSchedule"});
    check("v1/Node", node(json!({"taints": [taint]})), &[]);
    check(
        "v1/Node",
        node(json!({"taints": [taint, taint, {"key": "", "effect": "Never"}]})),
        &[
            "metadata.taints[1]: Duplicate value: \
             {\"effect\":\"NoSchedule\",\"key\":\"a\",\"value\":\"b\"}: taints must be unique by \
             key and effect pair",
            "metadata.taints[2].key: Invalid value: \"\": name part must be non-empty",
            "metadata.taints[2].key: Invalid value: \"\": name part must consist of alphanumeric \
             characters, '-', '_' or '.', and must start and end with an alphanumeric character \
             (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
             '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            "metadata.taints[2].effect: Unsupported value: \"Never\": supported values: \
             \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"",
        ],
    );
    let ranges = |range: &str| node(json!({"podCIDR": range, "podCIDRs": [range]}));
    check_update(
        "v1/Node",
        ranges("10.0.1.0/24"),
        ranges("10.0.0.0/24"),
        &[
            "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid",
        ],
    );
}

#[test]
fn drivers_of_storage() {
    check("storage.k8s.io/v1/CSIDriver", json!({"metadata": {"name": "a.b"}, "spec": {}}), &[]);
    check(
        "storage.k8s.io/v1/CSIDriver",
        json!({"metadata": {"name": "a.b"}, "spec": {"fsGroupPolicy": "Some",
            "tokenRequests": [{"audience": "a", "expirationSeconds": 1}, {"audience": "a"}]}}),
        &[
            "spec.fsGroupPolicy: Unsupported value: \"Some\": supported values: \"File\", \
             \"None\", \"ReadWriteOnceWithFSType\"",
            "spec.tokenRequests[0].expirationSeconds: Invalid value: 1: may not specify a duration \
             less than 10 minutes",
            "spec.tokenRequests[1].audience: Duplicate value: \"a\"",
        ],
    );
    check(
        "storage.k8s.io/v1/CSINode",
        json!({"metadata": {"name": "n"}, "spec": {"drivers": [{"name": "d", "nodeID": "",
            "topologyKeys": ["a", "a"]}]}}),
        &["spec.drivers[0].nodeID: Required value", "spec.drivers[0]: Duplicate value: \"a\""],
    );
}

#[test]
fn names_that_are_addresses() {
    let address = |name: &str| {
        json!({"metadata": {"name": name}, "spec": {"parentRef": {"resource": "services",
            "name": "a"}}})
    };
    const KIND: &str = "networking.k8s.io/v1/IPAddress";
    check(KIND, address("192.0.2.1"), &[]);
    check(KIND, address("fe80::42:1dff:fe84:f9e2"), &[]);
    check(
        KIND,
        address("2001:DB8::1"),
        &["metadata.name: Invalid value: \"2001:DB8::1\": must be in canonical form \
           (\"2001:db8::1\")"],
    );
    check(
        KIND,
        address("a.b"),
        &["metadata.name: Invalid value: \"a.b\": must be a valid IP address, (e.g. 10.9.8.7 or \
           2001:db8::ffff)"],
    );
}

#[test]
fn blocks_of_network_policies() {
    let policy = |block: Value| {
        object(json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": block}]}]}))
    };
    const KIND: &str = "networking.k8s.io/v1/NetworkPolicy";
    check(KIND, policy(json!({"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]})), &[]);
    check(
        KIND,
        policy(json!({"cidr": "10.0.0.0/16", "except": ["10.0.0.0/16", "10.1.0.0/24", "::/128"]})),
        &[
            "spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: \"10.0.0.0/16\": must be a \
             strict subset of `cidr`",
            "spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: \"10.1.0.0/24\": must be a \
             strict subset of `cidr`",
            "spec.ingress[0].from[0].ipBlock.except[2]: Invalid value: \"::/128\": must be a \
             strict subset of `cidr`",
        ],
    );
}
