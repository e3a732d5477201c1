use serde_json::{Value, json};

use super::{TABS, server_with, spec_of, tab, tabs, with_versions};
use crate::support::{admin, has};

#[tokio::test]
async fn objects_have_generation_managers_and_versions_like_any_other() {
    let server = server_with(tabs(spec_of(json!({"a": {"type": "string"}})))).await;
    let made = server
        .check(
            &format!("POST {TABS}"),
            tab("one", json!({"a": "x"})),
            201,
            json!({
                "kind": "Tab", "metadata": {"generation": 1, "namespace": "default",
                    "managedFields": [{"manager": "test", "operation": "Update",
                        "fieldsV1": {"f:spec": {"f:a": {}}}}]},
            }),
        )
        .await;
    let same = server
        .check(&format!("PATCH {TABS}/one"), json!({"spec": {"a": "x"}}), 200, json!({}))
        .await;
    assert_eq!(same["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    server
        .check(
            &format!("PATCH {TABS}/one"),
            json!({"spec": {"a": "y"}}),
            200,
            json!({"metadata": {"generation": 2}}),
        )
        .await;
    let mut stale = made;
    stale["spec"]["a"] = "z".into();
    server.check(&format!("PUT {TABS}/one"), stale, 409, json!({"reason": "Conflict"})).await;
    server
        .check(&format!("DELETE {TABS}/one"), json!(null), 200, json!({"status": "Success"}))
        .await;
}

#[tokio::test]
async fn strategic_merge_is_not_for_custom_kinds() {
    let server = server_with(tabs(spec_of(json!({})))).await;
    server.check(&format!("POST {TABS}"), tab("one", json!({})), 201, json!({})).await;
    let headers = [("content-type", "application/strategic-merge-patch+json")];
    let answer = server.ask_as(admin(), &format!("PATCH {TABS}/one"), &headers, "{}").await;
    assert_eq!(answer.code, 415);
}

#[tokio::test]
async fn apply_merges_lists_as_the_schema_says() {
    let ports = json!({"type": "array", "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object", "required": ["name"],
            "properties": {"name": {"type": "string"}, "port": {"type": "integer"}}}});
    let server = server_with(tabs(spec_of(json!({"ports": ports})))).await;
    let apply = async |manager: &str, spec| {
        let path = format!("PATCH {TABS}/one?fieldManager={manager}");
        let headers = [("content-type", "application/apply-patch+yaml")];
        server.ask_as(admin(), &path, &headers, tab("one", spec).to_string()).await
    };
    let first = apply("a", json!({"ports": [{"name": "x", "port": 1}]})).await;
    assert_eq!(first.code, 201, "{}", first.body);
    let second = apply("b", json!({"ports": [{"name": "y", "port": 2}]})).await;
    assert_eq!(second.code, 200, "{}", second.body);
    assert_eq!(second.body["spec"]["ports"].as_array().unwrap().len(), 2);
    assert_eq!(apply("b", json!({"ports": [{"name": "x", "port": 3}]})).await.code, 409);
    let unknown = apply("a", json!({"other": 1})).await;
    assert_eq!(unknown.code, 500);
    let message = unknown.body["message"].as_str().unwrap();
    assert!(message.contains(".spec.other: field not declared in schema"), "{message}");
}

#[tokio::test]
async fn tables_have_the_columns_of_the_definition() {
    let server = server_with(with_versions(json!([{
        "name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": spec_of(json!({"a": {"type": "string"}, "n": {"type": "integer"}}))},
        "additionalPrinterColumns": [
            {"name": "A", "type": "string", "jsonPath": ".spec.a", "description": "the a"},
            {"name": "N", "type": "integer", "jsonPath": ".spec.n", "priority": 1},
        ],
    }])))
    .await;
    server
        .check(&format!("POST {TABS}"), tab("one", json!({"a": "x", "n": 3})), 201, json!({}))
        .await;
    let headers = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let table = server.ask_as(admin(), &format!("GET {TABS}"), &headers, "").await.body;
    assert_eq!(table["rows"][0]["cells"], json!(["one", "x", 3]));
    assert_eq!(table["columnDefinitions"][1]["description"], "the a");
    assert_eq!(table["columnDefinitions"][2]["priority"], 1);
}

#[tokio::test]
async fn fields_can_be_selected_by_where_the_definition_says_so() {
    let server = server_with(with_versions(json!([{
        "name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": spec_of(json!({"color": {"type": "string"}}))},
        "selectableFields": [{"jsonPath": ".spec.color"}],
    }])))
    .await;
    for (name, color) in [("a", "red"), ("b", "blue")] {
        let object = tab(name, json!({"color": color}));
        server.check(&format!("POST {TABS}"), object, 201, json!({})).await;
    }
    let path = format!("GET {TABS}?fieldSelector=spec.color%3Dred");
    let list = server.check(&path, json!(null), 200, json!({})).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["metadata"]["name"], "a");
    let unknown = format!("GET {TABS}?fieldSelector=spec.size%3D1");
    server
        .check(
            &unknown,
            json!(null),
            400,
            json!({"message": "field label not supported: spec.size"}),
        )
        .await;
}

#[tokio::test]
async fn custom_kinds_are_in_both_forms_of_discovery() {
    let server = server_with(tabs(spec_of(json!({})))).await;
    server
        .check(
            "GET /apis/example.com/v1",
            json!(null),
            200,
            json!({"resources": [{
                "name": "tabs", "singularName": "tab", "namespaced": true, "kind": "Tab",
                "shortNames": ["tb"], "categories": ["all"],
            }]}),
        )
        .await;
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let answer = server.ask_as(admin(), "GET /apis", &[("accept", accept)], "").await;
    let groups = answer.body["items"].as_array().unwrap();
    let group = groups.iter().find(|group| group["metadata"]["name"] == "example.com").unwrap();
    assert_eq!(group["versions"][0]["resources"][0]["resource"], "tabs");
    let responds = &group["versions"][0]["resources"][0]["responseKind"];
    assert_eq!(*responds, json!({"group": "example.com", "version": "v1", "kind": "Tab"}));
}

#[tokio::test]
async fn duplicate_keys_of_yaml_are_named_with_their_line() {
    let mut schema = spec_of(json!({"foo": {"type": "string"}}));
    schema["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"] = true.into();
    let server = server_with(tabs(schema)).await;
    let yaml = "\napiVersion: example.com/v1\nkind: Tab\nmetadata:\n  name: one\nspec:\n  foo: a\n  foo: b\n";
    let path = format!("PATCH {TABS}/one?fieldManager=m&fieldValidation=Strict");
    let headers = [("content-type", "application/apply-patch+yaml")];
    let answer = server.ask_as(admin(), &path, &headers, yaml).await;
    assert_eq!(answer.code, 400, "{}", answer.body);
    let message = answer.body["message"].as_str().unwrap();
    assert!(message.contains("line 8: key \"foo\" already set in map"), "{message}");
}

#[tokio::test]
async fn a_body_says_what_it_is() {
    let server = server_with(tabs(spec_of(json!({"n": {"type": "integer"}})))).await;
    let check = async |body: Value, message: &str| {
        server.check(&format!("POST {TABS}"), body, 400, json!({"message": message})).await;
    };
    check(
        json!({"kind": "Tab", "metadata": {"name": "a"}}),
        "the API version in the data () does not match the expected API version (example.com/v1)",
    )
    .await;
    check(
        json!({}),
        "the object provided is unrecognized (must be of type Tab): Object 'Kind' is missing in \
         '{}' ({})",
    )
    .await;
    check(
        json!({"apiVersion": "example.com/v1", "kind": "Tab", "metadata": {"labels": {"a": 1}}}),
        "Tab in version \"v1\" cannot be handled as a Tab: json: cannot unmarshal number into Go \
         struct field ObjectMeta.labels of type string",
    )
    .await;
}

#[tokio::test]
async fn an_apply_cannot_make_null_what_may_not_be() {
    let server = server_with(tabs(spec_of(json!({
        "a": {"type": "string"}, "n": {"type": "string", "nullable": true},
        "d": {"type": "string", "default": "x"},
    }))))
    .await;
    let apply = async |spec: Value, code: u16, expected: Value| {
        let request = format!("PATCH {TABS}/a?fieldManager=m");
        let media = [("content-type", "application/apply-patch+yaml")];
        let answer = server.ask_as(admin(), &request, &media, tab("a", spec).to_string()).await;
        assert_eq!(answer.code, code, "{}", answer.body);
        assert!(has(&answer.body, &expected), "{}", answer.body);
    };
    apply(json!({"n": null, "d": null}), 201, json!({"spec": {"n": null, "d": "x"}})).await;
    let why = "spec.a: Invalid value: \"null\": spec.a in body must be of type string: \"null\"";
    let message = format!("Tab.example.com \"a\" is invalid: {why}");
    apply(json!({"a": null}), 422, json!({"message": message})).await;
}

#[tokio::test]
async fn methods_that_there_are_not_are_refused_by_name() {
    let server = server_with(tabs(spec_of(json!({})))).await;
    let refused = |what: &str| json!({"message": format!("{what} is not supported on resources of kind \"tabs.example.com\"")});
    server.check(&format!("OPTIONS {TABS}"), json!(null), 405, refused("")).await;
    let unnamed = json!({"message": "name must be provided"});
    server.check(&format!("PUT {TABS}"), tab("a", json!({})), 400, unnamed).await;
    let unknown = json!({"message": "tabs.example.com \"a\" not found"});
    server.check(&format!("GET {TABS}/a/status"), json!(null), 404, unknown).await;
}
