//! Create, get, update and patch.

use serde_json::json;

use super::support::{CONFIG_MAPS, PODS, Server, admin, deployment, pod, version};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

#[tokio::test]
async fn an_object_is_made_read_changed_and_deleted() {
    let server = Server::start().await;
    let made = server.config_map("a", json!({})).await;
    let path = format!("{CONFIG_MAPS}/a");
    let read = server.check(&format!("GET {path}"), json!(null), 200, json!({})).await;
    assert_eq!(made, read);
    let mut changed = read.clone();
    changed["data"]["k"] = "w".into();
    let written =
        server.check(&format!("PUT {path}"), changed, 200, json!({"data": {"k": "w"}})).await;
    assert_ne!(version(&written), version(&read));
    let success = json!({"kind": "Status", "status": "Success",
        "details": {"name": "a", "kind": "configmaps", "uid": read["metadata"]["uid"]}});
    server.check(&format!("DELETE {path}"), json!(null), 200, success).await;
    let gone = json!({"reason": "NotFound", "message": "configmaps \"a\" not found"});
    server.check(&format!("GET {path}"), json!(null), 404, gone).await;
}

#[tokio::test]
async fn the_server_sets_what_only_it_knows() {
    let server = Server::start().await;
    let body = json!({"data": {"k": "v"}, "metadata": {"name": "a", "uid": "mine", "creationTimestamp": "1999-01-01T00:00:00Z",
        "deletionTimestamp": "1999-01-01T00:00:00Z"}});
    let expected = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": "default", "deletionTimestamp": null}});
    let made = server.check(&format!("POST {CONFIG_MAPS}"), body, 201, expected).await;
    assert_ne!(made["metadata"]["uid"], "mine");
    assert_ne!(made["metadata"]["creationTimestamp"], "1999-01-01T00:00:00Z");
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "test");
}

#[tokio::test]
async fn a_stale_update_is_a_conflict() {
    let server = Server::start().await;
    let first = server.config_map("a", json!({})).await;
    let path = format!("PUT {CONFIG_MAPS}/a");
    let mut second = first.clone();
    second["data"]["k"] = "w".into();
    server.check(&path, second, 200, json!({})).await;
    let mut stale = first;
    stale["data"]["k"] = "x".into();
    let conflict = json!({"reason": "Conflict", "message":
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again"});
    server.check(&path, stale.clone(), 409, conflict).await;
    stale["metadata"]["resourceVersion"] = "".into();
    server.check(&path, stale.clone(), 200, json!({"data": {"k": "x"}})).await;
    stale["metadata"]["uid"] = "other".into();
    server.check(&path, stale, 409, json!({"reason": "Conflict"})).await;
}

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
async fn names_are_generated() {
    let server = Server::start().await;
    let body = json!({"metadata": {"generateName": "a-"}});
    let path = format!("POST {CONFIG_MAPS}");
    let first = server.check(&path, body.clone(), 201, json!({})).await;
    let second = server.check(&path, body, 201, json!({})).await;
    assert_ne!(first["metadata"]["name"], second["metadata"]["name"]);
    assert!(first["metadata"]["name"].as_str().unwrap().starts_with("a-"));
    let taken = json!({"reason": "AlreadyExists"});
    server.check(&path, json!({"metadata": {"name": first["metadata"]["name"]}}), 409, taken).await;
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
async fn the_generation_counts_changes_of_the_spec_only() {
    let server = Server::start().await;
    let made = server.check(&format!("POST {DEPLOYMENTS}"), deployment("d"), 201, json!({})).await;
    assert_eq!(made["metadata"]["generation"], 1);
    let path = format!("PATCH {DEPLOYMENTS}/d");
    let second = json!({"metadata": {"generation": 2}});
    server.check(&path, json!({"spec": {"replicas": 3}}), 200, second.clone()).await;
    server.check(&path, json!({"metadata": {"labels": {"a": "b"}}}), 200, second.clone()).await;
    let status = json!({"status": {"replicas": 3, "observedGeneration": 2}});
    let expected = json!({"metadata": {"generation": 2}, "status": {"replicas": 3}});
    server.check(&format!("{path}/status"), status, 200, expected).await;
}

#[tokio::test]
async fn status_and_spec_are_written_apart() {
    let server = Server::start().await;
    let mut body = deployment("d");
    body["status"] = json!({"replicas": 7});
    let made = server.check(&format!("POST {DEPLOYMENTS}"), body, 201, json!({})).await;
    assert_eq!(made["status"], json!({}));
    let path = format!("PATCH {DEPLOYMENTS}/d");
    let both = json!({"spec": {"replicas": 5}, "status": {"replicas": 5}});
    let main = server.check(&path, both.clone(), 200, json!({"spec": {"replicas": 5}})).await;
    assert_eq!(main["status"], json!({}));
    let other = json!({"spec": {"replicas": 9}, "status": {"replicas": 5}});
    let expected = json!({"spec": {"replicas": 5}, "status": {"replicas": 5}});
    server.check(&format!("{path}/status"), other, 200, expected).await;
}

#[tokio::test]
async fn the_size_is_a_scale() {
    let server = Server::start().await;
    server.check(&format!("POST {DEPLOYMENTS}"), deployment("d"), 201, json!({})).await;
    let path = format!("{DEPLOYMENTS}/d/scale");
    let forced = format!("PATCH {path}?force=true");
    server
        .check(&forced, json!({"spec": {"replicas": 9}}), 422, json!({"reason": "Invalid"}))
        .await;
    let scale = json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "spec": {"replicas": 1},
        "status": {"replicas": 0, "selector": "app=d"}});
    let mut read = server.check(&format!("GET {path}"), json!(null), 200, scale).await;
    read["spec"]["replicas"] = 4.into();
    server.check(&format!("PUT {path}"), read.clone(), 200, json!({"spec": {"replicas": 4}})).await;
    server.check(&format!("PUT {path}"), read, 409, json!({"reason": "Conflict"})).await;
    let patch = json!({"spec": {"replicas": 2}});
    server.check(&format!("PATCH {path}"), patch.clone(), 200, patch.clone()).await;
    server.check(&format!("GET {DEPLOYMENTS}/d"), json!(null), 200, patch).await;
}

#[tokio::test]
async fn every_kind_of_patch_is_taken() {
    let server = Server::start().await;
    server.check(&format!("POST {DEPLOYMENTS}"), deployment("d"), 201, json!({})).await;
    let strategic = r#"{"spec":{"template":{"spec":{"containers":[{"name":"b","image":"c"}]}}}}"#;
    let json_patch = r#"[{"op":"replace","path":"/spec/replicas","value":2}]"#;
    for (media, body, expected) in [
        ("application/strategic-merge-patch+json", strategic, 200),
        ("application/json-patch+json", json_patch, 200),
        ("application/json-patch+json", r#"[{"op":"remove","path":"/spec/none"}]"#, 422),
        ("application/merge-patch+json", "[]", 400),
        ("application/merge-patch+json", "{", 400),
        ("application/unknown", "{}", 415),
    ] {
        let request = format!("PATCH {DEPLOYMENTS}/d");
        let answer = server.ask_as(admin(), &request, &[("content-type", media)], body).await;
        assert_eq!(answer.code, expected, "{media} {body}: {}", answer.body);
    }
    let expected = json!({"spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "b"}, {"name": "a"}]}}}});
    server.check(&format!("GET {DEPLOYMENTS}/d"), json!(null), 200, expected).await;
}

#[tokio::test]
async fn apply_makes_owns_and_conflicts() {
    let server = Server::start().await;
    let apply = async |manager: &str, more: &str, value: &str| {
        let request = format!("PATCH {CONFIG_MAPS}/a?fieldManager={manager}{more}");
        let body = format!("apiVersion: v1\nkind: ConfigMap\ndata: {{k: {value}}}\n");
        let media = [("content-type", "application/apply-patch+yaml")];
        server.ask_as(admin(), &request, &media, body).await
    };
    assert_eq!(apply("one", "", "v").await.code, 201);
    let again = apply("one", "", "v").await;
    assert_eq!(
        (again.code, version(&again.body).to_owned()),
        (200, server.store.revision().to_string())
    );
    let refused = apply("two", "", "w").await;
    assert_eq!(refused.code, 409, "{}", refused.body);
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "FieldManagerConflict");
    assert_eq!(apply("two", "&force=true", "w").await.body["data"]["k"], "w");
    assert_eq!(apply("", "", "w").await.code, 422);
}

#[tokio::test]
async fn unknown_fields_are_refused_warned_of_or_dropped() {
    let server = Server::start().await;
    let body = r#"{"metadata": {"name": "a"}, "datta": {}}"#;
    let ask = async |level: &str| {
        let request = format!("POST {CONFIG_MAPS}?dryRun=All&fieldValidation={level}");
        server.ask_as(admin(), &request, &[], body).await
    };
    let strict = ask("Strict").await;
    assert_eq!(strict.code, 400);
    assert!(strict.body["message"].as_str().unwrap().contains("unknown field \"datta\""));
    let warned = ask("Warn").await;
    assert_eq!(warned.code, 201);
    assert_eq!(warned.headers["warning"], "299 - \"unknown field \\\"datta\\\"\"");
    let ignored = ask("Ignore").await;
    assert_eq!((ignored.code, ignored.headers.contains_key("warning")), (201, false));
    assert_eq!(ask("Maybe").await.code, 422);
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
async fn only_forms_that_the_client_takes_are_sent() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    let get = format!("GET {CONFIG_MAPS}/a");
    let ask = async |accept: &str| server.ask_as(admin(), &get, &[("accept", accept)], "").await;
    assert_eq!(ask("application/vnd.kubernetes.protobuf,application/json").await.code, 200);
    assert_eq!(ask("application/vnd.kubernetes.protobuf").await.code, 406);
    let table = ask("application/json;as=Table;v=v1;g=meta.k8s.io,application/json").await.body;
    assert_eq!(table["rows"][0]["cells"][1], 1);
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let partial = ask("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io").await.body;
    assert_eq!(
        (partial["kind"].as_str(), partial.get("data")),
        (Some("PartialObjectMetadata"), None)
    );
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

#[tokio::test]
async fn force_is_for_apply_only() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    let message = "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch";
    let path = format!("PATCH {CONFIG_MAPS}/a?force=true");
    server.check(&path, json!({"data": {}}), 422, json!({"message": message})).await;
}
