//! Is a value one that a schema allows? The texts are those of upstream's validators.

use serde_json::{Number, Value};

use super::Schema;
use super::format;
use crate::validation::{ErrorKind, FieldError};

/// So many errors are found in one object.
const ERRORS_MAX: usize = 100;

impl Schema {
    /// What is wrong with an object.
    pub fn validate(&self, object: &Value) -> Vec<FieldError> {
        self.validate_at("", object)
    }

    /// What is wrong with a value that is at a path.
    pub fn validate_at(&self, path: &str, value: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        self.check(path, value, &mut errors);
        self.check_lists(path, value, &mut errors);
        errors.truncate(ERRORS_MAX);
        errors
    }

    pub(super) fn check(&self, path: &str, value: &Value, errors: &mut Vec<FieldError>) {
        if errors.len() >= ERRORS_MAX || value.is_null() && self.nullable {
            return;
        }
        if !self.is_of_type(value) {
            let expected = match self.int_or_string {
                true => "integer,string",
                false => &self.kind,
            };
            errors.push(mismatch(path, expected, type_name(value)));
            if expected == "integer" && value.is_number() {
                errors.push(no_integer(path, &self.format));
            }
            return;
        }
        self.check_one_of_values(path, value, errors);
        match value {
            Value::Number(number) => self.check_number(path, number, errors),
            Value::String(text) => self.check_text(path, text, errors),
            Value::Array(items) => self.check_items(path, items, errors),
            Value::Object(_) => self.check_fields(path, value, errors),
            Value::Null | Value::Bool(_) => {}
        }
        self.check_composition(path, value, errors);
    }

    fn is_of_type(&self, value: &Value) -> bool {
        if self.int_or_string {
            return value.is_string() || is_integer(value);
        }
        match self.kind.as_str() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => is_integer(value),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            _ => true,
        }
    }

    fn check_one_of_values(&self, path: &str, value: &Value, errors: &mut Vec<FieldError>) {
        let Some(allowed) = &self.one_of_values else { return };
        if allowed.iter().any(|one| equal(one, value)) {
            return;
        }
        let shown = allowed.iter().map(|one| match one {
            Value::String(_) => one.to_string(),
            other => format!("{:?}", other.to_string()),
        });
        let shown: Vec<String> = shown.collect();
        let detail = format!("supported values: {}", shown.join(", "));
        errors.push(error(path, ErrorKind::NotSupported, value.clone(), detail));
    }

    fn check_number(&self, path: &str, number: &Number, errors: &mut Vec<FieldError>) {
        let value = || Value::Number(number.clone());
        let mut invalid = |why: String| {
            errors.push(error(path, ErrorKind::Invalid, value(), in_body(path, &why)));
        };
        if let Some(max) = &self.maximum {
            if self.exclusive_maximum && float(number) >= float(max) {
                invalid(format!("should be less than {max}"));
            } else if float(number) > float(max) {
                invalid(format!("should be less than or equal to {max}"));
            }
        }
        if let Some(min) = &self.minimum {
            if self.exclusive_minimum && float(number) <= float(min) {
                invalid(format!("should be greater than {min}"));
            } else if float(number) < float(min) {
                invalid(format!("should be greater than or equal to {min}"));
            }
        }
        if let Some(factor) = &self.multiple_of
            && (float(number) / float(factor)).fract() != 0.0
        {
            invalid(format!("should be a multiple of {factor}"));
        }
        if !format::fits_number(&self.format, number) {
            errors.push(mismatch(path, &self.format, "number"));
        }
    }

    fn check_text(&self, path: &str, text: &str, errors: &mut Vec<FieldError>) {
        let chars = text.chars().count() as u64;
        if let Some(max) = self.max_length.filter(|max| chars > *max) {
            let detail = format!("may not be more than {max} bytes");
            errors.push(error(path, ErrorKind::TooLong, Value::Null, detail));
        }
        let mut invalid = |why: String| {
            errors.push(error(path, ErrorKind::Invalid, text.into(), in_body(path, &why)));
        };
        if let Some(min) = self.min_length.filter(|min| chars < *min) {
            invalid(format!("should be at least {min} chars long"));
        }
        if let Some(pattern) = &self.pattern
            && pattern.compiled.as_ref().is_ok_and(|regex| !regex.is_match(text))
        {
            invalid(format!("should match '{}'", pattern.text));
        }
        if !format::fits_text(&self.format, text) {
            let why = format!("must be of type {}: {text:?}", self.format);
            errors.push(error(path, ErrorKind::TypeInvalid, text.into(), in_body(path, &why)));
        }
    }

    fn check_items(&self, path: &str, items: &[Value], errors: &mut Vec<FieldError>) {
        let len = items.len() as u64;
        if let Some(max) = self.max_items.filter(|max| len > *max) {
            errors.push(too_many(path, len, max));
        }
        if let Some(min) = self.min_items.filter(|min| len < *min) {
            let why = in_body(path, &format!("should have at least {min} items"));
            errors.push(error(path, ErrorKind::Invalid, len.into(), why));
        }
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = &self.items {
                schema.check(&format!("{path}[{index}]"), item, errors);
            }
        }
    }

    fn check_fields(&self, path: &str, value: &Value, errors: &mut Vec<FieldError>) {
        let Value::Object(fields) = value else { return };
        let len = fields.len() as u64;
        if let Some(max) = self.max_properties.filter(|max| len > *max) {
            errors.push(too_many(path, len, max));
        }
        if let Some(min) = self.min_properties.filter(|min| len < *min) {
            let why = in_body(path, &format!("should have at least {min} properties"));
            errors.push(error(path, ErrorKind::Invalid, len.into(), why));
        }
        for name in self.required.iter().filter(|name| !fields.contains_key(*name)) {
            errors.push(error(&join(path, name), ErrorKind::Required, Value::Null, String::new()));
        }
        for (name, value) in fields {
            if let Some(schema) = self.field(name) {
                schema.check(&join(path, name), value, errors);
            }
        }
    }
}

pub(super) fn error(path: &str, kind: ErrorKind, value: Value, detail: String) -> FieldError {
    let path = if path.is_empty() { "<nil>" } else { path }.to_owned();
    FieldError { path, kind, value, detail }
}

fn mismatch(path: &str, expected: &str, found: &str) -> FieldError {
    let why = in_body(path, &format!("must be of type {expected}: {found:?}"));
    // As upstream, whose value here is the name of the type that was found.
    error(path, ErrorKind::TypeInvalid, found.into(), why)
}

/// As upstream, which says so twice, and the second time of no field.
fn no_integer(path: &str, format: &str) -> FieldError {
    let of_format = match format {
        "" => "(default format)".to_owned(),
        format => format!("with format {format}"),
    };
    let why = format!("Checked value must be of type integer {of_format} in {path}");
    error("", ErrorKind::Invalid, "".into(), why)
}

fn too_many(path: &str, len: u64, max: u64) -> FieldError {
    error(path, ErrorKind::TooMany, len.into(), format!("must have at most {max} items"))
}

fn in_body(path: &str, why: &str) -> String {
    format!("{path} in body {why}")
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// JSON does not tell 1.0 from 1. What is no 64-bit integer is a floating point number, and such a
/// number is an integer as far as it is told from its neighbours.
fn is_integer(value: &Value) -> bool {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    let whole = |number: f64| number.fract() == 0.0 && number.abs() <= LARGEST;
    value.as_i64().is_some() || value.as_f64().is_some_and(whole)
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

fn equal(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().is_some_and(|a| b.as_f64() == Some(a))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: Value, value: Value, expected: &[&str]) {
        let schema = json!({"type": "object", "properties": {"spec": schema}});
        let errors = Schema::read(&schema).unwrap().validate(&json!({"spec": value}));
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn types_are_held_to() {
        check(
            json!({"type": "integer"}),
            json!("x"),
            &[r#"spec: Invalid value: "string": spec in body must be of type integer: "string""#],
        );
        check(json!({"type": "integer"}), json!(1.0), &[]);
        for number in [json!(1.5), json!(1e22), json!(u64::MAX)] {
            check(
                json!({"type": "integer"}),
                number,
                &[
                    r#"spec: Invalid value: "number": spec in body must be of type integer: "number""#,
                    r#"<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec"#,
                ],
            );
        }
        check(json!({"type": "string", "nullable": true}), json!(null), &[]);
        check(json!({"x-kubernetes-int-or-string": true}), json!("80%"), &[]);
        check(
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            &[
                r#"spec: Invalid value: "boolean": spec in body must be of type integer,string: "boolean""#,
            ],
        );
    }

    #[test]
    fn numbers_and_texts_have_bounds() {
        check(
            json!({"type": "integer", "minimum": 1, "maximum": 10}),
            json!(11),
            &["spec: Invalid value: 11: spec in body should be less than or equal to 10"],
        );
        check(
            json!({"type": "integer", "minimum": 1}),
            json!(0),
            &["spec: Invalid value: 0: spec in body should be greater than or equal to 1"],
        );
        check(
            json!({"type": "string", "pattern": "^a+$"}),
            json!("b"),
            &["spec: Invalid value: \"b\": spec in body should match '^a+$'"],
        );
        check(
            json!({"type": "string", "maxLength": 2}),
            json!("abc"),
            &["spec: Too long: may not be more than 2 bytes"],
        );
        check(
            json!({"type": "string", "minLength": 2}),
            json!("a"),
            &["spec: Invalid value: \"a\": spec in body should be at least 2 chars long"],
        );
    }

    #[test]
    fn enums_required_fields_and_sizes_are_held_to() {
        check(
            json!({"type": "string", "enum": ["a", "b"]}),
            json!("c"),
            &[r#"spec: Unsupported value: "c": supported values: "a", "b""#],
        );
        check(
            json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}),
            json!({}),
            &["spec.a: Required value"],
        );
        check(
            json!({"type": "array", "maxItems": 1, "items": {"type": "string"}}),
            json!(["a", 2]),
            &[
                "spec: Too many: 2: must have at most 1 items",
                r#"spec[1]: Invalid value: "integer": spec[1] in body must be of type string: "integer""#,
            ],
        );
    }

    #[test]
    fn formats_are_held_to() {
        check(
            json!({"type": "string", "format": "date-time"}),
            json!("soon"),
            &[r#"spec: Invalid value: "soon": spec in body must be of type date-time: "soon""#],
        );
        check(json!({"type": "string", "format": "date-time"}), json!("2020-01-01T00:00:00Z"), &[]);
        check(json!({"type": "string", "format": "what-ever"}), json!("soon"), &[]);
    }

    #[test]
    fn alternatives_are_counted() {
        let one_of = json!({"type": "object", "properties": {"a": {"type": "integer"},
            "b": {"type": "integer"}}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
        check(one_of.clone(), json!({"a": 1}), &[]);
        check(
            one_of.clone(),
            json!({"a": 1, "b": 1}),
            &[
                r#"<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives"#,
            ],
        );
        check(
            one_of,
            json!({}),
            &[
                r#"<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid"#,
                "spec.a: Required value",
            ],
        );
        check(
            json!({"not": {"enum": ["x"]}, "type": "string"}),
            json!("x"),
            &[r#"<nil>: Invalid value: "": "spec" must not validate the schema (not)"#],
        );
    }

    #[test]
    fn lists_that_are_sets_or_maps_hold_nothing_twice() {
        check(
            json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}),
            json!(["a", "b", "a"]),
            &[r#"spec[2]: Duplicate value: "a""#],
        );
        check(
            json!({"type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["n"],
                "items": {"type": "object", "properties": {"n": {"type": "string"}}}}),
            json!([{"n": "a"}, {"n": "a"}]),
            &[r#"spec[1]: Duplicate value: {"n":"a"}"#],
        );
    }
}
