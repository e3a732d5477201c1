//! How objects go.

use serde_json::json;

use super::support::{CONFIG_MAPS, PODS, Server, names, pod};

async fn running_pod(server: &Server, name: &str) {
    server.check(&format!("POST {PODS}"), pod(name), 201, json!({})).await;
    let binding = json!({"target": {"name": "box"}});
    server.check(&format!("POST {PODS}/{name}/binding"), binding, 201, json!({})).await;
    let status = json!({"status": {"phase": "Running"}});
    server.check(&format!("PATCH {PODS}/{name}/status"), status, 200, json!({})).await;
}

#[tokio::test]
async fn a_running_pod_is_marked_first_and_goes_when_the_node_says() {
    let server = Server::start().await;
    running_pod(&server, "p").await;
    let path = format!("DELETE {PODS}/p");
    let marked =
        json!({"kind": "Pod", "metadata": {"deletionGracePeriodSeconds": 30, "generation": 2}});
    let first = server.check(&path, json!(null), 200, marked).await;
    assert!(first["metadata"]["deletionTimestamp"].is_string());
    let again = server.check(&path, json!(null), 200, json!({})).await;
    assert_eq!(first, again);
    let now = json!({"gracePeriodSeconds": 0});
    server.check(&path, now, 200, json!({"kind": "Pod"})).await;
    server.check(&format!("GET {PODS}/p"), json!(null), 404, json!({})).await;
}

#[tokio::test]
async fn an_eviction_is_a_deletion() {
    let server = Server::start().await;
    running_pod(&server, "p").await;
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"},
        "deleteOptions": {"gracePeriodSeconds": 5}});
    server.check(&format!("POST {PODS}/p/eviction"), eviction, 201, json!({})).await;
    let marked = json!({"metadata": {"deletionGracePeriodSeconds": 5}});
    server.check(&format!("GET {PODS}/p"), json!(null), 200, marked).await;
}

#[tokio::test]
async fn an_object_goes_with_its_last_finalizer() {
    let server = Server::start().await;
    let body = json!({"metadata": {"name": "a", "finalizers": ["example.com/hold"]}});
    server.check(&format!("POST {CONFIG_MAPS}"), body, 201, json!({})).await;
    let path = format!("{CONFIG_MAPS}/a");
    let held = json!({"kind": "ConfigMap", "metadata": {"deletionGracePeriodSeconds": 0}});
    server.check(&format!("DELETE {path}"), json!(null), 200, held).await;
    let released = json!({"metadata": {"finalizers": null}});
    server.check(&format!("PATCH {path}"), released, 200, json!({})).await;
    server.check(&format!("GET {path}"), json!(null), 404, json!({})).await;
}

#[tokio::test]
async fn a_deletion_may_name_what_it_means() {
    let server = Server::start().await;
    let made = server.config_map("a", json!({})).await;
    let path = format!("DELETE {CONFIG_MAPS}/a");
    let other = json!({"preconditions": {"uid": "other"}});
    server.check(&path, other, 409, json!({"reason": "Conflict"})).await;
    let stale = json!({"preconditions": {"resourceVersion": "1"}});
    server.check(&path, stale, 409, json!({"reason": "Conflict"})).await;
    server.check(&format!("{path}?dryRun=All"), json!(null), 200, json!({})).await;
    let this = json!({"preconditions": {"uid": made["metadata"]["uid"]}});
    server.check(&path, this, 200, json!({"status": "Success"})).await;
}

#[tokio::test]
async fn dependents_are_left_to_the_garbage_collector() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    let path = format!("DELETE {CONFIG_MAPS}/a?propagationPolicy=");
    let waits = json!({"metadata": {"finalizers": ["foregroundDeletion"]}});
    server.check(&format!("{path}Foreground"), json!(null), 200, waits).await;
    let orphans = json!({"metadata": {"finalizers": ["orphan"]}});
    server.check(&format!("{path}Orphan"), json!(null), 200, orphans).await;
    server
        .check(&format!("{path}Background"), json!(null), 200, json!({"status": "Success"}))
        .await;
}

#[tokio::test]
async fn a_selected_collection_is_deleted() {
    let server = Server::start().await;
    for (name, app) in [("a", "x"), ("b", "y"), ("c", "x")] {
        server.config_map(name, json!({"app": app})).await;
    }
    let path = format!("DELETE {CONFIG_MAPS}?labelSelector=app=x");
    let deleted = server.check(&path, json!(null), 200, json!({})).await;
    assert_eq!(names(&deleted), ["a", "c"]);
    let left = server.check(&format!("GET {CONFIG_MAPS}"), json!(null), 200, json!({})).await;
    assert_eq!(names(&left), ["b"]);
}

#[tokio::test]
async fn the_first_namespaces_stay() {
    let server = Server::start().await;
    let refused = json!({"reason": "Forbidden", "message": "namespaces \"default\" is forbidden: this namespace may not be deleted"});
    server.check("DELETE /api/v1/namespaces/default", json!(null), 403, refused).await;
}
