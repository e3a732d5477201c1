//! CustomResourceDefinitions.

mod conversion;
mod extensions;
mod parts;
mod rules;
mod structural;

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::Field;
use crate::names;

/// Kubernetes' own groups: who defines a kind there says that it was agreed on.
const APPROVAL: &str = "api-approved.kubernetes.io";
/// So many fields of a version can be selected by.
const SELECTABLE_MAX: usize = 8;
/// A warning of a deprecated version is no longer, in bytes.
const WARNING_BYTES_MAX: usize = 256;
const SCOPES: [&str; 2] = ["Cluster", "Namespaced"];

pub(super) fn check(root: &Field<'_>) {
    let (name, spec) = (root.at("metadata").at("name"), root.at("spec"));
    let wanted = format!("{}.{}", spec.at("names").at("plural").text(), spec.at("group").text());
    if name.text() != wanted {
        name.invalid_text("must be spec.names.plural+\".\"+spec.group");
    }
    approval(root);
    group(&spec.at("group"));
    spec.at("scope").one_of(&SCOPES);
    versions(&spec);
    if spec.at("preserveUnknownFields").flag() {
        spec.at("preserveUnknownFields").invalid(
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in \
             spec.versions[*].schema instead",
        );
    }
    names_of(&spec.at("names"));
    conversion::check(&spec.at("conversion"));
    first_stored_version(root);
}

/// Objects are stored in some version from the beginning.
fn first_stored_version(root: &Field<'_>) {
    let stored = root.at("status").at("storedVersions");
    let storage = root.at("spec").at("versions").items().find(|v| v.at("storage").flag());
    match storage.map(|version| version.at("name").text()) {
        None if stored.is_empty() => {
            stored.invalid_as_text("null".to_owned(), "must have at least one stored version");
        }
        Some(name) if !names::dns1035_label(name).is_empty() => {
            let shown = Value::from(vec![name]);
            let stored = stored.showing(&shown);
            stored.items().for_each(|name| name.well_formed(names::dns1035_label));
        }
        _ => {}
    }
}

pub(super) fn update(root: &Field<'_>, old: &Value) {
    let spec = root.at("spec");
    let was = |path: &[&str]| path.iter().fold(&old["spec"], |value, name| &value[*name]);
    spec.at("group").immutable(was(&["group"]));
    spec.at("names").at("plural").immutable(was(&["names", "plural"]));
    let conditions = old["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let established =
        conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True");
    if established {
        spec.at("scope").immutable(was(&["scope"]));
        spec.at("names").at("kind").immutable(was(&["names", "kind"]));
    }
    conversion::check_bundle(&spec.at("conversion"), old, established);
    stored_versions(root);
}

/// What is stored can be read only for as long as its version is known.
fn stored_versions(root: &Field<'_>) {
    let known: Vec<&str> =
        root.at("spec").at("versions").items().map(|v| v.at("name").text()).collect();
    for stored in root.at("status").at("storedVersions").items() {
        if !known.contains(&stored.text()) {
            stored.invalid_text(
                "missing from spec.versions; v1 was previously a storage version, and must remain in \
                 spec.versions until a storage migration ensures no data remains persisted in v1 and \
                 removes v1 from status.storedVersions"
                    .replace("v1", stored.text()),
            );
        }
    }
}

fn approval(root: &Field<'_>) {
    let group = root.at("spec").at("group").text();
    let protected = ["k8s.io", "kubernetes.io"];
    if !protected.iter().any(|p| group == *p || group.ends_with(&format!(".{p}"))) {
        return;
    }
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    let annotation = root.at("metadata").at("annotations").key(APPROVAL);
    match annotation.text() {
        "" => annotation.required(format!(
            "protected groups must have approval annotation {APPROVAL:?}, {see}"
        )),
        text if text.starts_with("unapproved") || text.contains("://") => {}
        _ => annotation.invalid_text(format!(
            "protected groups must have approval annotation {APPROVAL:?} with either a URL or a \
             reason starting with \"unapproved\", {see}"
        )),
    }
}

fn group(group: &Field<'_>) {
    let problems = names::dns_subdomain(group.text());
    if group.is_empty() {
        group.required("");
    } else if !problems.is_empty() {
        group.invalid_text(problems.join(","));
    } else if !group.text().contains('.') {
        group.invalid_text("should be a domain with at least one dot");
    }
}

fn deprecation(version: &Field<'_>) {
    let warning = version.at("deprecationWarning");
    if !warning.is_some() {
        return;
    }
    let text = warning.text();
    if !version.at("deprecated").flag() {
        return warning.invalid_text("can only be set for deprecated versions");
    }
    if text.len() > WARNING_BYTES_MAX {
        warning.invalid_text("must be <= 256 characters long");
    }
    if text.is_empty() {
        warning.invalid_text("must not be an empty string");
    }
    if let Some((at, _)) = text.char_indices().find(|(_, c)| c.is_control()) {
        warning.invalid_text(format!(
            "must only contain printable UTF-8 characters; non-printable character found at index {at}"
        ));
    }
}

fn versions(spec: &Field<'_>) {
    let versions = spec.at("versions");
    let mut seen = BTreeSet::new();
    let mut unique = true;
    for version in versions.items() {
        unique &= seen.insert(version.at("name").text());
        let problems = names::dns1035_label(version.at("name").text());
        if !problems.is_empty() {
            version.at("name").invalid_text(problems.join(","));
        }
        if !version.at("schema").at("openAPIV3Schema").is_some() {
            version.at("schema").at("openAPIV3Schema").required("");
        }
        deprecation(&version);
    }
    if !unique {
        versions.invalid_as_text(internal(&versions), "must contain unique version names");
    }
    if versions.items().filter(|version| version.at("storage").flag()).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        versions.invalid_as_text(internal(&versions), why);
    }
    selectable_fields(spec);
    parts(spec, "schema", "validation", |schema| {
        let schema = schema.at("openAPIV3Schema");
        if schema.at("nullable").flag() {
            schema.at("nullable").forbidden("nullable cannot be true at the root");
        }
        structural::schema(&schema);
    });
    parts(spec, "subresources", "subresources", parts::subresources);
    parts(spec, "additionalPrinterColumns", "additionalPrinterColumns", |columns| {
        columns.items().for_each(|column| parts::column(&column));
    });
}

/// The versions as upstream shows them: in a form of its own, in which what they share is not theirs.
fn internal(versions: &Field<'_>) -> String {
    if !versions.is_some() {
        return "null".to_owned();
    }
    let version = |version: Field<'_>| {
        format!(
            "{{\"Name\":{:?},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\
             \"DeprecationWarning\":{},\"Schema\":null,\"Subresources\":null,\
             \"AdditionalPrinterColumns\":null,\"SelectableFields\":null}}",
            version.at("name").text(),
            version.at("served").flag(),
            version.at("storage").flag(),
            version.at("deprecated").flag(),
            version.at("deprecationWarning").value,
        )
    };
    format!("[{}]", versions.items().map(version).collect::<Vec<_>>().join(","))
}

fn selectable_fields(spec: &Field<'_>) {
    let versions: Vec<Field<'_>> = spec.at("versions").items().collect();
    let Some(first) = versions.first().map(|version| version.at("selectableFields")) else {
        return;
    };
    let shared = versions.iter().all(|version| version.at("selectableFields").value == first.value);
    let judged = if shared { &versions[..1] } else { &versions[..] };
    for version in judged {
        let own = version.at("selectableFields");
        let fields = if shared { spec.at("selectableFields").showing(own.value) } else { own };
        let schema = version.at("schema").at("openAPIV3Schema");
        let mut seen = BTreeSet::new();
        for field in fields.items() {
            if !parts::selectable(&field, &schema) {
                continue;
            }
            if !seen.insert(field.at("jsonPath").text()) {
                field.at("jsonPath").duplicate();
            }
        }
        if seen.len() > SELECTABLE_MAX {
            fields.too_many(SELECTABLE_MAX);
        }
    }
}

/// A part that every version has. Where it is the same in all, upstream speaks of it once, under
/// the name that it had before versions had their own.
fn parts(spec: &Field<'_>, name: &str, shared: &str, check: impl Fn(&Field<'_>)) {
    let all: Vec<Field<'_>> = spec.at("versions").items().map(|v| v.at(name)).collect();
    let Some(first) = all.first() else { return };
    if all.iter().all(|part| part.value == first.value) {
        return check(&spec.at(shared).showing(first.value));
    }
    all.iter().for_each(check);
}

fn names_of(names: &Field<'_>) {
    for field in ["plural", "singular", "kind", "listKind"] {
        let name = names.at(field);
        let problems = names::dns1035_label(&name.text().to_lowercase());
        match (field, name.text()) {
            (_, "") => name.required(""),
            ("kind" | "listKind", _) if !problems.is_empty() => name.invalid_text(format!(
                "may have mixed case, but should otherwise match: {}",
                problems.join(",")
            )),
            ("plural" | "singular", text) => {
                let problems = names::dns1035_label(text);
                if !problems.is_empty() {
                    name.invalid_text(problems.join(","));
                }
            }
            _ => {}
        }
    }
    for name in names.at("shortNames").items().chain(names.at("categories").items()) {
        let problems = names::dns1035_label(name.text());
        if !problems.is_empty() {
            name.invalid_text(problems.join(","));
        }
    }
    if !names.at("kind").is_empty() && names.at("kind").text() == names.at("listKind").text() {
        names.at("listKind").invalid_text("kind and listKind may not be the same");
    }
}

#[cfg(test)]
mod tests {
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
            &[
                "spec.validation.openAPIV3Schema.properties[a].items: Required value: must be specified",
            ],
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
        let mut wrong =
            definition(json!({"type": "object", "properties": {"spec": {"type": "object",
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
}
