//! Which fields take one of some values, and what the values mean: OpenAPI documents say so, as
//! upstream's server does (the files that k8s-openapi is made from leave it out).
//!
//! For readers only: what may be written is up to validation.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

/// Blocks of fields and the values they take.
const BLOCKS: &str = include_str!("enums.txt");

/// A field that takes one of some values, and where in it they stand.
struct Use {
    field: &'static str,
    place: Place,
    values: &'static [(&'static str, &'static str)],
}

enum Place {
    Itself,
    Items,
    Values,
}

/// By definition.
static USES: LazyLock<HashMap<&'static str, Vec<Use>>> = LazyLock::new(read);

fn read() -> HashMap<&'static str, Vec<Use>> {
    let mut uses: HashMap<_, Vec<Use>> = HashMap::new();
    let mut lines = BLOCKS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut next = lines.next();
    while next.is_some() {
        let mut fields = Vec::new();
        while let Some(named) = next.and_then(|line| line.strip_prefix("> ")) {
            fields.extend(named.split_once(' '));
            next = lines.next();
        }
        let mut values = Vec::new();
        while let Some(line) = next.filter(|line| !line.starts_with("> ")) {
            values.extend(line.split_once('\t'));
            next = lines.next();
        }
        // Read once, and there while the program runs.
        let values: &'static [_] = values.leak();
        for (definition, field) in fields {
            uses.entry(definition).or_default().push(used(field, values));
        }
    }
    uses
}

fn used(field: &'static str, values: &'static [(&'static str, &'static str)]) -> Use {
    let ends = [("[]", Place::Items), ("{}", Place::Values)];
    for (end, place) in ends {
        if let Some(field) = field.strip_suffix(end) {
            return Use { field, place, values };
        }
    }
    Use { field, place: Place::Itself, values }
}

/// Adds the values of a definition's fields.
pub(super) fn mark(definition: &str, schema: &mut Value) {
    for used in USES.get(definition).into_iter().flatten() {
        let Some(field) = schema["properties"].get_mut(used.field) else { continue };
        let values: Vec<&str> = used.values.iter().map(|(value, _)| *value).collect();
        match used.place {
            Place::Itself => {
                let about = field["description"].as_str().unwrap_or_default();
                field["description"] = format!("{about}{}", meanings(used.values)).into();
                field["enum"] = json!(values);
            }
            Place::Items => field["items"]["enum"] = json!(values),
            Place::Values => field["additionalProperties"]["enum"] = json!(values),
        }
    }
}

fn meanings(values: &[(&str, &str)]) -> String {
    let lines = values.iter().map(|(value, text)| format!("\n - `\"{value}\"` {text}"));
    format!("\n\nPossible enum values:{}", lines.collect::<String>()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::openapi::{kinds, openapi_v3};
    use super::*;

    #[test]
    fn every_use_is_a_field_of_a_served_definition_or_of_none() {
        let schemas = openapi_v3(&kinds());
        for (definition, uses) in USES.iter() {
            let Some(schema) = schemas.get(definition) else { continue };
            for used in uses {
                let field = &schema["properties"][used.field];
                let taking = match used.place {
                    Place::Itself => field,
                    Place::Items => &field["items"],
                    Place::Values => &field["additionalProperties"],
                };
                assert_eq!(taking["type"], "string", "{definition} {}", used.field);
                assert!(taking["enum"].is_array(), "{definition} {}", used.field);
            }
        }
    }

    #[test]
    fn values_are_named_and_told_about() {
        let schemas = openapi_v3(&kinds());
        let field =
            |definition: &str, field: &str| schemas[definition]["properties"][field].clone();
        let strategy = field("io.k8s.api.apps.v1.DeploymentStrategy", "type");
        assert_eq!(strategy["enum"], json!(["Recreate", "RollingUpdate"]));
        let about = strategy["description"].as_str().unwrap();
        let meanings = about.split_once("\n\nPossible enum values:\n").unwrap().1;
        let first = meanings.lines().next().unwrap();
        assert_eq!(first, " - `\"Recreate\"` Kill all existing pods before creating new ones.");
        let modes = field("io.k8s.api.core.v1.PersistentVolumeSpec", "accessModes");
        assert_eq!(modes["items"]["enum"][0], "ReadOnlyMany");
        assert!(!modes["description"].as_str().unwrap().contains("Possible enum"));
    }
}
