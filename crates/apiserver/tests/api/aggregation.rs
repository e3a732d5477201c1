//! Servers behind the server: APIServices, and what is handed on by them.

mod server;

use std::time::Duration;

use http_body_util::BodyExt as _;
use sampan_apiserver::UserInfo;
use serde_json::{Value, json};

use self::server::{FLUNDERS, GROUP, Sample};
use crate::custom::{DEFINITIONS, tabs};
use crate::support::{Server, admin, names};

const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";

fn flunder(name: &str) -> Value {
    json!({"apiVersion": format!("{GROUP}/v1alpha1"), "kind": "Flunder",
        "metadata": {"name": name, "namespace": "default"}})
}

/// The group in an aggregated document.
fn group_of(whole: &Value) -> &Value {
    let mut groups = whole["items"].as_array().unwrap().iter();
    groups.find(|group| group["metadata"]["name"] == GROUP).unwrap()
}

/// Waits until the condition Available is so.
#[track_caller]
fn available(server: &Server, name: String, reason: &'static str) -> impl Future<Output = Value> {
    let caller = std::panic::Location::caller();
    async move {
        let path = format!("GET {SERVICES}/{name}");
        for _ in 0..200 {
            let found = server.ask(&path, Value::Null).await.body;
            let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let condition = conditions.into_iter().find(|c| c["type"] == "Available");
            if let Some(condition) = condition.filter(|condition| condition["reason"] == reason) {
                return condition;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{caller}: {name} is not {reason}: {}", server.ask(&path, Value::Null).await.body);
    }
}

async fn start() -> (Server, Sample) {
    let server = Server::start().await;
    let sample = Sample::start(&server).await;
    let path = format!("POST {SERVICES}");
    server.check(&path, sample.api_service(), 201, json!({})).await;
    available(&server, format!("v1alpha1.{GROUP}"), "Passed").await;
    (server, sample)
}

#[tokio::test]
async fn the_servers_own_groups_have_api_services() {
    let server = Server::start().await;
    let condition = available(&server, "v1.apps".to_owned(), "Local").await;
    assert_eq!(condition["message"], "Local APIServices are always available");
    let apps = json!({
        "metadata": {"labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"}},
        "spec": {"group": "apps", "version": "v1", "groupPriorityMinimum": 17800,
            "versionPriority": 15},
    });
    server.check(&format!("GET {SERVICES}/v1.apps"), Value::Null, 200, apps).await;
    available(&server, "v1.".to_owned(), "Local").await;
    server
        .check(&format!("POST {DEFINITIONS}"), tabs(json!({"type": "object"})), 201, json!({}))
        .await;
    available(&server, "v1.example.com".to_owned(), "Local").await;
    let custom = json!({"spec": {"groupPriorityMinimum": 1000, "versionPriority": 100}});
    server.check(&format!("GET {SERVICES}/v1.example.com"), Value::Null, 200, custom).await;
    server
        .check(&format!("DELETE {DEFINITIONS}/tabs.example.com"), Value::Null, 200, json!({}))
        .await;
    let gone = async {
        while server.ask(&format!("GET {SERVICES}/v1.example.com"), Value::Null).await.code != 404 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    // One that is taken away comes back.
    server.check(&format!("DELETE {SERVICES}/v1.apps"), Value::Null, 200, json!({})).await;
    available(&server, "v1.apps".to_owned(), "Local").await;
}

#[tokio::test]
async fn requests_are_handed_on_in_the_users_name() {
    let (server, sample) = start().await;
    server.check(&format!("POST {FLUNDERS}"), flunder("a"), 201, json!({"kind": "Flunder"})).await;
    server.check(&format!("GET {FLUNDERS}/a"), Value::Null, 200, flunder("a")).await;
    let list = server.check(&format!("GET {FLUNDERS}"), Value::Null, 200, json!({})).await;
    assert_eq!(names(&list), ["a"]);
    assert_eq!(sample.header("x-remote-user"), ["admin"]);
    assert_eq!(sample.header("x-remote-group"), ["system:masters", "system:authenticated"]);
    // Who may not is told so here.
    let jane = || UserInfo::new("jane", ["friends"]);
    let get = format!("GET {FLUNDERS}");
    let answer = server.ask_as(jane(), &get, &[], "").await;
    assert_eq!(answer.code, 403);
    let why = format!(
        "flunders.{GROUP} is forbidden: User \"jane\" cannot list resource \"flunders\" in API group \"{GROUP}\" in the namespace \"default\""
    );
    assert_eq!(answer.body["message"], why);
    let rights = "/apis/rbac.authorization.k8s.io/v1";
    let role = json!({"metadata": {"name": "f"}, "rules": [
        {"apiGroups": [GROUP], "resources": ["flunders"], "verbs": ["list"]}]});
    server.check(&format!("POST {rights}/clusterroles"), role, 201, json!({})).await;
    let binding = json!({"metadata": {"name": "f"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "f"},
        "subjects": [{"kind": "User", "name": "jane"}]});
    server.check(&format!("POST {rights}/clusterrolebindings"), binding, 201, json!({})).await;
    let lies = [("x-remote-user", "admin"), ("authorization", "Bearer secret")];
    assert_eq!(server.ask_as(jane(), &get, &lies, "").await.code, 200);
    assert_eq!(sample.header("x-remote-user"), ["jane"]);
    assert_eq!(sample.header("authorization"), Vec::<String>::new());
    server.check(&format!("DELETE {FLUNDERS}"), Value::Null, 200, json!({"kind": "Status"})).await;
    server.check(&format!("GET {FLUNDERS}/a"), Value::Null, 404, json!(null)).await;
}

#[tokio::test]
async fn watches_pass_through() {
    let (server, _sample) = start().await;
    server.check(&format!("POST {FLUNDERS}"), flunder("a"), 201, json!({})).await;
    let response = server.send(admin(), &format!("GET {FLUNDERS}?watch=1"), &[], "").await;
    let mut body = response.into_body();
    let first = tokio::time::timeout(Duration::from_secs(10), body.frame()).await.unwrap();
    let first = first.unwrap().unwrap().into_data().unwrap();
    let event: Value = serde_json::from_slice(&first).unwrap();
    assert_eq!(
        (&event["type"], &event["object"]["metadata"]["name"]),
        (&json!("ADDED"), &json!("a"))
    );
}

#[tokio::test]
async fn discovery_and_openapi_know_what_is_behind() {
    let (server, _sample) = start().await;
    let groups = server.check("GET /apis", Value::Null, 200, json!({})).await;
    let all: Vec<&Value> =
        groups["groups"].as_array().unwrap().iter().map(|g| &g["name"]).collect();
    assert!(all.contains(&&json!(GROUP)));
    let group = json!({"preferredVersion": {"groupVersion": format!("{GROUP}/v1alpha1")}});
    server.check(&format!("GET /apis/{GROUP}"), Value::Null, 200, group).await;
    let resources = format!("GET /apis/{GROUP}/v1alpha1");
    server.check(&resources, Value::Null, 200, json!({"kind": "APIResourceList"})).await;
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let whole = server.ask_as(admin(), "GET /apis", &[("accept", accept)], "").await.body;
    let group = group_of(&whole);
    assert_eq!(group["metadata"]["name"], GROUP);
    let resource = &group["versions"][0]["resources"][0];
    assert_eq!(
        (&resource["resource"], &resource["scope"]),
        (&json!("flunders"), &json!("Namespaced"))
    );
    assert_eq!(resource["subresources"][0]["subresource"], "status");
    assert_eq!(group["versions"][0]["freshness"], "Current");
    let index = server.check("GET /openapi/v3", Value::Null, 200, json!({})).await;
    let entry = &index["paths"][format!("apis/{GROUP}/v1alpha1")];
    let url = entry["serverRelativeURL"].as_str().unwrap();
    let document = json!({"info": {"title": "sample"}});
    server.check(&format!("GET {url}"), Value::Null, 200, document).await;
}

#[tokio::test]
async fn what_is_not_there_is_unavailable_and_says_why() {
    let server = Server::start().await;
    let name = || format!("v1alpha1.{GROUP}");
    let service = |service: &str, port: u16| {
        json!({"metadata": {"name": name()}, "spec": {"group": GROUP, "version": "v1alpha1",
            "insecureSkipTLSVerify": true, "groupPriorityMinimum": 2000, "versionPriority": 200,
            "service": {"namespace": "default", "name": service, "port": port}}})
    };
    let path = format!("POST {SERVICES}");
    let none = service("none", 443);
    server.check(&path, none, 201, json!({"status": {}})).await;
    let condition = available(&server, name(), "ServiceNotFound").await;
    assert_eq!(condition["message"], "service/none in \"default\" is not present");
    let answer = server.ask(&format!("GET {FLUNDERS}"), Value::Null).await;
    assert_eq!(answer.code, 503);
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let whole = server.ask_as(admin(), "GET /apis", &[("accept", accept)], "").await.body;
    assert_eq!(group_of(&whole)["versions"][0]["freshness"], "Stale");
    let body = json!({"metadata": {"name": "none"}, "spec": {"ports": [{"port": 443}]}});
    server.check("POST /api/v1/namespaces/default/services", body, 201, json!({})).await;
    let condition = available(&server, name(), "EndpointsNotFound").await;
    assert_eq!(condition["message"], "cannot find endpointslices for service/none in \"default\"");
    let slice = json!({"metadata": {"name": "none-1",
            "labels": {"kubernetes.io/service-name": "none"}}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": false}}],
        "ports": [{"name": "", "port": 443}]});
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    server.check(&format!("POST {slices}"), slice, 201, json!({})).await;
    available(&server, name(), "MissingEndpoints").await;
    let body = json!({"spec": {"service": {"port": 444}}});
    server.check(&format!("PATCH {SERVICES}/{}", name()), body, 200, json!({})).await;
    let condition = available(&server, name(), "ServicePortError").await;
    assert_eq!(condition["message"], "service/none in \"default\" is not listening on port 444");
    let body = json!({"metadata": {"name": "nowhere"},
        "spec": {"type": "ExternalName", "externalName": "127.0.0.1"}});
    server.check("POST /api/v1/namespaces/default/services", body, 201, json!({})).await;
    let body = json!({"spec": {"service": {"name": "nowhere", "port": 1}}});
    server.check(&format!("PATCH {SERVICES}/{}", name()), body, 200, json!({})).await;
    let condition = available(&server, name(), "FailedDiscoveryCheck").await;
    assert_eq!(
        condition["message"],
        format!(
            "failing or missing response from https://nowhere.default.svc:1/apis/{GROUP}/v1alpha1: dial tcp 127.0.0.1:1: connect: connection refused"
        )
    );
}

#[tokio::test]
async fn an_api_service_is_changed_as_upstreams_test_does() {
    let (server, _sample) = start().await;
    let path = format!("{SERVICES}/v1alpha1.{GROUP}");
    let mut found = server.check(&format!("GET {path}/status"), Value::Null, 200, json!({})).await;
    let condition = json!({"type": "StatusUpdated", "status": "True", "reason": "E2E",
        "message": "Set from e2e test"});
    found["status"]["conditions"].as_array_mut().unwrap().push(condition);
    server.check(&format!("PUT {path}/status"), found, 200, json!({})).await;
    let more =
        json!({"spec": {"versionPriority": 400}, "metadata": {"labels": {"e2e": "patched"}}});
    server
        .check(&format!("PATCH {path}"), more, 200, json!({"spec": {"versionPriority": 400}}))
        .await;
    // Whoever looks whether it is available leaves the other condition alone.
    available(&server, format!("v1alpha1.{GROUP}"), "Passed").await;
    let found = server.check(&format!("GET {path}"), Value::Null, 200, json!({})).await;
    let kinds: Vec<&Value> =
        found["status"]["conditions"].as_array().unwrap().iter().map(|c| &c["type"]).collect();
    assert_eq!(kinds, ["Available", "StatusUpdated"]);
    server
        .check(
            &format!("DELETE {SERVICES}?labelSelector=e2e%3Dpatched"),
            Value::Null,
            200,
            json!({}),
        )
        .await;
    server.check(&format!("GET {path}"), Value::Null, 404, json!({})).await;
    server.check(&format!("GET {FLUNDERS}"), Value::Null, 404, Value::Null).await;
    server.check(&format!("GET {SERVICES}/v1.apps"), Value::Null, 200, json!({})).await;
}
