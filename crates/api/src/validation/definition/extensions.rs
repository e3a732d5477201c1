//! What a node of a schema may say, one by one.

use std::collections::BTreeSet;

use regex_lite::Regex;

use crate::validation::field::Field;

/// JSON schema has these; custom resources do not.
const UNSUPPORTED: [(&str, &str); 7] = [
    ("id", "id is not supported"),
    ("$schema", "$schema is not supported"),
    ("$ref", "$ref is not supported"),
    ("patternProperties", "patternProperties is not supported"),
    ("additionalItems", "additionalItems is not supported"),
    ("definitions", "definitions is not supported"),
    ("dependencies", "dependencies is not supported"),
];
const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

pub(super) fn check(node: &Field<'_>) {
    for (field, why) in UNSUPPORTED {
        if !node.at(field).is_empty() {
            node.at(field).forbidden(why);
        }
    }
    match node.at("type").text() {
        "" => {}
        "null" => {
            node.at("type").forbidden("type cannot be set to null, use nullable as an alternative");
        }
        _ => node.at("type").one_of(&TYPES),
    }
    if node.at("items").value.is_array() {
        node.at("items").forbidden("items must be a schema object and not an array");
    }
    if node.at("uniqueItems").flag() {
        node.at("uniqueItems").forbidden(
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        );
    }
    let additional = node.at("additionalProperties");
    let both =
        additional.is_some() && *additional.value != true && !node.at("properties").is_empty();
    if both {
        additional.forbidden("additionalProperties and properties are mutual exclusive");
    }
    pattern(&node.at("pattern"));
    preserving(node);
    lists(node);
    maps(node);
}

pub(super) fn pattern(pattern: &Field<'_>) {
    if let Err(error) = Regex::new(pattern.text()) {
        pattern.invalid(format!("must be a valid regular expression, but isn't: {error}"));
    }
}

fn preserving(node: &Field<'_>) {
    let preserve = node.at("x-kubernetes-preserve-unknown-fields");
    let int_or_string = node.at("x-kubernetes-int-or-string").flag();
    if *preserve.value == false {
        preserve.invalid("must be true or undefined");
    }
    if int_or_string && preserve.flag() {
        preserve.invalid("must be false if x-kubernetes-int-or-string is true");
    }
    let embedded = node.at("x-kubernetes-embedded-resource");
    if int_or_string && embedded.flag() {
        embedded.invalid("must be false if x-kubernetes-int-or-string is true");
    }
    if embedded.flag() && node.at("additionalProperties").is_some() {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        node.at("additionalProperties").forbidden(why);
    }
    if embedded.flag() && !preserve.flag() && node.at("properties").is_empty() {
        node.at("properties").required(
            "must not be empty if x-kubernetes-embedded-resource is true without \
             x-kubernetes-preserve-unknown-fields",
        );
    }
}

fn lists(node: &Field<'_>) {
    let (list, keys) = (node.at("x-kubernetes-list-type"), node.at("x-kubernetes-list-map-keys"));
    if list.is_some() && node.at("type").text() != "array" {
        let why = "must be array if x-kubernetes-list-type is specified";
        match node.at("type").is_empty() {
            true => node.at("type").required(why),
            false => node.at("type").invalid(why),
        }
    }
    match list.text() {
        "" | "atomic" | "set" | "map" => {}
        _ => list.unsupported(&["atomic", "set", "map"]),
    }
    if list.text() == "set" {
        let items = node.at("items");
        let inner = match items.at("type").text() {
            "array" if !items.at("x-kubernetes-list-type").is_empty() => "x-kubernetes-list-type",
            "object" => "x-kubernetes-map-type",
            _ => "",
        };
        if !inner.is_empty() && items.at(inner).text() != "atomic" {
            // As upstream, which shows the type of the list in both cases.
            let shown = &items.value["x-kubernetes-list-type"];
            items.at(inner).invalid_as_text(
                shown.to_string(),
                "must be atomic as item of a list with x-kubernetes-list-type=set",
            );
        }
    }
    if list.text() != "map" {
        if !keys.is_empty() {
            list.required("must be map if x-kubernetes-list-map-keys is non-empty");
        }
        return;
    }
    if keys.is_empty() {
        keys.required("must not be empty if x-kubernetes-list-type is map");
    }
    let items = node.at("items");
    if !items.is_some() {
        items.required("must have a schema if x-kubernetes-list-type is map");
        return;
    }
    if items.at("type").text() != "object" {
        items
            .at("type")
            .invalid_text("must be object if parent array's x-kubernetes-list-type is map");
    }
    let required: Vec<&str> = items.at("required").items().map(|name| name.text()).collect();
    let mut seen = BTreeSet::new();
    for key in keys.items() {
        let property = items.at("properties").key(key.text());
        if !property.is_some() {
            keys.invalid("entries must all be names of item properties");
        }
        if !seen.insert(key.text()) {
            keys.invalid("must not contain duplicate entries");
        }
        if !property.is_some() {
            continue;
        }
        if !matches!(property.at("type").text(), "string" | "integer" | "number" | "boolean" | "") {
            let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            property.at("type").invalid_text(why);
        }
        if !required.contains(&key.text()) && !property.at("default").is_some() {
            property.at("default").required(
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a \
                 required property",
            );
        }
    }
}

fn maps(node: &Field<'_>) {
    let map = node.at("x-kubernetes-map-type");
    if !map.is_some() {
        return;
    }
    if node.at("type").text() != "object" {
        node.at("type").invalid_text("must be object if x-kubernetes-map-type is specified");
    }
    if !matches!(map.text(), "atomic" | "granular") {
        map.unsupported(&["atomic", "granular"]);
    }
}
