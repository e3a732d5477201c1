//! Priority and fairness: how requests are sorted, and what their answers say of it.

use std::time::Duration;

use sampan_apiserver::UserInfo;
use serde_json::{Value, json};

use super::support::{Answer, Server};

const GROUP: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";
const WAIT: Duration = Duration::from_secs(30);

fn level(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"type": "Limited", "limited": {
        "nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}}}})
}

fn schema(name: &str, level: &str, user: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {
        "matchingPrecedence": 1000, "priorityLevelConfiguration": {"name": level},
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [{"subjects": [{"kind": "User", "user": {"name": user}}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}]}})
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap()
}

/// Asks until the answer is as it should be.
async fn until(server: &Server, path: &str, fits: impl Fn(&Value) -> bool) {
    let wait = async {
        while !fits(&server.ask(&format!("GET {path}"), Value::Null).await.body) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT, wait).await.unwrap_or_else(|_| panic!("{path} never fitted"));
}

async fn metrics(server: &Server) -> String {
    let admin = super::support::admin();
    let response = server.send(admin, "GET /metrics", &[], "").await;
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn requests_are_sorted_by_schemas_and_levels_as_they_are_stored() {
    let server = Server::start().await;
    let path = |kind: &str| format!("POST {GROUP}/{kind}");
    let schema = schema("testing", "testing-level", "noxu");
    let schema = server.check(&path("flowschemas"), schema, 201, json!({})).await;
    let at = format!("{GROUP}/flowschemas/testing");
    until(&server, &at, |found| found["status"]["conditions"][0]["reason"] == "NotFound").await;
    let level = level("testing-level");
    let level = server.check(&path("prioritylevelconfigurations"), level, 201, json!({})).await;
    until(&server, &at, |found| found["status"]["conditions"][0]["status"] == "False").await;
    let limit = "apiserver_flowcontrol_nominal_limit_seats{priority_level=\"testing-level\"} 3\n";
    assert!(metrics(&server).await.contains(limit));

    let ask = async |name: &str| {
        let nobody: [&str; 0] = [];
        server.ask_as(UserInfo::new(name, nobody), "GET /version", &[], "").await
    };
    let noxu = ask("noxu").await;
    assert_eq!(header(&noxu, "x-kubernetes-pf-flowschema-uid"), uid(&schema));
    assert_eq!(header(&noxu, "x-kubernetes-pf-prioritylevel-uid"), uid(&level));
    let foo = ask("foo").await;
    assert_ne!(header(&foo, "x-kubernetes-pf-flowschema-uid"), uid(&schema));
    assert_ne!(header(&foo, "x-kubernetes-pf-flowschema-uid"), "");
    assert_ne!(header(&foo, "x-kubernetes-pf-prioritylevel-uid"), "");

    let gone = format!("DELETE {GROUP}/prioritylevelconfigurations/testing-level");
    server.check(&gone, Value::Null, 200, json!({})).await;
    until(&server, &at, |found| found["status"]["conditions"][0]["status"] == "True").await;
    assert_ne!(header(&ask("noxu").await, "x-kubernetes-pf-flowschema-uid"), uid(&schema));
}

#[tokio::test]
async fn what_every_cluster_has_comes_back_when_it_is_deleted() {
    let server = Server::start().await;
    let at = format!("{GROUP}/flowschemas/catch-all");
    let old = server.check(&format!("GET {at}"), Value::Null, 200, json!({})).await;
    server.check(&format!("DELETE {at}"), Value::Null, 200, json!({})).await;
    until(&server, &at, |found| found["metadata"]["uid"].is_string() && uid(found) != uid(&old))
        .await;
}

#[tokio::test]
async fn a_level_without_seats_refuses_with_429_and_others_go_on() {
    let server = Server::start().await;
    let mut none = level("none");
    none["spec"]["limited"]["nominalConcurrencyShares"] = 0.into();
    none["spec"]["limited"]["borrowingLimitPercent"] = 0.into();
    let path = format!("POST {GROUP}/prioritylevelconfigurations");
    server.check(&path, none, 201, json!({})).await;
    let path = format!("POST {GROUP}/flowschemas");
    server.check(&path, schema("none", "none", "noxu"), 201, json!({})).await;
    let at = format!("{GROUP}/flowschemas/none");
    until(&server, &at, |found| found["status"]["conditions"][0]["status"] == "False").await;
    let nobody: [&str; 0] = [];
    let refused = server.ask_as(UserInfo::new("noxu", nobody), "GET /version", &[], "").await;
    assert_eq!(refused.code, 429);
    assert_eq!(header(&refused, "retry-after"), "1");
    let other = server.ask_as(UserInfo::new("foo", nobody), "GET /version", &[], "").await;
    assert_eq!(other.code, 200);
    let told = "apiserver_flowcontrol_rejected_requests_total{flow_schema=\"none\",priority_level=\"none\",reason=\"concurrency-limit\"} 1\n";
    assert!(metrics(&server).await.contains(told), "{}", metrics(&server).await);
}
