//! Ratcheting: an object that was stored under an older schema may be updated although it does not
//! fit the present one, as long as what does not fit is left as it is.

use serde_json::Value;

use super::Schema;
use crate::validation::{ErrorKind, FieldError};

impl Schema {
    /// What is wrong with an object that replaces another, but for what was wrong with it already
    /// and has not been touched.
    pub fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let errors = self.validate(new);
        if errors.is_empty() {
            return errors;
        }
        let before = self.validate(old);
        let untouched =
            |error: &FieldError| before.contains(error) && same_at(&place(error), new, old);
        errors.into_iter().filter(|error| !untouched(error)).collect()
    }
}

/// What must be as it was: the value itself, or what a required field is missing in.
fn place(error: &FieldError) -> String {
    let path = match error.path.as_str() {
        // Upstream's way to speak of alternatives: the path is in the text, in quotes.
        "<nil>" => error.detail.split('"').nth(1).unwrap_or_default(),
        path => path,
    };
    match error.kind {
        ErrorKind::Required => path.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned(),
        _ => path.to_owned(),
    }
}

fn same_at(path: &str, new: &Value, old: &Value) -> bool {
    match (at(path, new), at(path, old)) {
        (Some(new), Some(old)) => new == old,
        // A key with a dot in it: such a place is not found, and nothing is let pass.
        _ => false,
    }
}

fn at<'v>(path: &str, value: &'v Value) -> Option<&'v Value> {
    let mut here = value;
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        here = match step.strip_suffix(']') {
            Some(index) => here.get(index.parse::<usize>().ok()?)?,
            None => here.get(step)?,
        };
    }
    Some(here)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(old: Value, new: Value, expected: &[&str]) {
        let schema = Schema::read(&json!({"type": "object", "properties": {"spec": {
            "type": "object", "required": ["must"], "properties": {
                "a": {"type": "string", "maxLength": 2}, "b": {"type": "string"},
                "list": {"type": "array", "items": {"type": "integer", "minimum": 1}},
        }}, "other": {"type": "string"}}}))
        .unwrap();
        let errors = schema.validate_update(&new, &old);
        let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(paths, expected);
    }

    #[test]
    fn what_was_wrong_and_is_untouched_is_let_pass() {
        let spec = |a: &str, b: &str| json!({"spec": {"must": 1, "a": a, "b": b}});
        check(spec("long", "x"), spec("long", "y"), &[]);
        check(spec("long", "x"), spec("longer", "x"), &["spec.a"]);
        let list = |first: i64| json!({"spec": {"must": 1, "list": [first, 0]}});
        check(list(1), list(2), &[]);
        check(list(1), list(0), &["spec.list[0]"]);
    }

    #[test]
    fn a_missing_field_is_let_pass_while_nothing_beside_it_changes() {
        let old = json!({"spec": {"b": "x"}});
        check(old.clone(), json!({"spec": {"b": "x"}, "other": "y"}), &[]);
        check(old, json!({"spec": {"b": "y"}}), &["spec.must"]);
    }
}
