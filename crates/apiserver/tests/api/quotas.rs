//! Quotas, limits and disruption budgets, as whoever makes and evicts pods meets them.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{PODS, Server, pod};

const QUOTAS: &str = "/api/v1/namespaces/default/resourcequotas";
const LIMITS: &str = "/api/v1/namespaces/default/limitranges";
const SERVICES: &str = "/api/v1/namespaces/default/services";
const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

/// A quota as the controller leaves it: counted.
async fn quota(server: &Server, hard: Value, used: Value) {
    let body = json!({"metadata": {"name": "q"}, "spec": {"hard": hard}});
    server.check(&format!("POST {QUOTAS}"), body, 201, json!({"status": {}})).await;
    let status = json!({"status": {"hard": hard, "used": used}});
    server.check(&format!("PATCH {QUOTAS}/q/status"), status, 200, json!({})).await;
}

async fn used(server: &Server, expected: Value) {
    let status = json!({"status": {"used": expected}});
    server.check(&format!("GET {QUOTAS}/q"), Value::Null, 200, status).await;
}

fn refusal(what: &str, why: &str) -> Value {
    json!({"reason": "Forbidden", "message": format!("{what} is forbidden: {why}")})
}

fn asking(name: &str, requests: Value, limits: Value) -> Value {
    let mut pod = pod(name);
    pod["spec"]["containers"][0]["resources"] = json!({"requests": requests, "limits": limits});
    pod
}

#[tokio::test]
async fn a_quota_is_charged_with_the_object_and_refuses_when_it_is_used_up() {
    let server = Server::start().await;
    quota(&server, json!({"configmaps": "1"}), json!({"configmaps": "0"})).await;
    server.config_map("a", json!({})).await;
    used(&server, json!({"configmaps": "1"})).await;
    let why =
        "exceeded quota: q, requested: configmaps=1, used: configmaps=1, limited: configmaps=1";
    let body = json!({"metadata": {"name": "b"}});
    let post = "POST /api/v1/namespaces/default/configmaps";
    server.check(post, body, 403, refusal("configmaps \"b\"", why)).await;
    let dry = json!({"metadata": {"name": "c"}});
    let post = "POST /api/v1/namespaces/default/configmaps?dryRun=All";
    server.check(post, dry, 403, json!({})).await;
}

#[tokio::test]
async fn pods_are_charged_for_what_they_ask() {
    let server = Server::start().await;
    let hard = json!({"pods": "3", "requests.cpu": "1", "limits.memory": "1Gi", "requests.example.com/dongle": "2"});
    let none = json!({"pods": "0", "requests.cpu": "0", "limits.memory": "0", "requests.example.com/dongle": "0"});
    quota(&server, hard, none).await;
    let post = format!("POST {PODS}");
    let why = "failed quota: q: must specify limits.memory for: a; requests.cpu for: a";
    server.check(&post, pod("a"), 403, refusal("pods \"a\"", why)).await;
    let dongle = |name: &str| {
        asking(
            name,
            json!({"cpu": "600m", "example.com/dongle": "2"}),
            json!({"memory": "512Mi", "example.com/dongle": "2"}),
        )
    };
    server.check(&post, dongle("a"), 201, json!({})).await;
    used(&server, json!({"pods": "1", "requests.cpu": "600m", "limits.memory": "512Mi", "requests.example.com/dongle": "2"})).await;
    let why = "exceeded quota: q, requested: requests.cpu=600m,requests.example.com/dongle=2, used: requests.cpu=600m,requests.example.com/dongle=2, limited: requests.cpu=1,requests.example.com/dongle=2";
    server.check(&post, dongle("b"), 403, refusal("pods \"b\"", why)).await;
}

#[tokio::test]
async fn a_quota_that_is_not_counted_yet_lets_through_and_is_touched() {
    let server = Server::start().await;
    let body = json!({"metadata": {"name": "q"}, "spec": {"hard": {"configmaps": "0"}}});
    let made = server.check(&format!("POST {QUOTAS}"), body, 201, json!({})).await;
    server.config_map("a", json!({})).await;
    // Who counted before cannot write what he counted.
    let mut counted = made.clone();
    counted["status"] = json!({"hard": {"configmaps": "0"}, "used": {"configmaps": "0"}});
    server.check(&format!("PUT {QUOTAS}/q/status"), counted, 409, json!({})).await;
    let unknown = json!({"status": {"hard": {"configmaps": "1"}}});
    server.check(&format!("PATCH {QUOTAS}/q/status"), unknown, 200, json!({})).await;
    let why = "status unknown for quota: q, resources: configmaps";
    let post = "POST /api/v1/namespaces/default/configmaps";
    let body = json!({"metadata": {"name": "b"}});
    server.check(post, body, 403, refusal("configmaps \"b\"", why)).await;
}

#[tokio::test]
async fn a_quota_is_never_overdrawn_by_many_at_once() {
    let server = Arc::new(Server::start().await);
    quota(&server, json!({"count/configmaps": "7"}), json!({"count/configmaps": "0"})).await;
    let all = (0..100).map(|i| {
        let server = server.clone();
        tokio::spawn(async move {
            let body = json!({"metadata": {"name": format!("m{i}")}});
            server.ask("POST /api/v1/namespaces/default/configmaps", body).await.code
        })
    });
    let codes: Vec<u16> = join_all(all).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(codes.iter().filter(|code| **code == 201).count(), 7, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 403).count(), 93, "{codes:?}");
    used(&server, json!({"count/configmaps": "7"})).await;
}

#[tokio::test]
async fn a_service_that_becomes_one_with_node_ports_is_charged_for_them() {
    let server = Server::start().await;
    let hard = json!({"services": "2", "services.nodeports": "1"});
    quota(&server, hard, json!({"services": "0", "services.nodeports": "0"})).await;
    let service =
        |name: &str, ports: Value| json!({"metadata": {"name": name}, "spec": {"ports": ports}});
    let post = format!("POST {SERVICES}");
    server.check(&post, service("one", json!([{"port": 80}])), 201, json!({})).await;
    let two = json!([{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]);
    server.check(&post, service("two", two), 201, json!({})).await;
    let node_port = json!({"spec": {"type": "NodePort"}});
    let why = "exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1";
    let refused = refusal("services \"two\"", why);
    server.check(&format!("PATCH {SERVICES}/two"), node_port.clone(), 403, refused).await;
    server.check(&format!("PATCH {SERVICES}/one"), node_port, 200, json!({})).await;
    used(&server, json!({"services": "2", "services.nodeports": "1"})).await;
}

#[tokio::test]
async fn containers_get_the_limits_of_their_namespace() {
    let server = Server::start().await;
    let limit = json!({"type": "Container", "min": {"cpu": "50m", "memory": "100Mi"},
        "max": {"cpu": "500m", "memory": "500Mi"}, "default": {"memory": "500Mi"},
        "defaultRequest": {"cpu": "100m", "memory": "200Mi"}});
    let body = json!({"metadata": {"name": "l"}, "spec": {"limits": [limit]}});
    let defaulted = json!({"spec": {"limits": [{"default": {"cpu": "500m", "memory": "500Mi"}}]}});
    server.check(&format!("POST {LIMITS}"), body, 201, defaulted).await;
    let post = format!("POST {PODS}");
    let given = json!({
        "metadata": {"annotations": {"kubernetes.io/limit-ranger":
            "LimitRanger plugin set: cpu, memory request for container a; cpu, memory limit for container a"}},
        "spec": {"containers": [{"resources": {"requests": {"cpu": "100m", "memory": "200Mi"},
            "limits": {"cpu": "500m", "memory": "500Mi"}}}]},
        "status": {"qosClass": "Burstable"},
    });
    server.check(&post, pod("a"), 201, given).await;
    let why = "minimum cpu usage per Container is 50m, but request is 10m";
    let small = asking("b", json!({"cpu": "10m"}), json!({}));
    server.check(&post, small, 403, refusal("pods \"b\"", why)).await;
    let why = "[maximum cpu usage per Container is 500m, but limit is 1, maximum memory usage per Container is 500Mi, but limit is 1Gi]";
    let large = asking(
        "c",
        json!({"cpu": "100m", "memory": "200Mi"}),
        json!({"cpu": "1", "memory": "1Gi"}),
    );
    server.check(&post, large, 403, refusal("pods \"c\"", why)).await;
}

#[tokio::test]
async fn an_eviction_takes_from_the_budget_or_is_refused() {
    let server = Server::start().await;
    let running = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    for name in ["a", "b"] {
        let mut one = pod(name);
        one["metadata"]["labels"] = json!({"app": "web"});
        one["spec"]["nodeName"] = "n".into();
        server.check(&format!("POST {PODS}"), one, 201, json!({})).await;
        server.check(&format!("PATCH {PODS}/{name}/status"), running.clone(), 200, json!({})).await;
    }
    let budget = json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    server
        .check(&format!("POST {BUDGETS}"), budget, 201, json!({"metadata": {"generation": 1}}))
        .await;
    let evict =
        |name: &str| (format!("POST {PODS}/{name}/eviction"), json!({"metadata": {"name": name}}));
    let refused = |why: &str| {
        json!({"reason": "TooManyRequests",
        "message": "Cannot evict pod as it would violate the pod's disruption budget.",
        "details": {"causes": [{"reason": "DisruptionBudget", "message": why}]}})
    };
    let (path, body) = evict("a");
    let early = "The disruption budget b is still being processed by the server.";
    server.check(&path, body.clone(), 429, refused(early)).await;
    let counted = json!({"status": {"observedGeneration": 1, "disruptionsAllowed": 1,
        "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2}});
    server.check(&format!("PATCH {BUDGETS}/b/status"), counted, 200, json!({})).await;
    server.check(&path, body, 201, json!({"status": "Success"})).await;
    let gone = server.check(&format!("GET {PODS}/a"), Value::Null, 200, json!({})).await;
    assert!(gone["metadata"]["deletionTimestamp"].is_string());
    assert!(gone["status"]["conditions"].to_string().contains("EvictionByEvictionAPI"));
    let spent = server
        .check(
            &format!("GET {BUDGETS}/b"),
            Value::Null,
            200,
            json!({"status": {"disruptionsAllowed": 0}}),
        )
        .await;
    assert!(spent["status"]["disruptedPods"]["a"].is_string());
    let (path, body) = evict("b");
    let short = "The disruption budget b needs 1 healthy pods and has 2 currently";
    server.check(&path, body, 429, refused(short)).await;
}

#[tokio::test]
async fn a_replication_controller_leaves_its_pods_unless_told_otherwise() {
    let server = Server::start().await;
    let all = "/api/v1/namespaces/default/replicationcontrollers";
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}});
    let body = |name: &str| json!({"metadata": {"name": name}, "spec": {"template": template}});
    let filled = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"replicas": 1, "selector": {"app": "web"}}, "status": {"replicas": 0}});
    server.check(&format!("POST {all}"), body("old"), 201, filled).await;
    server.check(&format!("POST {all}"), body("new"), 201, json!({})).await;
    let scale = json!({"kind": "Scale", "status": {"selector": "app=web"}});
    server.check(&format!("GET {all}/old/scale"), Value::Null, 200, scale).await;
    let held = json!({"metadata": {"finalizers": ["orphan"]}});
    server.check(&format!("DELETE {all}/old"), Value::Null, 200, json!({})).await;
    server.check(&format!("GET {all}/old"), Value::Null, 200, held).await;
    let background = format!("DELETE {all}/new?propagationPolicy=Background");
    server.check(&background, Value::Null, 200, json!({})).await;
    server.check(&format!("GET {all}/new"), Value::Null, 404, json!({})).await;
}
