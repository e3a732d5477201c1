use serde_json::{Value, json};

use super::{DEFINITIONS, TABS, server_with, spec_of, tab, tabs};
use crate::support::Server;

async fn server() -> Server {
    server_with(tabs(spec_of(json!({
        "a": {"type": "string", "default": "A"},
        "n": {"type": "integer", "minimum": 1},
        "list": {"type": "array", "items": {"type": "object", "required": ["name"],
            "properties": {"name": {"type": "string"}}}},
    }))))
    .await
}

#[tokio::test]
async fn unknown_fields_are_dropped_warned_of_or_refused() {
    let server = server().await;
    let object = || tab("one", json!({"other": 1, "list": [{"name": "x", "y": 1}]}));
    let strict = server.ask(&format!("POST {TABS}?fieldValidation=Strict"), object()).await;
    assert_eq!(strict.code, 400);
    let message = strict.body["message"].as_str().unwrap();
    assert!(
        message.contains("unknown field \"spec.list[0].y\", unknown field \"spec.other\""),
        "{message}"
    );
    let warned = server.ask(&format!("POST {TABS}"), object()).await;
    assert_eq!(warned.code, 201, "{}", warned.body);
    assert_eq!(warned.headers.get_all("warning").iter().count(), 2);
    assert_eq!(warned.body["spec"], json!({"a": "A", "list": [{"name": "x"}]}));
}

#[tokio::test]
async fn duplicate_fields_and_unknown_metadata_are_found() {
    let server = server().await;
    let text = r#"{"apiVersion": "example.com/v1", "kind": "Tab",
        "metadata": {"name": "a", "what": 1}, "spec": {"n": 1, "n": 2}}"#;
    let path = format!("POST {TABS}?fieldValidation=Strict");
    let answer = server.ask_as(crate::support::admin(), &path, &[], text).await;
    let message = answer.body["message"].as_str().unwrap();
    assert!(message.contains("unknown field \"metadata.what\""), "{message}");
    assert!(message.contains("duplicate field \"spec.n\""), "{message}");
}

#[tokio::test]
async fn values_are_held_to_the_schema() {
    let server = server().await;
    let check = async |spec: Value, field: &str, message: &str| {
        let causes = json!({"details": {"causes": [{"field": field, "message": message}]}});
        server.check(&format!("POST {TABS}"), tab("x", spec), 422, causes).await;
    };
    check(
        json!({"n": 0}),
        "spec.n",
        "Invalid value: 0: spec.n in body should be greater than or equal to 1",
    )
    .await;
    check(json!({"list": [{}]}), "spec.list[0].name", "Required value").await;
    check(
        json!({"n": "x"}),
        "spec.n",
        "Invalid value: \"string\": spec.n in body must be of type integer: \"string\"",
    )
    .await;
}

#[tokio::test]
async fn defaults_are_filled_in_on_requests_and_on_what_is_stored() {
    let server = server_with(tabs(json!({"type": "object", "properties": {
        "a": {"type": "string"}, "b": {"type": "string"}}})))
    .await;
    let object = |name: &str| json!({"apiVersion": "example.com/v1", "kind": "Tab", "metadata": {"name": name}});
    server.check(&format!("POST {TABS}"), object("one"), 201, json!({})).await;
    let definition = format!("PATCH {DEFINITIONS}/tabs.example.com");
    let default = |field: &str| {
        let mut properties = json!({"a": {"type": "string"}, "b": {"type": "string"}});
        properties[field]["default"] = field.to_uppercase().into();
        json!({"spec": {"versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}}]}})
    };
    server.check(&definition, default("a"), 200, json!({"metadata": {"generation": 2}})).await;
    server.check(&format!("GET {TABS}/one"), json!(null), 200, json!({"a": "A"})).await;
    server.check(&format!("POST {TABS}"), object("two"), 201, json!({"a": "A"})).await;
    server.check(&definition, default("b"), 200, json!({})).await;
    server.check(&format!("GET {TABS}/two"), json!(null), 200, json!({"a": "A", "b": "B"})).await;
    let one = server.check(&format!("GET {TABS}/one"), json!(null), 200, json!({"b": "B"})).await;
    assert!(one["a"].is_null(), "it was never stored");
}

#[tokio::test]
async fn openapi_has_the_schema_under_the_kinds_own_name() {
    let server = server().await;
    let index = server.check("GET /openapi/v3", json!(null), 200, json!({})).await;
    assert!(index["paths"]["apis/example.com/v1"].is_object());
    let document =
        server.check("GET /openapi/v3/apis/example.com/v1", json!(null), 200, json!({})).await;
    let tab = &document["components"]["schemas"]["com.example.v1.Tab"];
    assert_eq!(tab["properties"]["spec"]["properties"]["a"]["type"], "string");
    assert_eq!(
        tab["x-kubernetes-group-version-kind"],
        json!([{"group": "example.com", "version": "v1", "kind": "Tab"}])
    );
    let path = "/apis/example.com/v1/namespaces/{namespace}/tabs/{name}";
    let patch = &document["paths"][path]["patch"]["requestBody"]["content"];
    assert!(patch["application/merge-patch+json"].is_object());
    assert!(patch["application/strategic-merge-patch+json"].is_null());
    for text in document.to_string().split("#/components/schemas/").skip(1) {
        let name = text.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
    let v2 = server.check("GET /openapi/v2", json!(null), 200, json!({})).await;
    let tab = &v2["definitions"]["com.example.v1.Tab"];
    assert_eq!(tab["properties"]["spec"]["properties"]["n"]["minimum"], 1);
    for text in v2.to_string().split("#/definitions/").skip(1) {
        let name = text.split('"').next().unwrap();
        assert!(v2["definitions"].get(name).is_some(), "{name}");
    }
    let gone = format!("DELETE {DEFINITIONS}/tabs.example.com");
    server.check(&gone, json!(null), 200, json!({})).await;
}
