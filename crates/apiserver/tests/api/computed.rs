//! Kinds that are not stored: what is used, and whether the parts are well.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::routing::get;
use axum::{Json, Router};
use sampan_apiserver::{NodeProxy, UserInfo};
use serde_json::{Value, json};

use super::support::{PODS, Server, admin, names, pod};

const METRICS: &str = "/apis/metrics.k8s.io/v1beta1";

/// A kubelet API whose container has used a second more of processor each time it is asked.
fn kubelet() -> NodeProxy {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let summary = async || {
        let nanos = ASKED.fetch_add(1, Ordering::Relaxed) * 1_000_000_000;
        Json(json!({
            "node": {"nodeName": "n", "cpu": {"usageCoreNanoSeconds": nanos},
                "memory": {"workingSetBytes": 4096}},
            "pods": [{"podRef": {"namespace": "default", "name": "p", "uid": "u"}, "containers": [
                {"name": "a", "cpu": {"usageCoreNanoSeconds": nanos},
                    "memory": {"workingSetBytes": 2048}}]}]}))
    };
    NodeProxy::new(Router::new().route("/stats/summary", get(summary)))
}

#[tokio::test]
async fn what_pods_and_nodes_use_is_measured_when_asked() {
    let server = Server::start().await;
    let early = format!("GET {METRICS}/nodes");
    server.check(&early, Value::Null, 503, json!({"reason": "ServiceUnavailable"})).await;
    server.api.set_node_proxy(kubelet());
    let node = json!({"metadata": {"name": "n", "labels": {"a": "b"}}});
    server.check("POST /api/v1/nodes", node, 201, json!({})).await;
    server.check(&format!("POST {PODS}"), pod("p"), 201, json!({})).await;
    server.check(&format!("POST {PODS}"), pod("q"), 201, json!({})).await;
    let expected = json!({"kind": "NodeMetrics", "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {"name": "n"}, "usage": {"memory": "4Ki"}});
    let found = server.check(&format!("GET {METRICS}/nodes/n"), Value::Null, 200, expected).await;
    let cpu = found["usage"]["cpu"].as_str().unwrap().trim_end_matches('n').parse::<u64>().unwrap();
    assert!((100_000_000..=500_000_000).contains(&cpu), "half a processor, at most: {found}");
    let pods = format!("GET {METRICS}/pods");
    let list = server.check(&pods, Value::Null, 200, json!({"kind": "PodMetricsList"})).await;
    assert_eq!(names(&list), ["p"], "the other one runs nowhere");
    assert_eq!(list["items"][0]["containers"][0]["usage"]["memory"], "2Ki");
    let one = format!("{METRICS}/namespaces/default/pods");
    server.check(&format!("GET {one}/p"), Value::Null, 200, json!({"kind": "PodMetrics"})).await;
    let missing = json!({"message": "podmetrics.metrics.k8s.io \"default/q\" not found"});
    server.check(&format!("GET {one}/q"), Value::Null, 404, missing).await;
    let none = format!("{pods}?labelSelector=no%3Dbody");
    assert!(names(&server.check(&none, Value::Null, 200, json!({})).await).is_empty());
    server.check(&format!("DELETE {one}/p"), Value::Null, 405, json!({})).await;
    let jane = server.ask_as(UserInfo::new("jane", [""; 0]), &pods, &[], "").await;
    assert_eq!(jane.code, 403);
}

#[tokio::test]
async fn metrics_are_in_discovery() {
    let server = Server::start().await;
    let resources = json!({"groupVersion": "metrics.k8s.io/v1beta1", "resources": [
        {"name": "nodes", "namespaced": false, "kind": "NodeMetrics", "verbs": ["get", "list"]},
        {"name": "pods", "namespaced": true, "kind": "PodMetrics", "verbs": ["get", "list"]}]});
    server.check(&format!("GET {METRICS}"), Value::Null, 200, resources).await;
    let group = json!({"preferredVersion": {"version": "v1beta1"}});
    server.check("GET /apis/metrics.k8s.io", Value::Null, 200, group).await;
}

#[tokio::test]
async fn the_store_is_a_component() {
    let server = Server::start().await;
    let path = "GET /api/v1/componentstatuses";
    let fine = json!({"metadata": {"name": "etcd-0"},
        "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]});
    let list = json!({"kind": "ComponentStatusList", "items": [fine]});
    server.check(path, Value::Null, 200, list).await;
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let table = server.ask_as(admin(), path, &accept, "").await;
    assert_eq!(table.body["rows"][0]["cells"], json!(["etcd-0", "Healthy", "ok", ""]));
    let warning = table.headers["warning"].to_str().unwrap();
    assert!(warning.contains("ComponentStatus is deprecated"), "{warning}");
    server.check(&format!("{path}/etcd-0"), Value::Null, 200, fine).await;
}
