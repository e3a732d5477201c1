//! Conversion by webhook: a real HTTPS server that turns `hostPort` of v1 into `host` and `port`
//! of v2, and back.

use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{DEFINITIONS, TABS, with_versions};
use crate::support::{Server, admin, names};
use crate::webhooks::server::Hooks;

const TABS_V2: &str = "/apis/example.com/v2/namespaces/default/tabs";
const DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tabs.example.com";

fn text(field: &str) -> Value {
    json!({field: {"type": "string"}})
}

fn versions(storage: &str) -> Value {
    let version = |name: &str, properties: Value| {
        let mut all = json!({"replicas": {"type": "integer"},
            "status": {"type": "object", "properties": {"ready": {"type": "integer"}}}});
        all.as_object_mut().unwrap().extend(properties.as_object().unwrap().clone());
        json!({"name": name, "served": true, "storage": name == storage,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": all}},
            "selectableFields": if name == "v2" { json!([{"jsonPath": ".host"}]) } else { json!([]) },
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.ready"}}})
    };
    let mut v2 = text("host");
    v2["port"] = json!({"type": "string"});
    let spec = json!({"type": "object", "properties": {"replicas": {"type": "integer"}}});
    let mut v1 = text("hostPort");
    (v1["spec"], v2["spec"]) = (spec.clone(), spec);
    json!([version("v1", v1), version("v2", v2)])
}

fn definition(client: Value, storage: &str) -> Value {
    let mut definition = with_versions(versions(storage));
    definition["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {
        "clientConfig": client, "conversionReviewVersions": ["v1", "v1beta1"]}});
    definition
}

fn convert(request: &Value) -> Value {
    let wanted = &request["desiredAPIVersion"];
    let objects = request["objects"].as_array().unwrap().iter().map(|object| {
        let mut object = object.clone();
        object["apiVersion"] = wanted.clone();
        let fields = object.as_object_mut().unwrap();
        if wanted == "example.com/v2" {
            if let Some(both) = fields.remove("hostPort") {
                let (host, port) = both.as_str().unwrap().split_once(':').unwrap();
                fields.insert("host".into(), host.into());
                fields.insert("port".into(), port.into());
            }
        } else if let (Some(host), Some(port)) = (fields.remove("host"), fields.remove("port")) {
            let both = format!("{}:{}", host.as_str().unwrap(), port.as_str().unwrap());
            fields.insert("hostPort".into(), both.into());
        }
        object
    });
    json!({"result": {"status": "Success"}, "convertedObjects": objects.collect::<Vec<_>>()})
}

fn tab(version: &str, name: &str, more: Value) -> Value {
    let mut tab = json!({"apiVersion": format!("example.com/{version}"), "kind": "Tab",
        "metadata": {"name": name}});
    tab.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    tab
}

async fn start(answer: impl Fn(&Value) -> Value + Send + Sync + 'static) -> (Server, Hooks) {
    let (server, hooks) = (Server::start().await, Hooks::start(answer).await);
    let client = hooks.service(&server).await;
    let body = definition(client, "v1");
    server.check(&format!("POST {DEFINITIONS}"), body, 201, json!({})).await;
    (server, hooks)
}

async fn change_storage(server: &Server, hooks: &Hooks, storage: &str) -> Value {
    let body = definition(hooks.client(), storage);
    replace(server, body).await
}

/// Writes the definition anew, over the version that is there.
async fn replace(server: &Server, mut body: Value) -> Value {
    let old = server.check(&format!("GET {DEFINITION}"), Value::Null, 200, json!({})).await;
    body["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
    server.check(&format!("PUT {DEFINITION}"), body, 200, json!({})).await
}

fn one() -> Value {
    tab("v1", "one", json!({"hostPort": "localhost:8080"}))
}

#[tokio::test]
async fn an_object_is_read_and_written_in_each_version() {
    let (server, hooks) = start(convert).await;
    server.check(&format!("POST {TABS}"), one(), 201, json!({})).await;
    assert_eq!(hooks.count(), 0, "it is stored as it was written");
    let converted = json!({"apiVersion": "example.com/v2", "host": "localhost", "port": "8080"});
    let found = server.check(&format!("GET {TABS_V2}/one"), Value::Null, 200, converted).await;
    assert!(found.get("hostPort").is_none());
    assert_eq!(hooks.last()["objects"][0]["hostPort"], "localhost:8080");
    let two = tab("v2", "two", json!({"host": "h", "port": "9"}));
    server.check(&format!("POST {TABS_V2}"), two, 201, json!({"host": "h"})).await;
    let stored = json!({"apiVersion": "example.com/v1", "hostPort": "h:9"});
    server.check(&format!("GET {TABS}/two"), Value::Null, 200, stored).await;
    let patch = json!({"port": "10"});
    server.check(&format!("PATCH {TABS_V2}/two"), patch, 200, json!({"port": "10"})).await;
    let changed = json!({"hostPort": "h:10"});
    server.check(&format!("GET {TABS}/two"), Value::Null, 200, changed).await;
    server.check(&format!("DELETE {TABS_V2}/two"), Value::Null, 200, json!({})).await;
}

#[tokio::test]
async fn a_list_of_objects_stored_in_two_versions_takes_one_call() {
    let (server, hooks) = start(convert).await;
    server.check(&format!("POST {TABS}"), one(), 201, json!({})).await;
    let three = tab("v1", "three", json!({"hostPort": "localhost:3"}));
    server.check(&format!("POST {TABS}"), three, 201, json!({})).await;
    let definition = change_storage(&server, &hooks, "v2").await;
    assert_eq!(definition["status"]["storedVersions"], json!(["v1", "v2"]));
    let two = tab("v1", "two", json!({"hostPort": "other:2"}));
    server.check(&format!("POST {TABS}"), two, 201, json!({})).await;
    let before = hooks.count();
    let list = server.check(&format!("GET {TABS_V2}"), Value::Null, 200, json!({})).await;
    let hosts: Vec<&Value> = list["items"].as_array().unwrap().iter().map(|i| &i["host"]).collect();
    assert_eq!(hosts, ["localhost", "localhost", "other"]);
    assert_eq!(hooks.count() - before, 1);
    assert_eq!(hooks.last()["objects"].as_array().unwrap().len(), 2);
    let selected = format!("GET {TABS_V2}?fieldSelector=host%3Dother");
    let list = server.check(&selected, Value::Null, 200, json!({})).await;
    assert_eq!(names(&list), ["two"]);
    // A write leaves the object as what is stored now.
    let touch = json!({"metadata": {"labels": {"a": "b"}}});
    server.check(&format!("PATCH {TABS}/one"), touch, 200, json!({})).await;
    let before = hooks.count();
    server.check(&format!("GET {TABS_V2}/one"), Value::Null, 200, json!({})).await;
    assert_eq!(hooks.count(), before);
}

#[tokio::test]
async fn status_scale_and_apply_work_in_each_version() {
    let (server, _hooks) = start(convert).await;
    let size = tab("v1", "one", json!({"hostPort": "localhost:8080", "spec": {"replicas": 2}}));
    server.check(&format!("POST {TABS}"), size, 201, json!({})).await;
    let scale = json!({"spec": {"replicas": 2}});
    server.check(&format!("GET {TABS_V2}/one/scale"), Value::Null, 200, scale).await;
    let more = json!({"spec": {"replicas": 5}});
    server.check(&format!("PATCH {TABS_V2}/one/scale"), more.clone(), 200, more).await;
    let status = json!({"status": {"ready": 4}});
    server.check(&format!("PATCH {TABS_V2}/one/status"), status, 200, json!({})).await;
    let expected =
        json!({"hostPort": "localhost:8080", "spec": {"replicas": 5}, "status": {"ready": 4}});
    server.check(&format!("GET {TABS}/one"), Value::Null, 200, expected).await;
    let applied = tab("v2", "one", json!({"port": "1"})).to_string();
    let request = format!("PATCH {TABS_V2}/one?fieldManager=me&force=true");
    let media = [("content-type", "application/apply-patch+yaml")];
    let answer = server.ask_as(admin(), &request, &media, applied).await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    let expected = json!({"hostPort": "localhost:1"});
    server.check(&format!("GET {TABS}/one"), Value::Null, 200, expected).await;
}

/// The events of a watch that ends by itself.
async fn events(server: &Server, path: &str) -> Vec<Value> {
    let response = server.send(admin(), &format!("GET {path}"), &[], "").await;
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[tokio::test]
async fn watchers_of_another_version_ask_once_for_all() {
    let (server, hooks) = start(convert).await;
    let list = server.check(&format!("GET {TABS_V2}"), Value::Null, 200, json!({})).await;
    let since = list["metadata"]["resourceVersion"].as_str().unwrap();
    let path = format!("{TABS_V2}?watch=1&timeoutSeconds=1&resourceVersion={since}");
    server.check(&format!("POST {TABS}"), one(), 201, json!({})).await;
    server.check(&format!("DELETE {TABS}/one"), Value::Null, 200, json!({})).await;
    let all = futures::future::join_all((0..8).map(|_| events(&server, &path))).await;
    for events in all {
        let kinds: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
        assert_eq!(kinds, ["ADDED", "DELETED"]);
        assert!(events.iter().all(|event| event["object"]["host"] == "localhost"), "{events:?}");
    }
    assert_eq!(hooks.count(), 1, "the deleted object is the one that was added");
}

#[tokio::test]
async fn what_cannot_be_converted_is_said_in_upstreams_words() {
    let (server, hooks) = start(|request| {
        if request["objects"][0]["metadata"]["name"] == "renamed" {
            let mut answer = convert(request);
            answer["convertedObjects"][0]["metadata"]["name"] = "other".into();
            return answer;
        }
        json!({"result": {"status": "Failed", "message": "not today"}})
    })
    .await;
    server.check(&format!("POST {TABS}"), one(), 201, json!({})).await;
    let of = "conversion webhook for example.com/v1, Kind=Tab";
    let failed = json!({"kind": "Status", "message": format!("{of} failed: not today")});
    server.check(&format!("GET {TABS_V2}/one"), Value::Null, 500, failed.clone()).await;
    server.check(&format!("GET {TABS_V2}"), Value::Null, 500, failed.clone()).await;
    server.check(&format!("PATCH {TABS_V2}/one"), json!({"host": "x"}), 500, failed.clone()).await;
    let list = server.check(&format!("GET {TABS}"), Value::Null, 200, json!({})).await;
    let since = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let renamed = tab("v1", "renamed", json!({"hostPort": "a:1"}));
    server.check(&format!("POST {TABS}"), renamed, 201, json!({})).await;
    let path = format!("{TABS_V2}?watch=1&timeoutSeconds=60&resourceVersion={since}");
    let events = events(&server, &path).await;
    assert_eq!(events.len(), 1, "the stream ends where it fails: {events:?}");
    assert_eq!(events[0]["type"], "ERROR");
    let message =
        format!("{of} returned invalid object: must have the same name: renamed != other");
    assert_eq!(events[0]["object"]["message"], message);
    let two = tab("v2", "two", json!({"host": "h", "port": "9"}));
    let back = "conversion webhook for example.com/v2, Kind=Tab failed: not today";
    server.check(&format!("POST {TABS_V2}"), two, 500, json!({"message": back})).await;
    // Nobody listens there.
    let gone = definition(json!({"url": "https://127.0.0.1:1/x"}), "v1");
    replace(&server, gone).await;
    let why = format!(
        "{of} failed: Post \"https://127.0.0.1:1/x?timeout=30s\": dial tcp 127.0.0.1:1: connect: connection refused"
    );
    server.check(&format!("GET {TABS_V2}/one"), Value::Null, 500, json!({"message": why})).await;
    // The definition goes all the same: its objects are stored in a version of its own.
    server.check(&format!("DELETE {DEFINITION}"), Value::Null, 200, json!({})).await;
    let gone = async {
        while server.ask(&format!("GET {DEFINITION}"), Value::Null).await.code != 404 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.unwrap();
    assert!(hooks.count() > 0);
}
