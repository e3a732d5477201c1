use std::time::Duration;

use http_body_util::BodyExt as _;
use serde_json::json;

use super::{DEFINITIONS, TABS, server_with, spec_of, tab, tabs, with_versions};
use crate::support::{Server, admin};

#[tokio::test]
async fn a_definition_is_established_when_its_creation_is_answered() {
    let server = Server::start().await;
    let made = server
        .check(&format!("POST {DEFINITIONS}"), tabs(spec_of(json!({}))), 201, json!({
            "spec": {"names": {"singular": "tab", "listKind": "TabList"}, "conversion": {"strategy": "None"}},
            "status": {"acceptedNames": {"kind": "Tab"}, "storedVersions": ["v1"]},
        }))
        .await;
    let conditions: Vec<_> = made["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["type"].as_str().unwrap(), c["status"].as_str().unwrap()))
        .collect();
    assert_eq!(conditions, [("NamesAccepted", "True"), ("Established", "True")]);
    server.check(&format!("GET {TABS}"), json!(null), 200, json!({"kind": "TabList"})).await;
}

#[tokio::test]
async fn what_is_no_definition_is_refused_in_upstreams_words() {
    let server = Server::start().await;
    let mut wrong = tabs(json!({"type": "object", "properties": {"spec": {}}}));
    wrong["metadata"]["name"] = "x.example.com".into();
    server
        .check(
            &format!("POST {DEFINITIONS}"),
            wrong,
            422,
            json!({"details": {"causes": [
                {"field": "metadata.name", "reason": "FieldValueInvalid"},
                {"field": "spec.validation.openAPIV3Schema.properties[spec].type",
                    "message": "Required value: must not be empty for specified object fields"},
            ]}}),
        )
        .await;
    let mut webhook = tabs(spec_of(json!({})));
    webhook["spec"]["conversion"] = json!({"strategy": "Webhook"});
    server
        .check(
            &format!("POST {DEFINITIONS}"),
            webhook,
            422,
            json!({"details": {"causes": [
                {"field": "spec.conversion.webhookClientConfig", "reason": "FieldValueRequired"},
                {"field": "spec.conversion.conversionReviewVersions"},
            ]}}),
        )
        .await;
}

#[tokio::test]
async fn names_of_others_are_not_accepted_until_they_are_free() {
    let server = server_with(tabs(spec_of(json!({})))).await;
    let mut other = tabs(spec_of(json!({})));
    other["metadata"]["name"] = "sheets.example.com".into();
    other["spec"]["names"] = json!({"plural": "sheets", "kind": "Tab"});
    let made = server.check(&format!("POST {DEFINITIONS}"), other, 201, json!({})).await;
    assert_eq!(made["status"]["conditions"][0]["status"], "False");
    let sheets = "GET /apis/example.com/v1/namespaces/default/sheets";
    server.check(sheets, json!(null), 404, json!(null)).await;
    server
        .check(&format!("DELETE {DEFINITIONS}/tabs.example.com"), json!(null), 200, json!({}))
        .await;
    wait_for(&server, sheets, 200).await;
}

#[tokio::test]
async fn a_definition_takes_its_objects_and_their_watches_with_it() {
    let server = server_with(tabs(spec_of(json!({"a": {"type": "string"}})))).await;
    server.check(&format!("POST {TABS}"), tab("one", json!({"a": "x"})), 201, json!({})).await;
    let watch = server.send(admin(), &format!("GET {TABS}?watch=1"), &[], "").await;
    let gone = server.ask(&format!("DELETE {DEFINITIONS}/tabs.example.com"), json!(null)).await;
    assert_eq!(gone.code, 200);
    assert_eq!(
        gone.body["metadata"]["finalizers"],
        json!(["customresourcecleanup.apiextensions.k8s.io"])
    );
    // The watch tells of the object's end and ends itself.
    let body = tokio::time::timeout(Duration::from_secs(10), watch.into_body().collect());
    let bytes = body.await.expect("the watch ends").unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.contains("\"DELETED\""), "{text}");
    wait_for(&server, &format!("GET {DEFINITIONS}/tabs.example.com"), 404).await;
    server.check(&format!("GET {TABS}"), json!(null), 404, json!(null)).await;
    let groups = server.check("GET /apis", json!(null), 200, json!({})).await;
    assert!(!groups.to_string().contains("example.com"));
}

#[tokio::test]
async fn an_object_with_a_finalizer_holds_its_definition() {
    let server = server_with(tabs(spec_of(json!({})))).await;
    let mut held = tab("one", json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    server.check(&format!("POST {TABS}"), held, 201, json!({})).await;
    server
        .check(&format!("DELETE {DEFINITIONS}/tabs.example.com"), json!(null), 200, json!({}))
        .await;
    server
        .check(
            &format!("POST {TABS}"),
            tab("two", json!({})),
            403,
            json!({"reason": "Forbidden", "message":
            "tabs.example.com \"two\" is forbidden: create not allowed while custom resource definition is terminating"}),
        )
        .await;
    let free = json!({"metadata": {"finalizers": null}});
    server.check(&format!("PATCH {TABS}/one"), free, 200, json!({})).await;
    wait_for(&server, &format!("GET {DEFINITIONS}/tabs.example.com"), 404).await;
}

#[tokio::test]
async fn versions_are_forms_of_the_same_objects() {
    let schema = |field: &str| {
        json!({"openAPIV3Schema": {"type": "object",
            "properties": {"both": {"type": "string"}, field: {"type": "string"}}}})
    };
    let server = server_with(with_versions(json!([
        {"name": "v1beta1", "served": true, "storage": false, "schema": schema("old")},
        {"name": "v1", "served": true, "storage": true, "schema": schema("new")},
        {"name": "v1alpha1", "served": false, "storage": false, "schema": schema("dead")},
    ])))
    .await;
    let beta = "/apis/example.com/v1beta1/namespaces/default/tabs";
    let object = json!({"apiVersion": "example.com/v1beta1", "kind": "Tab",
        "metadata": {"name": "a"}, "both": "x", "old": "y"});
    server
        .check(&format!("POST {beta}"), object, 201, json!({"apiVersion": "example.com/v1beta1"}))
        .await;
    let as_new = server
        .check(
            &format!("GET {TABS}/a"),
            json!(null),
            200,
            json!({"apiVersion": "example.com/v1", "both": "x"}),
        )
        .await;
    assert!(as_new["old"].is_null());
    let dead = "GET /apis/example.com/v1alpha1/namespaces/default/tabs";
    server.check(dead, json!(null), 404, json!(null)).await;
    let group = server.check("GET /apis/example.com", json!(null), 200, json!({})).await;
    let versions: Vec<_> =
        group["versions"].as_array().unwrap().iter().map(|v| &v["version"]).collect();
    assert_eq!(versions, [&json!("v1"), &json!("v1beta1")]);
}

#[tokio::test]
async fn custom_kinds_are_served_from_the_first_request_of_the_next_start() {
    let server = server_with(tabs(spec_of(json!({"a": {"type": "string"}})))).await;
    server.check(&format!("POST {TABS}"), tab("one", json!({"a": "x"})), 201, json!({})).await;
    let next = server.restart().await;
    next.check(&format!("GET {TABS}/one"), json!(null), 200, json!({"spec": {"a": "x"}})).await;
}

#[tokio::test]
async fn the_status_of_a_definition_is_written_by_its_subresource() {
    let server = server_with(tabs(spec_of(json!({})))).await;
    let path = format!("{DEFINITIONS}/tabs.example.com/status");
    let mut got = server.check(&format!("GET {path}"), json!(null), 200, json!({})).await;
    let condition = json!({"type": "", "status": "", "message": "updated"});
    got["status"]["conditions"].as_array_mut().unwrap().push(condition);
    let put = server.check(&format!("PUT {path}"), got, 200, json!({})).await;
    assert!(put["status"]["conditions"].to_string().contains("\"updated\""));
    let patch =
        json!([{"op": "add", "path": "/status/conditions", "value": [{"message": "patched"}]}]);
    let headers = [("content-type", "application/json-patch+json")];
    let answer =
        server.ask_as(admin(), &format!("PATCH {path}"), &headers, patch.to_string()).await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    assert!(answer.body["status"]["conditions"].to_string().contains("\"patched\""));
    server.check(&format!("GET {TABS}"), json!(null), 200, json!({})).await;
}

/// Asks until the answer has this code.
async fn wait_for(server: &Server, request: &str, code: u16) {
    let asking = async {
        while server.ask(request, json!(null)).await.code != code {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let within = tokio::time::timeout(Duration::from_secs(10), asking).await;
    within.unwrap_or_else(|_| panic!("{request} is not answered with {code}"));
}

#[tokio::test]
async fn a_version_on_its_way_out_says_so_with_every_request() {
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage,
            "schema": {"openAPIV3Schema": {"type": "object"}}})
    };
    let (mut old, mut older) = (version("v1beta1", false), version("v1alpha1", false));
    old["deprecated"] = true.into();
    older["deprecated"] = true.into();
    older["deprecationWarning"] = "no more of this".into();
    let server = server_with(with_versions(json!([older, old, version("v1", true)]))).await;
    let check = async |version: &str, expected: Option<&str>| {
        let path = format!("GET /apis/example.com/{version}/namespaces/default/tabs");
        let answer = server.ask(&path, json!(null)).await;
        let warning = answer.headers.get("warning").map(|text| text.to_str().unwrap());
        assert_eq!(warning, expected, "{version}");
    };
    check("v1", None).await;
    let text = "299 - \"example.com/v1beta1 Tab is deprecated; use example.com/v1 Tab\"";
    check("v1beta1", Some(text)).await;
    check("v1alpha1", Some("299 - \"no more of this\"")).await;
    let kinds = server.check("GET /apis/example.com/v1", json!(null), 200, json!({})).await;
    let verbs =
        json!(["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]);
    assert_eq!(kinds["resources"][0]["verbs"], verbs);
}
