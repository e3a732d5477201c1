//! Subresources, printer columns and selectable fields.

use crate::custom::JsonPath;
use crate::validation::field::Field;

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
        ("labelSelectorPath", &[".status.", ".spec."]),
    ] {
        let path = scale.at(field);
        if path.is_empty() {
            if field != "labelSelectorPath" {
                path.required("");
            }
            continue;
        }
        let names = path.text().parse::<JsonPath>();
        if names.is_ok_and(|path| path.names().is_some()) {
            if !below.iter().any(|prefix| path.text().starts_with(prefix)) {
                let places = below.iter().map(|prefix| prefix.trim_end_matches('.'));
                let places: Vec<&str> = places.collect();
                path.invalid_text(format!("should be a json path under {}", places.join(" or ")));
            }
        } else {
            path.invalid_text("must be a simple json path starting with .");
        }
    }
}

pub(super) fn column(column: &Field<'_>) {
    column.at("name").must_be_given();
    column.at("type").one_of(&COLUMN_TYPES);
    if !column.at("format").is_empty() {
        column.at("format").one_of(&COLUMN_FORMATS);
    }
    let path = column.at("jsonPath");
    match path.text() {
        "" => path.required(""),
        text if !text.starts_with('.') => {
            path.invalid_text("must be a simple json path starting with .");
        }
        text => {
            if let Err(error) = text.parse::<JsonPath>() {
                path.invalid_text(error.to_string());
            }
        }
    }
}

/// A field to select by is a single value that the schema names.
pub(super) fn selectable(field: &Field<'_>, schema: &Field<'_>) {
    let path = field.at("jsonPath");
    if path.is_empty() {
        return path.required("");
    }
    let parsed = path.text().parse::<JsonPath>();
    let Some(names) = parsed.as_ref().ok().and_then(JsonPath::names) else {
        return path.invalid_text("is an invalid path: it is not made of field names");
    };
    if names.first() == Some(&"metadata") {
        return path.invalid_text("must not point to fields in metadata");
    }
    let found =
        names.iter().try_fold(schema.value, |node, name| node.get("properties")?.get(*name));
    match found.map(|node| node["type"].as_str().unwrap_or_default()) {
        Some("string" | "integer" | "boolean") => {}
        Some(_) => path.invalid_text(
            "must point to a field of type string, boolean or integer. Enum string fields and \
             strings with formats are allowed.",
        ),
        None => path.invalid_text("is an invalid path: does not refer to a valid field"),
    }
}
