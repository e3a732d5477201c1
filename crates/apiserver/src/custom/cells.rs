//! A custom kind's columns and cells: `additionalPrinterColumns`.

use api::custom::JsonPath;
use serde_json::{Value, json};

use crate::object::{meta, text};
use crate::table::{self, Column, since};

/// How the cells of a row are found.
pub(crate) struct Cells(Vec<(JsonPath, Type)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Whole,
    Number,
    Boolean,
    Date,
}

impl Cells {
    /// The columns of a version, and what stands in them.
    pub(super) fn read(version: &Value) -> (Vec<Column>, Self) {
        let age = json!([{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp",
            "description": table::described("Age")}]);
        // As upstream: where one path cannot be read there are the columns of any kind.
        let is_read = |column: &Value| text(column, "/jsonPath").parse::<JsonPath>().is_ok();
        let given = version["additionalPrinterColumns"].as_array();
        let given = given.filter(|list| !list.is_empty() && list.iter().all(is_read));
        let given = given.or(age.as_array()).map_or(&[][..], Vec::as_slice);
        let mut name = table::name();
        name.description = table::described("Name").into();
        let mut columns = vec![name];
        let mut cells = Vec::new();
        for column in given {
            let Ok(path) = text(column, "/jsonPath").parse() else { continue };
            columns.push(Column {
                name: text(column, "/name").to_owned().into(),
                kind: text(column, "/type").to_owned().into(),
                format: text(column, "/format").to_owned().into(),
                description: description(column).into(),
                priority: column["priority"]
                    .as_u64()
                    .and_then(|p| u8::try_from(p).ok())
                    .unwrap_or(0),
            });
            cells.push((path, Type::read(text(column, "/type"))));
        }
        (columns, Self(cells))
    }

    pub(super) fn of(&self, object: &Value) -> Vec<Value> {
        let mut cells = vec![meta(object, "name").into()];
        cells.extend(self.0.iter().map(|(path, kind)| match path.find(object).first() {
            Some(value) => kind.cell(value),
            None => Value::Null,
        }));
        cells
    }
}

/// A column that nobody describes is what its path is.
fn description(column: &Value) -> String {
    match text(column, "/description") {
        "" => {
            let path = text(column, "/jsonPath");
            format!("Custom resource definition column (in JSONPath format): {path}")
        }
        given => given.to_owned(),
    }
}

impl Type {
    fn read(text: &str) -> Self {
        match text {
            "integer" => Self::Whole,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            _ => Self::Text,
        }
    }

    /// A value of another type is no cell.
    fn cell(self, value: &Value) -> Value {
        match (self, value) {
            (Self::Text, Value::Null) => Value::Null,
            (Self::Text, Value::String(_)) => value.clone(),
            (Self::Text, other) => other.to_string().into(),
            (Self::Whole, Value::Number(number)) => match number.as_f64() {
                Some(float) if number.as_i64().is_none() => json!(float.trunc()),
                _ => value.clone(),
            },
            (Self::Number, Value::Number(_)) | (Self::Boolean, Value::Bool(_)) => value.clone(),
            (Self::Date, Value::String(time)) => match since(time).as_str() {
                "<unknown>" => "<invalid>".into(),
                age => age.into(),
            },
            _ => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_the_paths_lead_to() {
        let version = json!({"additionalPrinterColumns": [
            {"name": "Spec", "type": "string", "jsonPath": ".spec.cron"},
            {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
            {"name": "Labels", "type": "string", "jsonPath": ".spec.labels"},
            {"name": "Missing", "type": "string", "jsonPath": ".status.x"},
            {"name": "Wrong", "type": "integer", "jsonPath": ".spec.cron"},
        ]});
        let (columns, cells) = Cells::read(&version);
        let object = json!({"metadata": {"name": "a"},
            "spec": {"cron": "* *", "replicas": 2, "labels": {"k": "v"}}});
        let expected = json!(["a", "* *", 2, "{\"k\":\"v\"}", null, null]);
        assert_eq!(Value::from(cells.of(&object)), expected);
        assert_eq!(columns.len(), 6);
    }

    #[test]
    fn without_columns_there_is_the_age() {
        let (columns, cells) = Cells::read(&json!({}));
        assert_eq!(columns.len(), 2);
        let object = json!({"metadata": {"name": "a", "creationTimestamp": "soon"}});
        assert_eq!(Value::from(cells.of(&object)), json!(["a", "<invalid>"]));
    }
}
