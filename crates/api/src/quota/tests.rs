use serde_json::json;

use super::*;

fn pod(containers: Value) -> Value {
    json!({"spec": {"containers": containers}, "status": {"qosClass": "Burstable"}})
}

#[track_caller]
fn check(resource: &str, object: &Value, expected: &str) {
    assert_eq!(usage(resource, object, 100).to_string(), expected);
}

#[test]
fn a_pod_takes_what_its_containers_ask_for() {
    let one = json!({"resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "1"}}});
    check(
        "pods",
        &pod(json!([one, one])),
        "count/pods=1,cpu=200m,limits.cpu=2,memory=2Gi,pods=1,requests.cpu=200m,requests.memory=2Gi",
    );
    let own = json!({"resources": {"requests": {"example.com/dongle": 2, "hugepages-2Mi": "4Mi"}}});
    check(
        "pods",
        &pod(json!([own])),
        "count/pods=1,hugepages-2Mi=4Mi,pods=1,requests.example.com/dongle=2,requests.hugepages-2Mi=4Mi",
    );
}

#[test]
fn the_start_of_a_pod_may_need_more_than_its_life() {
    let asks = |cpu: &str| json!({"name": cpu, "resources": {"requests": {"cpu": cpu}}});
    let mut sidecar = asks("1");
    sidecar["restartPolicy"] = "Always".into();
    let with = |init: Value, overhead: Value| json!({"spec": {"containers": [asks("2")], "initContainers": init, "overhead": overhead}});
    let cpu = |pod: &Value| pod_requests(pod).to_string();
    assert_eq!(cpu(&with(json!([asks("3")]), json!({}))), "cpu=3");
    assert_eq!(cpu(&with(json!([sidecar, asks("3")]), json!({}))), "cpu=4");
    assert_eq!(cpu(&with(json!([asks("2"), sidecar]), json!({"cpu": "1"}))), "cpu=4");
    assert_eq!(pod_limits(&with(json!([]), json!({"cpu": "1"}))).to_string(), "");
}

#[test]
fn a_pod_that_is_over_takes_its_count_only() {
    let mut over = pod(json!([]));
    over["status"]["phase"] = "Succeeded".into();
    check("pods", &over, "count/pods=1");
    let mut stuck = pod(json!([]));
    stuck["metadata"] =
        json!({"deletionTimestamp": "1970-01-01T00:01:00Z", "deletionGracePeriodSeconds": 30});
    check("pods", &stuck, "count/pods=1");
    stuck["metadata"]["deletionGracePeriodSeconds"] = 60.into();
    check("pods", &stuck, "count/pods=1,pods=1");
}

#[test]
fn a_service_takes_node_ports_as_it_will_have_them() {
    let service = |spec: Value| json!({ "spec": spec });
    let ports = json!([{"port": 1}, {"port": 2, "nodePort": 30001}]);
    check(
        "services",
        &service(json!({"type": "ClusterIP", "ports": ports})),
        "count/services=1,services=1,services.loadbalancers=0,services.nodeports=0",
    );
    check(
        "services",
        &service(json!({"type": "NodePort", "ports": ports})),
        "count/services=1,services=1,services.loadbalancers=0,services.nodeports=2",
    );
    check(
        "services",
        &service(
            json!({"type": "LoadBalancer", "ports": ports, "allocateLoadBalancerNodePorts": false}),
        ),
        "count/services=1,services=1,services.loadbalancers=1,services.nodeports=1",
    );
}

#[test]
fn a_claim_takes_storage_of_its_class() {
    let spec = json!({"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}});
    check(
        "persistentvolumeclaims",
        &json!({ "spec": spec }),
        "count/persistentvolumeclaims=1,gold.storageclass.storage.k8s.io/persistentvolumeclaims=1,gold.storageclass.storage.k8s.io/requests.storage=1Gi,persistentvolumeclaims=1,requests.storage=1Gi",
    );
}

#[test]
fn anything_is_counted() {
    check("configmaps", &json!({}), "configmaps=1,count/configmaps=1");
    check("deployments.apps", &json!({}), "count/deployments.apps=1");
}

#[test]
fn an_entry_is_of_one_resource() {
    let check = |entry: &str, expected: Option<&str>| {
        assert_eq!(resource_of(entry), expected, "{entry}");
    };
    for entry in ["pods", "cpu", "requests.memory", "limits.ephemeral-storage", "hugepages-2Mi"] {
        check(entry, Some("pods"));
    }
    check("requests.example.com/dongle", Some("pods"));
    check("count/jobs.batch", Some("jobs.batch"));
    check("secrets", Some("secrets"));
    check("services.nodeports", Some("services"));
    check("requests.storage", Some("persistentvolumeclaims"));
    check("gold.storageclass.storage.k8s.io/requests.storage", Some("persistentvolumeclaims"));
    check("example.com/dongle", None);
    check("limits.hugepages-2Mi", None);
}

#[test]
fn scopes_say_which_pods_are_meant() {
    let pod = json!({
        "spec": {"activeDeadlineSeconds": 5, "priorityClassName": "high"},
        "status": {"qosClass": "BestEffort"},
    });
    let check = |scope: Value, expected: bool| {
        let quota = json!({ "spec": scope });
        assert_eq!(in_scope(&quota, "pods", &pod), expected, "{quota}");
    };
    check(json!({}), true);
    check(json!({"scopes": ["Terminating", "BestEffort"]}), true);
    check(json!({"scopes": ["Terminating", "NotBestEffort"]}), false);
    check(json!({"scopes": ["PriorityClass"]}), true);
    check(json!({"scopes": ["CrossNamespacePodAffinity"]}), false);
    let term = |operator: &str, values: Value| json!({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}});
    check(term("In", json!(["low", "high"])), true);
    check(term("NotIn", json!(["high"])), false);
    check(term("DoesNotExist", json!([])), false);
    let scoped = json!({"spec": {"scopes": ["Terminating"]}});
    assert!(!in_scope(&scoped, "services", &json!({})));
}

#[test]
fn what_a_quota_demands_is_named_container_by_container() {
    let check = |pod: Value, expected: Option<&str>| {
        let entries = ["pods", "limits.cpu", "requests.memory", "requests.storage"];
        assert_eq!(missing_in_pod(&pod, entries).as_deref(), expected);
    };
    let silent = json!({"name": "b", "resources": {"limits": {"cpu": "1"}}});
    check(pod(json!([{"name": "z"}, silent])), Some("limits.cpu for: z; requests.memory for: b,z"));
    let all =
        json!({"name": "a", "resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1"}}});
    check(pod(json!([all])), None);
}

#[test]
fn totals_count_what_is_in_scope() {
    let quota = json!({"spec": {"scopes": ["BestEffort"]}});
    let pods = [pod(json!([])), json!({"spec": {}, "status": {"qosClass": "BestEffort"}})];
    assert_eq!(total(&quota, "pods", &pods, 0).to_string(), "count/pods=1,pods=1");
}

#[test]
fn a_change_costs_what_is_more() {
    let list = |value: Value| ResourceList::read(&value);
    let beyond = list(json!({"a": 3, "b": 1})).beyond(&list(json!({"a": 1, "b": 2})));
    assert_eq!(beyond.to_string(), "a=2,b=0");
}
