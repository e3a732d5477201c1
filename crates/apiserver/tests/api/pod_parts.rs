//! The parts of a pod that are written apart: ephemeral containers, requests and limits.

use serde_json::{Value, json};

use crate::support::{PODS, Server, pod};

const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// A strategic merge patch of a subresource.
async fn patch(server: &Server, part: &str, body: Value) -> (u16, Value) {
    let request = format!("PATCH {PODS}/a/{part}");
    let headers = [("content-type", STRATEGIC)];
    let answer = server.ask_as(crate::support::admin(), &request, &headers, body.to_string()).await;
    (answer.code, answer.body)
}

async fn with_pod(resources: Value) -> Server {
    let server = Server::start().await;
    let mut pod = pod("a");
    pod["spec"]["containers"][0]["resources"] = resources;
    server.check(&format!("POST {PODS}"), pod, 201, json!({"metadata": {"generation": 1}})).await;
    server
}

#[tokio::test]
async fn ephemeral_containers_are_added_by_patch_and_by_update() {
    let server = with_pod(json!({})).await;
    let debugger = json!({"name": "debug", "image": "box:1", "targetContainerName": "a"});
    let (code, made) =
        patch(&server, "ephemeralcontainers", json!({"spec": {"ephemeralContainers": [debugger]}}))
            .await;
    assert_eq!((code, &made["metadata"]["generation"]), (200, &json!(2)), "{made}");
    assert_eq!(made["spec"]["ephemeralContainers"][0]["terminationMessagePolicy"], "File");
    let get = format!("GET {PODS}/a/ephemeralcontainers");
    let mut whole = server.check(&get, Value::Null, 200, json!({"kind": "Pod"})).await;
    whole["spec"]["ephemeralContainers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "more", "image": "box:1"}));
    // What is no ephemeral container is not taken.
    whole["spec"]["containers"][0]["image"] = json!("other");
    let put = format!("PUT {PODS}/a/ephemeralcontainers");
    let made = server.check(&put, whole.clone(), 200, json!({})).await;
    assert_eq!(made["spec"]["containers"][0]["image"], "b");
    assert_eq!(made["spec"]["ephemeralContainers"].as_array().map(Vec::len), Some(2));
    whole["spec"]["ephemeralContainers"] = json!([]);
    whole["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let refused = server.check(&put, whole, 422, json!({"reason": "Invalid"})).await;
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("existing ephemeral containers \"debug\" may not be removed"));
}

#[tokio::test]
async fn ephemeral_containers_do_not_come_by_the_pod_itself() {
    let server = with_pod(json!({})).await;
    let body = json!({"spec": {"ephemeralContainers": [{"name": "d", "image": "b"}]}});
    let refused =
        server.check(&format!("PATCH {PODS}/a"), body, 422, json!({"reason": "Invalid"})).await;
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("pod updates may not change fields other than"), "{message}");
}

#[tokio::test]
async fn a_resize_changes_requests_and_limits_alone() {
    let server = with_pod(json!({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}})).await;
    let resources = json!({"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}});
    let body =
        json!({"spec": {"containers": [{"name": "a", "image": "x", "resources": resources}]}});
    let (code, made) = patch(&server, "resize", body).await;
    assert_eq!((code, &made["metadata"]["generation"]), (200, &json!(2)), "{made}");
    let container = &made["spec"]["containers"][0];
    assert_eq!(container["image"], "b");
    // A new limit is the request as well, as on create.
    let expected = json!({"requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"cpu": "2", "memory": "1Gi"}});
    assert_eq!(container["resources"], expected);
    let by_pod = json!({"spec": {"containers": [{"name": "a", "image": "b",
        "resources": {"requests": {"cpu": "1"}}}]}});
    server.check(&format!("PATCH {PODS}/a"), by_pod, 422, json!({"reason": "Invalid"})).await;
    let all = json!({"cpu": "1", "memory": "1Gi"});
    let body = json!({"spec": {"containers": [{"name": "a",
        "resources": {"requests": all, "limits": all}}]}});
    let (code, refused) = patch(&server, "resize", body).await;
    assert_eq!(code, 422);
    let cause =
        "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing";
    assert_eq!(refused["message"], format!("Pod \"a\" is invalid: {cause}"));
}

#[tokio::test]
async fn a_resize_is_charged_to_quotas_and_kept_within_limits() {
    let server = with_pod(json!({"requests": {"cpu": "500m"}})).await;
    let hard = json!({"requests.cpu": "1"});
    let quotas = "/api/v1/namespaces/default/resourcequotas";
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": hard}});
    server.check(&format!("POST {quotas}"), quota, 201, json!({})).await;
    let status = json!({"status": {"hard": hard, "used": {"requests.cpu": "500m"}}});
    server.check(&format!("PATCH {quotas}/q/status"), status, 200, json!({})).await;
    let to = |cpu: &str| json!({"spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": cpu}}}]}});
    let (code, refused) = patch(&server, "resize", to("1100m")).await;
    assert_eq!(code, 403, "{refused}");
    let why = "exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=500m, limited: requests.cpu=1";
    assert_eq!(refused["message"], format!("pods \"a\" is forbidden: {why}"));
    assert_eq!(patch(&server, "resize", to("900m")).await.0, 200);
    let used = json!({"status": {"used": {"requests.cpu": "900m"}}});
    server.check(&format!("GET {quotas}/q"), Value::Null, 200, used).await;
    let range = json!({"metadata": {"name": "r"},
        "spec": {"limits": [{"type": "Container", "min": {"cpu": "200m"}}]}});
    let ranges = "POST /api/v1/namespaces/default/limitranges";
    server.check(ranges, range, 201, json!({})).await;
    let (code, refused) = patch(&server, "resize", to("100m")).await;
    let why = "minimum cpu usage per Container is 200m, but request is 100m";
    assert_eq!(
        (code, &refused["message"]),
        (403, &json!(format!("pods \"a\" is forbidden: {why}")))
    );
}
