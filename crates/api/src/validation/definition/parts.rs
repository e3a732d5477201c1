//! Subresources, printer columns and selectable fields.

use serde_json::Value;

use crate::validation::field::Field;

const NO_PATH: &str = "must be a simple json path starting with .";
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] =
    ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

pub(super) fn subresources(subresources: &Field<'_>) {
    let scale = subresources.at("scale");
    if !scale.is_some() {
        return;
    }
    for (field, below) in [
        ("specReplicasPath", &[".spec."][..]),
        ("statusReplicasPath", &[".status."]),
        ("labelSelectorPath", &[".spec.", ".status."]),
    ] {
        let path = scale.at(field);
        if path.is_empty() {
            if field != "labelSelectorPath" {
                path.required("");
            }
            continue;
        }
        if !path.text().starts_with('.') {
            path.invalid_text(NO_PATH);
        } else if !below.iter().any(|prefix| path.text().starts_with(prefix)) {
            let places: Vec<&str> =
                below.iter().map(|prefix| prefix.trim_end_matches('.')).collect();
            let either = if places.len() > 1 { "either " } else { "" };
            let places = places.join(" or ");
            path.invalid_text(format!("should be a json path under {either}{places}"));
        }
    }
}

pub(super) fn column(column: &Field<'_>) {
    column.at("name").must_be_given();
    let of = |known: &[&str]| format!("must be one of {}", known.join(","));
    match column.at("type").text() {
        "" => column.at("type").required(of(&COLUMN_TYPES)),
        known if COLUMN_TYPES.contains(&known) => {}
        _ => column.at("type").invalid_text(of(&COLUMN_TYPES)),
    }
    let format = column.at("format");
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format.text()) {
        format.invalid_text(of(&COLUMN_FORMATS));
    }
    // A path that cannot be read makes a column without cells, as upstream.
    let given = column.at("jsonPath");
    let path = column.at("JSONPath").showing(given.value);
    match path.text() {
        "" => path.required(""),
        text if text.starts_with('.') => {}
        _ => path.invalid_text(NO_PATH),
    }
}

/// A field to select by is a single value that the schema names. Is there one?
pub(super) fn selectable(field: &Field<'_>, schema: &Field<'_>) -> bool {
    let path = field.at("jsonPath");
    if path.is_empty() {
        path.required("");
        return false;
    }
    let found = match at_path(path.text(), schema.value) {
        Ok(found) => found,
        Err(why) => {
            path.invalid_text(format!("is an invalid path: {why}"));
            return false;
        }
    };
    if path.text() == ".metadata" || path.text().starts_with(".metadata.") {
        path.invalid_text("must not point to fields in metadata");
    }
    if !matches!(found["type"].as_str(), Some("string" | "integer" | "boolean")) {
        path.invalid_text(
            "must point to a field of type string, boolean or integer. Enum string fields and \
             strings with formats are allowed.",
        );
    }
    true
}

/// The schema of the field at a path of names, or why there is none.
fn at_path<'v>(path: &str, schema: &'v Value) -> Result<&'v Value, String> {
    const NOWHERE: &str = "does not refer to a valid field";
    let Some(names) = path.strip_prefix('.') else {
        return Err(match path.starts_with('[') {
            true => "array notation is not allowed".to_owned(),
            false => {
                let first = path.split(['.', '[', ']']).next().unwrap_or_default();
                let shown = if first.is_empty() { "]" } else { first };
                format!("expected [ or . but got: {shown}")
            }
        });
    };
    let mut here = schema;
    for name in names.split('.') {
        let (name, rest) = name.split_at(name.find(['[', ']']).unwrap_or(name.len()));
        if name.is_empty() && rest.is_empty() {
            return Err("unexpected end of JSON path".to_owned());
        }
        let next = match &here["properties"] {
            Value::Object(fields) => fields.get(name),
            _ => here.get("additionalProperties").filter(|values| values.is_object()),
        };
        here = next.ok_or(NOWHERE)?;
        match rest.chars().next() {
            None => {}
            Some('[') => return Err("array notation is not allowed".to_owned()),
            Some(other) => return Err(format!("expected [ or . but got: {other}")),
        }
    }
    Ok(here)
}
