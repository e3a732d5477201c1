//! Where a custom kind keeps its size.

use api::FieldError;
use api::validation::ErrorKind;
use serde_json::{Map, Value};

use crate::object::text;

/// No size is larger.
const SIZE_MAX: i64 = 2_147_483_647;

/// Names from the object down to a value.
type Path = Vec<String>;

/// The paths of a scale subresource.
pub(crate) struct ScalePaths {
    spec: Path,
    status: Path,
    selector: Option<Path>,
}

impl ScalePaths {
    pub(super) fn read(scale: &Value) -> Option<Self> {
        let path = |field: &str| -> Path {
            let names = text(scale, field).split('.').filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        };
        scale.is_object().then(|| Self {
            spec: path("/specReplicasPath"),
            status: path("/statusReplicasPath"),
            selector: Some(path("/labelSelectorPath")).filter(|path| !path.is_empty()),
        })
    }

    /// Where it says how many are wanted.
    pub(crate) fn spec_path(&self) -> String {
        shown(&self.spec)
    }

    /// What is wrong with the sizes of an object.
    pub(super) fn problems(&self, object: &Value) -> Vec<FieldError> {
        let mut errors: Vec<FieldError> =
            [&self.spec, &self.status].into_iter().filter_map(|path| size(object, path)).collect();
        let selector = self.selector.as_ref().and_then(|path| {
            let found = nested(object, path);
            let why = found.map_or_else(Some, |value| match value {
                Value::Null | Value::String(_) => None,
                other => Some(other_type(path, other, "string")),
            });
            why.map(|why| invalid(path, "".into(), why))
        });
        errors.extend(selector);
        errors
    }

    /// How many are wanted.
    pub(crate) fn wanted(&self, object: &Value) -> Option<i64> {
        at(object, &self.spec).as_i64()
    }

    /// How many there are.
    pub(crate) fn present(&self, object: &Value) -> i64 {
        at(object, &self.status).as_i64().unwrap_or(0)
    }

    /// What they are found by, as a text.
    pub(crate) fn selector<'v>(&self, object: &'v Value) -> &'v str {
        let path = self.selector.as_ref();
        path.and_then(|path| at(object, path).as_str()).unwrap_or("")
    }

    /// Says how many are wanted.
    pub(crate) fn set(&self, object: &mut Value, replicas: Value) {
        let Some((last, way)) = self.spec.split_last() else { return };
        let mut here = object;
        for name in way {
            if !here[name.as_str()].is_object() {
                here[name.as_str()] = Value::Object(Map::new());
            }
            here = &mut here[name.as_str()];
        }
        here[last.as_str()] = replicas;
    }
}

fn shown(path: &[String]) -> String {
    format!(".{}", path.join("."))
}

fn invalid(path: &[String], value: Value, detail: String) -> FieldError {
    FieldError { path: shown(path), kind: ErrorKind::Invalid, value, detail }
}

/// What is wrong with a size.
fn size(object: &Value, path: &[String]) -> Option<FieldError> {
    let value = match nested(object, path) {
        Ok(value) => value,
        Err(why) => return Some(invalid(path, 0.into(), why)),
    };
    let why = match (value, value.as_i64()) {
        (Value::Null, _) => return None,
        (_, Some(0..=SIZE_MAX)) => return None,
        (_, Some(..0)) => "should be a non-negative integer".to_owned(),
        (_, Some(_)) => format!("should be less than or equal to {SIZE_MAX}"),
        (_, None) => return Some(invalid(path, 0.into(), other_type(path, value, "int64"))),
    };
    Some(invalid(path, value.clone(), why))
}

/// The value at a path, null where there is none; or why none can be there, in Go's words.
fn nested<'v>(object: &'v Value, path: &[String]) -> Result<&'v Value, String> {
    let mut here = object;
    for (depth, name) in path.iter().enumerate() {
        match here {
            Value::Object(fields) => here = fields.get(name).unwrap_or(&Value::Null),
            Value::Null if depth > 0 => return Ok(here),
            other => return Err(other_type(&path[..=depth], other, "map[string]interface{}")),
        }
    }
    Ok(here)
}

fn other_type(path: &[String], found: &Value, expected: &str) -> String {
    let (shown_value, of_type) = match found {
        Value::String(text) => (text.clone(), "string"),
        Value::Bool(value) => (value.to_string(), "bool"),
        Value::Number(number) if number.is_i64() => (number.to_string(), "int64"),
        Value::Number(number) => (number.to_string(), "float64"),
        Value::Array(_) => (found.to_string(), "[]interface {}"),
        _ => (found.to_string(), "map[string]interface {}"),
    };
    let path = shown(path);
    format!("{path} accessor error: {shown_value} is of the type {of_type}, expected {expected}")
}

fn at<'v>(object: &'v Value, path: &[String]) -> &'v Value {
    path.iter().fold(object, |value, name| &value[name.as_str()])
}
