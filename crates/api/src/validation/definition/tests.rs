use serde_json::json;

use super::super::create;
use crate::Gvk;

fn definition(schema: serde_json::Value) -> serde_json::Value {
    json!({
        "metadata": {"name": "tabs.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "tabs", "singular": "tab", "kind": "Tab", "listKind": "TabList"},
            "conversion": {"strategy": "None"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

#[track_caller]
fn check_object(object: serde_json::Value, expected: &[&str]) {
    let gvk = Gvk::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let errors = create(&gvk, &object);
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts, expected);
}

#[track_caller]
fn check(schema: serde_json::Value, expected: &[&str]) {
    check_object(definition(schema), expected);
}

#[test]
fn a_plain_definition_is_taken() {
    check(json!({"type": "object", "properties": {"spec": {"type": "object"}}}), &[]);
    check(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}), &[]);
}

#[test]
fn names_and_groups_are_held_to_their_forms() {
    let mut wrong = definition(json!({"type": "object"}));
    wrong["metadata"]["name"] = "x.example.com".into();
    wrong["spec"]["scope"] = "Elsewhere".into();
    wrong["spec"]["names"]["listKind"] = "Tab".into();
    check_object(
        wrong,
        &[
            "metadata.name: Invalid value: \"x.example.com\": must be spec.names.plural+\".\"+spec.group",
            "spec.scope: Unsupported value: \"Elsewhere\": supported values: \"Cluster\", \"Namespaced\"",
            "spec.names.listKind: Invalid value: \"Tab\": kind and listKind may not be the same",
        ],
    );
}

#[test]
fn schemas_are_structural() {
    check(
        json!({"properties": {"spec": {}}}),
        &[
            "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root",
            "spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields",
        ],
    );
    check(
        json!({"type": "object", "properties": {"a": {"type": "array"}}}),
        &["spec.validation.openAPIV3Schema.properties[a].items: Required value: must be specified"],
    );
    check(
        json!({"type": "object", "properties": {"a": {"type": "string", "anyOf": [{"type": "string"}]}}}),
        &[
            "spec.validation.openAPIV3Schema.properties[a].anyOf[0].type: Forbidden: must be empty to be structural",
        ],
    );
    check(
        json!({"type": "object", "properties": {"a": {"x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}]}}}),
        &[],
    );
}

#[test]
fn defaults_must_be_what_the_schema_allows() {
    check(
        json!({"type": "object", "properties": {"a": {"type": "string", "default": 1}}}),
        &[
            r#"spec.validation.openAPIV3Schema.properties[a].default: Invalid value: "integer":  in body must be of type string: "integer""#,
        ],
    );
    check(
        json!({"type": "object", "properties": {
            "a": {"type": "object", "required": ["x"], "default": {}, "properties": {"x": {"type": "string"}}},
            "b": {"type": "string", "enum": ["x"], "default": "y"},
        }}),
        &[
            "spec.validation.openAPIV3Schema.properties[a].default.x: Required value",
            r#"spec.validation.openAPIV3Schema.properties[b].default: Unsupported value: "y": supported values: "x""#,
        ],
    );
}

#[test]
fn what_every_object_has_is_not_for_a_schema_to_change() {
    let at = "spec.validation.openAPIV3Schema";
    check(
        json!({"type": "object", "nullable": true, "properties": {
            "apiVersion": {"type": "integer"},
            "metadata": {"type": "object", "default": {}, "x-kubernetes-validations": [{"rule": "true"}]},
        }}),
        &[
            &format!("{at}.nullable: Forbidden: nullable cannot be true at the root"),
            &format!(
                "{at}.properties[apiVersion].type: Invalid value: \"integer\": must be string"
            ),
            &format!(
                "{at}.properties[metadata].default: Forbidden: must not be set in top-level metadata"
            ),
            &format!(
                "{at}.properties[metadata]: Forbidden: must not specify anything other than \
                 name and generateName, but metadata is implicitly specified"
            ),
        ],
    );
}

#[test]
fn versions_are_shown_in_upstreams_form() {
    let mut none = definition(json!({"type": "object"}));
    none["spec"]["versions"][0]["storage"] = false.into();
    check_object(
        none,
        &[
            "spec.versions: Invalid value: [{\"Name\":\"v1\",\"Served\":true,\"Storage\":false,\
             \"Deprecated\":false,\"DeprecationWarning\":null,\"Schema\":null,\"Subresources\":null,\
             \"AdditionalPrinterColumns\":null,\"SelectableFields\":null}]: must have exactly one \
             version marked as storage version",
            "status.storedVersions: Invalid value: null: must have at least one stored version",
        ],
    );
}

#[test]
fn sets_and_maps_are_of_what_can_be_told_apart() {
    let at = "spec.validation.openAPIV3Schema.properties[a]";
    check(
        json!({"type": "object", "properties": {"a": {"type": "array",
            "x-kubernetes-list-type": "set", "items": {"type": "object"}}}}),
        &[&format!(
            "{at}.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a \
             list with x-kubernetes-list-type=set"
        )],
    );
    check(
        json!({"type": "object", "properties": {"a": {"type": "array",
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["b", "b"],
            "items": {"type": "object"}}}}),
        &[
            &format!(
                "{at}.x-kubernetes-list-map-keys: Invalid value: [\"b\",\"b\"]: entries must all be names of item properties"
            ),
            &format!(
                "{at}.x-kubernetes-list-map-keys: Invalid value: [\"b\",\"b\"]: entries must all be names of item properties"
            ),
            &format!(
                "{at}.x-kubernetes-list-map-keys: Invalid value: [\"b\",\"b\"]: must not contain duplicate entries"
            ),
        ],
    );
}

#[test]
fn columns_sizes_and_selectable_fields_have_paths() {
    let mut wrong = definition(json!({"type": "object", "properties": {"spec": {"type": "object",
        "properties": {"a": {"type": "string"}, "o": {"type": "object"}}}}}));
    let version = &mut wrong["spec"]["versions"][0];
    version["additionalPrinterColumns"] =
        json!([{"name": "a", "type": "foo", "format": "bar", "jsonPath": "x"}]);
    version["subresources"] = json!({"scale": {"specReplicasPath": ".spec.a[0]",
        "statusReplicasPath": ".status.a", "labelSelectorPath": ".foo"}});
    let paths = ["spec.a", ".metadata.name", ".spec.o", ".spec.a", ".spec.a", ".spec.a[0]"];
    version["selectableFields"] = paths.map(|path| json!({"jsonPath": path})).into();
    let selectable = |index: usize, path: &str, why: &str| {
        format!("spec.selectableFields[{index}].jsonPath: Invalid value: \"{path}\": {why}")
    };
    let expected = [
        selectable(0, "spec.a", "is an invalid path: expected [ or . but got: spec"),
        selectable(1, ".metadata.name", "is an invalid path: does not refer to a valid field"),
        selectable(
            2,
            ".spec.o",
            "must point to a field of type string, boolean or integer. Enum string fields and \
             strings with formats are allowed.",
        ),
        "spec.selectableFields[4].jsonPath: Duplicate value: \".spec.a\"".to_owned(),
        selectable(5, ".spec.a[0]", "is an invalid path: array notation is not allowed"),
        "spec.subresources.scale.labelSelectorPath: Invalid value: \".foo\": should be a json \
         path under either .spec or .status"
            .to_owned(),
        "spec.additionalPrinterColumns[0].type: Invalid value: \"foo\": must be one of \
         boolean,date,integer,number,string"
            .to_owned(),
        "spec.additionalPrinterColumns[0].format: Invalid value: \"bar\": must be one of \
         byte,date,date-time,double,float,int32,int64,password"
            .to_owned(),
        "spec.additionalPrinterColumns[0].JSONPath: Invalid value: \"x\": must be a simple json \
         path starting with ."
            .to_owned(),
    ];
    check_object(wrong, &expected.each_ref().map(String::as_str));
}
