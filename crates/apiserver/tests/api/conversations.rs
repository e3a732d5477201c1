//! What conversations as data cannot look at: the store behind the API, and huge bodies. The
//! others are in `conversations/files`.

use serde_json::json;

use super::support::{CONFIG_MAPS, PODS, Server, admin, pod, version};

#[tokio::test]
async fn an_update_that_changes_nothing_writes_nothing() {
    let server = Server::start().await;
    let made = server.config_map("a", json!({})).await;
    let before = server.store.revision();
    let path = format!("{CONFIG_MAPS}/a");
    let same = server.check(&format!("PUT {path}"), made.clone(), 200, json!({})).await;
    assert_eq!(version(&same), version(&made));
    server.check(&format!("PATCH {path}"), json!({"data": {"k": "v"}}), 200, json!({})).await;
    assert_eq!(server.store.revision(), before);
}

#[tokio::test]
async fn a_dry_run_answers_and_writes_nothing() {
    let server = Server::start().await;
    let before = server.store.revision();
    let body = json!({"metadata": {"name": "a"}});
    server.check(&format!("POST {CONFIG_MAPS}?dryRun=All"), body, 201, json!({})).await;
    assert_eq!(server.store.revision(), before);
    let half = json!({"reason": "Invalid"});
    server.check(&format!("POST {CONFIG_MAPS}?dryRun=Half"), json!({}), 422, half).await;
}

#[tokio::test]
async fn a_namespace_must_be_there_and_alive() {
    let server = Server::start().await;
    let path = "POST /api/v1/namespaces/gone/configmaps";
    let body = json!({"metadata": {"name": "a"}});
    let absent = json!({"reason": "NotFound", "message": "namespaces \"gone\" not found"});
    server.check(path, body.clone(), 404, absent).await;
    let namespace = json!({"metadata": {"name": "gone"}});
    let active = json!({"status": {"phase": "Active"},
        "metadata": {"labels": {"kubernetes.io/metadata.name": "gone"}}});
    server.check("POST /api/v1/namespaces", namespace, 201, active).await;
    server.check(path, body, 201, json!({})).await;
    let ending = json!({"status": {"phase": "Terminating"}});
    server.check("DELETE /api/v1/namespaces/gone", json!(null), 200, ending).await;
    let refused = json!({"reason": "Forbidden", "message": "configmaps \"b\" is forbidden: unable to create new content in namespace gone because it is being terminated"});
    server.check(path, json!({"metadata": {"name": "b"}}), 403, refused).await;
}

#[tokio::test]
async fn the_namespace_goes_with_its_last_finalizer() {
    let server = Server::start().await;
    server
        .check("POST /api/v1/namespaces", json!({"metadata": {"name": "n"}}), 201, json!({}))
        .await;
    let ending = server.check("DELETE /api/v1/namespaces/n", json!(null), 200, json!({})).await;
    let mut done = ending;
    done["spec"]["finalizers"] = json!([]);
    server.check("PUT /api/v1/namespaces/n/finalize", done, 200, json!({})).await;
    server.check("GET /api/v1/namespaces/n", json!(null), 404, json!({})).await;
}

#[tokio::test]
async fn bodies_are_judged_before_they_are_read() {
    let server = Server::start().await;
    let post = format!("POST {CONFIG_MAPS}");
    for (media, body, expected) in [
        ("application/yaml", "metadata: {name: yaml}".to_owned(), 201),
        ("text/plain", "hello".to_owned(), 415),
        ("application/json", "{".to_owned(), 400),
        ("application/json", "[]".to_owned(), 400),
        ("application/json", "[".repeat(100_000), 400),
        ("application/json", r#"{"kind": "Secret", "apiVersion": "v1"}"#.to_owned(), 400),
        ("application/json", r#"{"apiVersion": "v2"}"#.to_owned(), 400),
        ("application/json", " ".repeat(4 * 1024 * 1024), 413),
    ] {
        let shown = body.chars().take(30).collect::<String>();
        let answer = server.ask_as(admin(), &post, &[("content-type", media)], body).await;
        assert_eq!(answer.code, expected, "{media} {shown}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_pod_is_bound_once() {
    let server = Server::start().await;
    let pending = json!({"status": {"phase": "Pending", "qosClass": "BestEffort"},
        "spec": {"serviceAccountName": "default"}});
    server.check(&format!("POST {PODS}"), pod("p"), 201, pending).await;
    let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "box"}});
    let path = format!("POST {PODS}/p/binding");
    server.check(&path, binding.clone(), 201, json!({"status": "Success"})).await;
    let bound = json!({"spec": {"nodeName": "box"},
        "status": {"conditions": [{"type": "PodScheduled", "status": "True"}]}});
    server.check(&format!("GET {PODS}/p"), json!(null), 200, bound).await;
    server.check(&path, binding, 409, json!({"reason": "Conflict"})).await;
}

#[tokio::test]
async fn an_event_is_one_object_in_two_groups() {
    let server = Server::start().await;
    let event = json!({"metadata": {"name": "e"}, "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
        "note": "hello", "reason": "Started", "type": "Normal", "action": "Start",
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "c", "reportingInstance": "i"});
    let new = "/apis/events.k8s.io/v1/namespaces/default/events";
    let served = json!({"apiVersion": "events.k8s.io/v1", "note": "hello"});
    server.check(&format!("POST {new}"), event, 201, served.clone()).await;
    let old = json!({"apiVersion": "v1", "message": "hello", "involvedObject": {"name": "p"}});
    server.check("GET /api/v1/namespaces/default/events/e", json!(null), 200, old).await;
    let list = json!({"kind": "EventList", "items": [served]});
    server
        .check(&format!("GET {new}?fieldSelector=regarding.name=p"), json!(null), 200, list)
        .await;
}

#[tokio::test]
async fn options_that_we_cannot_honour_are_refused() {
    let server = Server::start().await;
    let refused = json!({"reason": "BadRequest"});
    server.check(&format!("GET {CONFIG_MAPS}?shardSelector=x"), json!(null), 400, refused).await;
}

#[tokio::test]
async fn a_name_that_is_no_path_segment_is_refused() {
    let server = Server::start().await;
    for name in ["a/b", "..", "a%2fb", "", "Upper"] {
        let body = json!({"metadata": {"name": name}});
        server.check(&format!("POST {CONFIG_MAPS}"), body, 422, json!({"reason": "Invalid"})).await;
    }
}

#[tokio::test]
async fn a_secret_may_be_written_as_text() {
    let server = Server::start().await;
    let path = "/api/v1/namespaces/default/secrets";
    let body = json!({"metadata": {"name": "s"}, "stringData": {"k": "hello"}, "data": {"k": "eA==", "l": "eA=="}});
    let stored =
        json!({"data": {"k": "aGVsbG8=", "l": "eA=="}, "type": "Opaque", "stringData": null});
    server.check(&format!("POST {path}"), body, 201, stored).await;
    let patch = json!({"stringData": {"l": "hello"}});
    let stored = json!({"data": {"k": "aGVsbG8=", "l": "aGVsbG8="}, "stringData": null});
    server.check(&format!("PATCH {path}/s"), patch, 200, stored).await;
}
