//! Is a schema structural: does it say of every field, outside of anyOf and its kin, what it is?

use serde_json::{Value, json};

use super::{extensions, rules};
use crate::custom::Schema;
use crate::validation::field::Field;

/// Deeper schemas are refused; upstream stops at its decoder.
const DEPTH_MAX: usize = 64;

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

pub(super) fn schema(root: &Field<'_>) {
    if !root.is_some() {
        return;
    }
    let before = root.error_count();
    node(root, Level::Root, 0);
    match Schema::read(root.value) {
        Ok(schema) => {
            check_defaults(root, &schema);
            // As upstream: what rules say of a schema that is wrong helps nobody.
            if root.error_count() == before {
                rules::check(root, &schema);
            }
        }
        Err(_) if root.error_count() > before => {}
        Err(error) => root.invalid_as("", format!("is no schema: {error}")),
    }
}

fn node(node: &Field<'_>, level: Level, depth: usize) {
    if depth > DEPTH_MAX {
        return node.forbidden("is nested too deep");
    }
    extensions::check(node);
    kind(node, level);
    for property in node.at("properties").entries() {
        self::node(&property.1, Level::Field, depth + 1);
    }
    let (items, additional) = (node.at("items"), node.at("additionalProperties"));
    if items.value.is_object() {
        self::node(&items, Level::Item, depth + 1);
    } else if items.is_some() {
        // A list of schemas is refused as such.
    } else if node.at("type").text() == "array" {
        items.required("must be specified");
    }
    if additional.is_some() {
        if level == Level::Root {
            additional.forbidden("must not be used at the root");
        }
        if additional.value.is_object() {
            self::node(&additional, Level::Field, depth + 1);
        }
    }
    alternatives(node, depth);
    if level == Level::Root {
        for name in ["kind", "apiVersion"] {
            let field = node.at("properties").key(name);
            if field.is_some() && field.at("type").text() != "string" {
                field.at("type").invalid_text("must be string");
            }
        }
        metadata(&node.at("properties").key("metadata"));
    }
}

fn kind(node: &Field<'_>, level: Level) {
    const EMBEDDED: &str = "must be object if x-kubernetes-embedded-resource is true";
    let kind = node.at("type");
    let free = node.at("x-kubernetes-int-or-string").flag()
        || node.at("x-kubernetes-preserve-unknown-fields").flag();
    match (kind.text(), level) {
        ("object", _) => {}
        ("", _) if node.at("x-kubernetes-embedded-resource").flag() => kind.required(EMBEDDED),
        (_, _) if node.at("x-kubernetes-embedded-resource").flag() => kind.invalid(EMBEDDED),
        ("", _) if free => {}
        ("", Level::Root) => kind.required("must not be empty at the root"),
        ("", Level::Item) => kind.required("must not be empty for specified array items"),
        ("", Level::Field) => kind.required("must not be empty for specified object fields"),
        (_, Level::Root) => kind.invalid("must be object at the root"),
        _ => {}
    }
}

/// The root's metadata may only be restricted in its names.
fn metadata(metadata: &Field<'_>) {
    if !metadata.is_some() {
        return;
    }
    if metadata.at("type").text() != "object" {
        metadata.at("type").invalid_text("must be object");
    }
    if metadata.at("default").is_some() {
        metadata.at("default").forbidden("must not be set in top-level metadata");
    }
    let mut fields = metadata.at("properties").entries();
    let other = fields.any(|(name, _)| !matches!(name, "name" | "generateName"));
    if other || !metadata.at("x-kubernetes-validations").is_empty() {
        metadata.forbidden(
            "must not specify anything other than name and generateName, but metadata is implicitly \
             specified",
        );
    }
}

/// Below anyOf and its kin only values are judged, nothing is specified.
fn alternatives(node: &Field<'_>, depth: usize) {
    let free = node.at("x-kubernetes-int-or-string").flag();
    for junctor in ["allOf", "anyOf", "oneOf"] {
        let list = node.at(junctor);
        if free && junctor == "anyOf" && is_int_or_string(list.value) {
            continue;
        }
        for (index, alternative) in list.items().enumerate() {
            let first = free && junctor == "allOf" && index == 0;
            nested(&alternative, first, depth + 1);
        }
    }
    if node.at("not").is_some() {
        nested(&node.at("not"), false, depth + 1);
    }
}

fn nested(node: &Field<'_>, int_or_string: bool, depth: usize) {
    if depth > DEPTH_MAX {
        return node.forbidden("is nested too deep");
    }
    for (field, why) in [
        ("type", "must be empty to be structural"),
        ("additionalProperties", "must be undefined to be structural"),
        ("default", "must be undefined to be structural"),
        ("title", "must be empty to be structural"),
        ("description", "must be empty to be structural"),
        ("nullable", "must be false to be structural"),
        ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
        ("x-kubernetes-embedded-resource", "must be false to be structural"),
        ("x-kubernetes-int-or-string", "must be false to be structural"),
        ("x-kubernetes-list-map-keys", "must be empty to be structural"),
        ("x-kubernetes-list-type", "must be undefined to be structural"),
        ("x-kubernetes-map-type", "must be undefined to be structural"),
        ("x-kubernetes-validations", "must be empty to be structural"),
    ] {
        if !node.at(field).is_empty() {
            node.at(field).forbidden(why);
        }
    }
    extensions::pattern(&node.at("pattern"));
    if node.at("properties").key("metadata").is_some() {
        let metadata = node.at("properties").key("metadata");
        metadata.forbidden("must not be specified in a nested context");
    }
    for (_, property) in node.at("properties").entries() {
        nested(&property, false, depth + 1);
    }
    if node.at("items").is_some() {
        nested(&node.at("items"), false, depth + 1);
    }
    let skip = int_or_string && is_int_or_string(node.at("anyOf").value);
    for junctor in ["allOf", "anyOf", "oneOf"] {
        if junctor != "anyOf" || !skip {
            node.at(junctor).items().for_each(|below| nested(&below, false, depth + 1));
        }
    }
    if node.at("not").is_some() {
        nested(&node.at("not"), false, depth + 1);
    }
}

/// The two types that `x-kubernetes-int-or-string` may spell out.
fn is_int_or_string(value: &Value) -> bool {
    *value == json!([{"type": "integer"}, {"type": "string"}])
}

/// A default is itself a value of the schema, and nothing that would be pruned.
fn check_defaults(node: &Field<'_>, schema: &Schema) {
    let default = node.at("default");
    if let Some(value) = schema.default_value() {
        let mut pruned = value.clone();
        let unknown = schema.prune_value(&mut pruned);
        if !unknown.is_empty() {
            default.invalid_as(value.clone(), "must not have unknown fields");
        }
        let mut filled = value.clone();
        schema.fill(&mut filled);
        for error in schema.validate_at("", &filled) {
            default.blame(error);
        }
    }
    for (name, schema) in schema.properties() {
        check_defaults(&node.at("properties").key(name), schema);
    }
    if let Some(schema) = schema.items() {
        check_defaults(&node.at("items"), schema);
    }
    if let Some(schema) = schema.additional_schema() {
        check_defaults(&node.at("additionalProperties"), schema);
    }
}
