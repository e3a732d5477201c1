//! What may change of an object that is there, and what it may become.

use serde_json::{Value, json};

use super::{check, check_update, with};

fn service(fields: Value) -> Value {
    let mut spec = json!({"ports": [{"port": 80}], "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
        "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"});
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"metadata": {"name": "a", "namespace": "b"}, "spec": spec})
}

#[test]
fn a_service_keeps_its_addresses_and_families() {
    let both = || {
        service(json!({"clusterIPs": ["10.0.0.1", "fd00::1"], "ipFamilies": ["IPv4", "IPv6"],
            "ipFamilyPolicy": "RequireDualStack"}))
    };
    check_update("v1/Service", both(), service(json!({})), &[]);
    check_update("v1/Service", service(json!({})), both(), &[]);
    check_update(
        "v1/Service",
        service(json!({"ipFamilyPolicy": "PreferDualStack"})),
        both(),
        &[
            "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when releasing the secondary clusterIP",
            "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when releasing the secondary ipFamily",
        ],
    );
    check_update(
        "v1/Service",
        service(json!({"clusterIP": "10.0.0.2", "clusterIPs": ["10.0.0.2"]})),
        service(json!({})),
        &["spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set"],
    );
    let none = json!({"clusterIP": "None", "clusterIPs": ["None"], "ipFamilies": ["IPv6"]});
    check_update("v1/Service", service(none.clone()), service(none), &[]);
}

#[test]
fn annotations_of_a_service_agree() {
    let annotations = json!({"service.kubernetes.io/topology-mode": "Auto",
        "service.kubernetes.io/topology-aware-hints": "auto"});
    check(
        "v1/Service",
        with(service(json!({})), "/metadata/annotations", annotations),
        &[
            "metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: \"Auto\": must match annotations[service.kubernetes.io/topology-aware-hints] when both are specified",
        ],
    );
}

fn job(spec: Value) -> Value {
    let container = json!({"name": "c", "image": "a:1", "resources": {"requests": {"cpu": "1"}}});
    let mut job = json!({"metadata": {"name": "j", "namespace": "b", "uid": "u"}, "spec": {
        "suspend": true, "manualSelector": true, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"restartPolicy": "Never", "containers": [container]}}}});
    job["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    job
}

#[test]
fn a_suspended_job_may_still_be_placed_and_sized() {
    const KIND: &str = "batch/v1/Job";
    let mut placed = with(job(json!({})), "/spec/template/spec/nodeSelector", json!({"x": "y"}));
    placed["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] =
        "2".into();
    let new = placed.clone();
    crate::defaults::apply(&KIND.parse().unwrap(), &mut placed);
    check_update(KIND, new.clone(), job(json!({})), &[]);
    let refused =
        format!("spec.template: Invalid value: {}: field is immutable", placed["spec"]["template"]);
    let running = job(json!({"suspend": false}));
    let new = with(new, "/spec/suspend", json!(false));
    check_update(KIND, new, running, &[&refused]);
}

#[test]
fn an_indexed_job_grows_by_both_numbers() {
    let indexed = |count: i64, at_once: i64| {
        job(json!({"completionMode": "Indexed", "completions": count, "parallelism": at_once}))
    };
    check_update("batch/v1/Job", indexed(3, 3), indexed(2, 2), &[]);
    check_update("batch/v1/Job", indexed(2, 1), indexed(2, 2), &[]);
    check_update(
        "batch/v1/Job",
        indexed(3, 2),
        indexed(2, 2),
        &[
            "spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism",
        ],
    );
}

#[test]
fn the_labels_of_a_job_are_its_own() {
    let own = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}});
    let labels = json!({"controller-uid": "u", "batch.kubernetes.io/controller-uid": "u",
        "job-name": "other"});
    let job = with(
        job(json!({"manualSelector": false, "selector": own})),
        "/spec/template/metadata/labels",
        labels,
    );
    check(
        "batch/v1/Job",
        job,
        &[
            "spec.template.metadata.labels[job-name]: Invalid value: {\"batch.kubernetes.io/controller-uid\":\"u\",\"controller-uid\":\"u\",\"job-name\":\"other\"}: must be 'j'",
            "spec.template.metadata.labels[batch.kubernetes.io/job-name]: Required value: must be 'j'",
        ],
    );
}

#[test]
fn who_manages_a_job_has_a_domain() {
    check(
        "batch/v1/Job",
        job(json!({"managedBy": "me"})),
        &[
            "spec.managedBy: Invalid value: \"me\": must be a domain-prefixed path (such as \"acme.io/foo\")",
        ],
    );
}

#[test]
fn schedules_name_no_time_zone_and_time_zones_have_names() {
    let cron = |fields: Value| {
        let mut spec = json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "a", "image": "a:1"}]}}}}});
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"metadata": {"name": "a".repeat(53), "namespace": "b"}, "spec": spec})
    };
    const KIND: &str = "batch/v1/CronJob";
    let name = format!(
        "metadata.name: Invalid value: \"{}\": must be no more than 52 characters",
        "a".repeat(53)
    );
    check(KIND, cron(json!({"timeZone": "Europe/Berlin"})), &[&name]);
    check_update(KIND, cron(json!({})), cron(json!({})), &[]);
    check(
        KIND,
        cron(json!({"timeZone": "Europe//Berlin"})),
        &[
            "spec.timeZone: Invalid value: \"Europe//Berlin\": unknown time zone Europe//Berlin",
            &name,
        ],
    );
    let zoned = || cron(json!({"schedule": "CRON_TZ=UTC 0 0 * * *"}));
    check_update(KIND, zoned(), zoned(), &[]);
    check_update(
        KIND,
        zoned(),
        cron(json!({})),
        &[
            "spec.schedule: Invalid value: \"CRON_TZ=UTC 0 0 * * *\": cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
        ],
    );
}

#[test]
fn an_event_of_the_new_group_stays_as_it_was() {
    const KIND: &str = "events.k8s.io/v1/Event";
    let event = |fields: Value| {
        let mut event = json!({"metadata": {"name": "a", "namespace": "default"}, "type": "Normal",
            "eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "a.b/c",
            "reportingInstance": "i", "action": "do", "reason": "because"});
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        event
    };
    check(KIND, event(json!({})), &[]);
    check(
        KIND,
        event(json!({"count": 1, "type": "Other", "series": {"count": 1}})),
        &[
            "series.count: Invalid value: \"\": should be at least 2",
            "series.lastObservedTime: Required value",
            "type: Invalid value: \"\": has invalid value: Other",
            "count: Invalid value: \"\": needs to be unset",
        ],
    );
    check_update(
        KIND,
        event(json!({"reason": "else", "message": "new"})),
        event(json!({})),
        &[
            "reason: Invalid value: \"else\": field is immutable",
            "message: Invalid value: \"new\": field is immutable",
        ],
    );
    check_update("v1/Event", event(json!({"reason": "else"})), event(json!({})), &[]);
}

#[test]
fn a_node_keeps_its_driver_but_for_how_much_it_takes() {
    let node = |id: &str, count: i64| {
        json!({"metadata": {"name": "a"}, "spec": {"drivers": [
            {"name": "a.b", "nodeID": id, "topologyKeys": null, "allocatable": {"count": count}}]}})
    };
    check_update("storage.k8s.io/v1/CSINode", node("x", 2), node("x", 1), &[]);
    check_update(
        "storage.k8s.io/v1/CSINode",
        node("y", 1),
        node("x", 1),
        &[
            "spec.drivers: Invalid value: {\"name\":\"a.b\",\"nodeID\":\"y\",\"topologyKeys\":null}: field is immutable",
        ],
    );
}

#[test]
fn a_storage_class_has_places_of_its_own() {
    let class = |terms: Value| {
        json!({"metadata": {"name": "a"}, "provisioner": "a.b/c", "volumeBindingMode": "Immediate",
            "allowedTopologies": terms})
    };
    let term =
        |values: &[&str]| json!({"matchLabelExpressions": [{"key": "zone", "values": values}]});
    check("storage.k8s.io/v1/StorageClass", class(json!([term(&["a"]), term(&["b"])])), &[]);
    check(
        "storage.k8s.io/v1/StorageClass",
        class(
            json!([term(&["a", "a"]), term(&["a"]), {"matchLabelExpressions": [{"key": "zone"}]}]),
        ),
        &[
            "allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: \"a\"",
            "allowedTopologies[1].matchLabelExpressions: Duplicate value: \"\"",
            "allowedTopologies[2].matchLabelExpressions[0].values: Required value",
        ],
    );
}

#[test]
fn rules_of_flow_schemas() {
    let schema = |rule: Value| {
        json!({"metadata": {"name": "a"}, "spec": {"matchingPrecedence": 5,
            "priorityLevelConfiguration": {"name": "p"}, "rules": [rule]}})
    };
    const KIND: &str = "flowcontrol.apiserver.k8s.io/v1/FlowSchema";
    check(
        KIND,
        schema(json!({
            "subjects": [{"kind": "User", "user": {"name": "a"}, "group": {"name": "b"}},
                {"kind": "ServiceAccount", "serviceAccount": {"name": "*"}}],
            "resourceRules": [{"verbs": ["get", "fly"], "apiGroups": ["*", "apps"], "resources": [],
                "namespaces": ["a", "B"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["/a*", "b"]}]})),
        &[
            "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
            "spec.rules[0].subjects[1].serviceAccount.namespace: Required value: must specify namespace for service account",
            "spec.rules[0].resourceRules[0].verbs: Unsupported value: [\"get\",\"fly\"]: supported values: \"create\", \"delete\", \"deletecollection\", \"get\", \"list\", \"patch\", \"proxy\", \"update\", \"watch\"",
            "spec.rules[0].resourceRules[0].apiGroups: Invalid value: [\"*\",\"apps\"]: if '*' is present, must not specify other api groups",
            "spec.rules[0].resourceRules[0].resources: Required value: resource rules must supply at least one resource",
            "spec.rules[0].resourceRules[0].namespaces[1]: Invalid value: \"B\": each member of this list must be '*' or a DNS-1123 label; a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
            "spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"/a*\": wildcard can only do suffix matching",
            "spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: \"b\": must start with slash",
        ],
    );
}

#[test]
fn endpoints_by_name_and_by_place() {
    let slice = |fields: Value| {
        json!({"metadata": {"name": "a", "namespace": "b"}, "addressType": "FQDN", "ports": [],
            "endpoints": [fields]})
    };
    const KIND: &str = "discovery.k8s.io/v1/EndpointSlice";
    check(KIND, slice(json!({"addresses": ["a.b."], "hints": {"forZones": [{"name": "z"}]}})), &[]);
    check(
        KIND,
        slice(json!({"addresses": ["a"], "hints": {"forZones": [{"name": "z"}, {"name": "z"}]}})),
        &[
            "endpoints[0].addresses[0]: Invalid value: \"a\": should be a domain with at least two segments separated by dots",
            "endpoints[0].hints.forZones[1].name: Duplicate value: \"z\"",
        ],
    );
}

#[test]
fn autoscalers_keep_what_they_had() {
    let scaler = |least: i64| {
        json!({"metadata": {"name": "a", "namespace": "b"}, "spec": {"minReplicas": least,
            "maxReplicas": 2, "scaleTargetRef": {"kind": "D", "name": "x"}, "metrics": [
                {"type": "Resource", "resource": {"name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 50}}}]}})
    };
    const KIND: &str = "autoscaling/v2/HorizontalPodAutoscaler";
    const NONE: &str = "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas";
    check(
        KIND,
        scaler(0),
        &["spec.minReplicas: Invalid value: 0: must be greater than or equal to 1", NONE],
    );
    check_update(KIND, scaler(0), scaler(0), &[NONE]);
}
