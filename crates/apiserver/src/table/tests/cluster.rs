//! Nodes, namespaces, Events, access, admission and the plain kinds.

use super::*;

#[test]
fn nodes_show_readiness_roles_and_addresses() {
    let node = |labels: Value, spec: Value, conditions: Value| {
        json!({"metadata": {"labels": labels}, "spec": spec, "status": {"conditions": conditions,
            "nodeInfo": {"kubeletVersion": "v1.36.0"}}})
    };
    let row = |status: &str, roles: &str| {
        let (none, unknown) = ("<none>", "<unknown>");
        json!(["x", status, roles, OLD, "v1.36.0", none, none, unknown, unknown, unknown])
    };
    let ready = || json!([{"type": "Ready", "status": "True"}]);
    let off = || json!({"unschedulable": true});
    check("Node", node(json!({}), json!({}), ready()), row("Ready", "<none>"));
    check("Node", node(json!({}), off(), ready()), row("Ready,SchedulingDisabled", "<none>"));
    let not = json!([{"type": "Ready", "status": "False"}]);
    check("Node", node(json!({}), off(), not), row("NotReady,SchedulingDisabled", "<none>"));
    let lost = json!([{"type": "Ready", "status": "Unknown"}]);
    check("Node", node(json!({}), json!({}), lost), row("NotReady", "<none>"));
    let other = json!([{"type": "NotReady", "status": "True"}]);
    check("Node", node(json!({}), json!({}), other), row("Unknown", "<none>"));
    let roles = json!({"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/": "",
        "kubernetes.io/role": "a", "node-role.kubernetes.io/a": ""});
    check("Node", node(roles, json!({}), ready()), row("Ready", "a,worker"));
    let empty = json!({"kubernetes.io/role": ""});
    check("Node", node(empty, json!({}), ready()), row("Ready", "<none>"));
    let full = json!({"spec": {}, "status": {"conditions": ready(), "nodeInfo": {
            "kubeletVersion": "k", "osImage": "os", "kernelVersion": "6", "containerRuntimeVersion": "s://1"},
        "addresses": [{"type": "Hostname", "address": "box"}, {"type": "InternalIP", "address": "1.1.1.1"},
            {"type": "InternalIP", "address": "1.1.1.2"}, {"type": "ExternalIP", "address": "2.2.2.2"}]}});
    let expected =
        json!(["x", "Ready", "<none>", OLD, "k", "1.1.1.1", "2.2.2.2", "os", "6", "s://1"]);
    check("Node", full, expected);
}

#[test]
fn events_show_when_how_often_and_about_what() {
    let event = |more: Value| {
        let mut event = json!({"type": "Warning", "reason": "Broke", "message": "  it broke\n",
            "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{a}"},
            "source": {"component": "kubelet", "host": "box"}});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let row = |last: &str, first: &str, count: i64| {
        json!([
            last,
            "Warning",
            "Broke",
            "pod/p",
            "spec.containers{a}",
            "kubelet, box",
            "it broke",
            first,
            count,
            "x"
        ])
    };
    let times = json!({"firstTimestamp": ago(300), "lastTimestamp": ago(60), "count": 6});
    check("Event", event(times), row("60s", "5m", 6));
    check("Event", event(json!({})), row("<unknown>", "<unknown>", 1));
    check("Event", event(json!({"eventTime": ago(30)})), row("30s", "30s", 1));
    let series =
        json!({"eventTime": ago(300), "series": {"count": 4, "lastObservedTime": ago(10)}});
    check("Event", event(series), row("10s", "5m", 4));
    let unseen =
        json!({"firstTimestamp": ago(300), "lastTimestamp": ago(60), "count": 6, "series": {}});
    check("Event", event(unseen), row("<unknown>", "5m", 0));
    let reported = json!({"involvedObject": {"kind": "Node"}, "source": {},
        "reportingComponent": "sampan", "reportingInstance": ""});
    let mut expected = row("<unknown>", "<unknown>", 1);
    (expected[3], expected[4], expected[5]) = (json!("node"), json!(""), json!("sampan"));
    check("Event", event(reported), expected);
}

#[test]
fn plain_kinds_count_what_they_hold() {
    let both = json!({"data": {"a": "1", "b": "2"}, "binaryData": {"c": "eA=="}});
    check("ConfigMap", both, json!(["x", 3, OLD]));
    check("ConfigMap", json!({}), json!(["x", 0, OLD]));
    check(
        "Secret",
        json!({"type": "Opaque", "data": {"a": "eA=="}}),
        json!(["x", "Opaque", 1, OLD]),
    );
    check("ServiceAccount", json!({"secrets": [{"name": "s"}]}), json!(["x", OLD]));
    check(
        "Namespace",
        json!({"status": {"phase": "Terminating"}}),
        json!(["x", "Terminating", OLD]),
    );
    check("Lease", json!({"spec": {"holderIdentity": "me"}}), json!(["x", "me", OLD]));
    check("Lease", json!({"spec": {}}), json!(["x", "", OLD]));
    check("RuntimeClass", json!({"handler": "h"}), json!(["x", "h", OLD]));
    let class = json!({"value": 9, "preemptionPolicy": "Never"});
    check("PriorityClass", class, json!(["x", 9, false, OLD, "Never"]));
    let class = json!({"value": -1, "globalDefault": true});
    check("PriorityClass", class, json!(["x", -1, true, OLD, ""]));
    check("DeviceClass", json!({}), json!(["x", OLD]));
    check("ResourceClaimTemplate", json!({}), json!(["x", OLD]));
}

#[test]
fn bindings_show_their_role_and_who_has_it() {
    let binding = json!({"roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [
        {"kind": "User", "name": "bob"}, {"kind": "Group", "name": "all"}, {"kind": "User", "name": "amy"},
        {"kind": "ServiceAccount", "name": "web", "namespace": "shop"},
        {"kind": "ServiceAccount", "name": "bare"}]});
    for kind in ["RoleBinding", "ClusterRoleBinding"] {
        let expected = json!(["x", "ClusterRole/view", OLD, "bob, amy", "all", "shop/web, bare"]);
        check(kind, binding.clone(), expected);
        let alone = json!({"roleRef": {"kind": "Role", "name": "r"}});
        check(kind, alone, json!(["x", "Role/r", OLD, "", "", ""]));
    }
}

#[test]
fn certificate_requests_show_what_became_of_them() {
    let request = |conditions: &[&str], certificate: &str| {
        let conditions: Vec<Value> = conditions.iter().map(|kind| json!({"type": kind})).collect();
        json!({"spec": {"signerName": "s/n", "username": "u", "expirationSeconds": 3600},
            "status": {"conditions": conditions, "certificate": certificate}})
    };
    let kind = "CertificateSigningRequest";
    let row = |state: &str| json!(["x", OLD, "s/n", "u", "60m", state]);
    check(kind, request(&[], ""), row("Pending"));
    check(kind, request(&["Approved"], ""), row("Approved"));
    check(kind, request(&["Approved"], "eA=="), row("Approved,Issued"));
    check(kind, request(&["Approved", "Failed"], ""), row("Approved,Failed"));
    check(kind, request(&["Denied", "Approved"], ""), row("Denied"));
    let bare = json!({"spec": {"username": "u"}});
    check(kind, bare, json!(["x", OLD, "<none>", "u", "<none>", "Pending"]));
}

#[test]
fn policies_and_their_bindings_show_what_they_refer_to() {
    let policy = |param: Value| json!({"spec": {"validations": [{}, {}], "paramKind": param}});
    let kind = "ValidatingAdmissionPolicy";
    check(kind, policy(Value::Null), json!(["x", 2, "<unset>", OLD]));
    let param = json!({"apiVersion": "v1", "kind": "ConfigMap"});
    check(kind, policy(param), json!(["x", 2, "v1/ConfigMap", OLD]));
    let mutating = json!({"spec": {"mutations": [{}]}});
    check("MutatingAdmissionPolicy", mutating, json!(["x", 1, "<unset>", OLD]));
    let selector = json!({"matchLabels": {"b": "2", "a": "1"},
        "matchExpressions": [{"key": "k", "operator": "In", "values": ["x", "y"]}]});
    for (param, shown) in [
        (Value::Null, "<unset>"),
        (json!({"name": "n"}), "*/n"),
        (json!({"name": "n", "namespace": "s"}), "s/n"),
        (json!({"namespace": "s"}), "<unset>"),
        (
            json!({"selector": {}}),
            "&LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{},}",
        ),
        (
            json!({"selector": selector}),
            "&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:k,Operator:In,Values:[x y],},},}",
        ),
    ] {
        for kind in ["ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding"] {
            let binding = json!({"spec": {"policyName": "p", "paramRef": param}});
            check(kind, binding, json!(["x", "p", shown, OLD]));
        }
    }
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        check(kind, json!({"webhooks": [{}, {}]}), json!(["x", 2, OLD]));
        check(kind, json!({}), json!(["x", 0, OLD]));
    }
}

#[test]
fn servers_behind_this_one_show_whether_they_are_there() {
    let service = |conditions: Value| json!({"spec": {"service": {"namespace": "n", "name": "s"}}, "status": {"conditions": conditions}});
    let row = |available: &str| json!(["x", "n/s", available, OLD]);
    check("APIService", service(json!([])), row("Unknown"));
    let with = |status: &str, reason: &str| json!([{"type": "Available", "status": status, "reason": reason}]);
    check("APIService", service(with("True", "Passed")), row("True"));
    check("APIService", service(with("False", "MissingEndpoint")), row("False (MissingEndpoint)"));
    check("APIService", service(with("False", "")), row("False"));
    check("APIService", json!({"spec": {}}), json!(["x", "Local", "Unknown", OLD]));
}

#[test]
fn fairness_shows_levels_and_their_queues() {
    let schema = |more: Value| {
        let mut schema = json!({"spec": {"matchingPrecedence": 5,
            "priorityLevelConfiguration": {"name": "level"}}});
        schema["status"] = more;
        schema
    };
    let row = |missing: &str| json!(["x", "level", 5, "<none>", OLD, missing]);
    check("FlowSchema", schema(json!({})), row("?"));
    let dangling = json!({"conditions": [{"type": "Dangling", "status": "False"}]});
    check("FlowSchema", schema(dangling), row("False"));
    let exempt = json!({"spec": {"type": "Exempt", "exempt": {}}});
    let none = "<none>";
    let kind = "PriorityLevelConfiguration";
    check(kind, exempt, json!(["x", "Exempt", none, none, none, none, OLD]));
    let reject = json!({"spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 47,
        "limitResponse": {"type": "Reject"}}}});
    check(kind, reject, json!(["x", "Limited", 47, none, none, none, OLD]));
    let queue = json!({"spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 42,
        "limitResponse": {"type": "Queue", "queuing": {"queues": 8, "handSize": 3, "queueLengthLimit": 4}}}}});
    check(kind, queue, json!(["x", "Limited", 42, 8, 3, 4, OLD]));
}
