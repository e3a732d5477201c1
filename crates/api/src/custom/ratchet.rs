//! Ratcheting: an object that was stored under an older schema may be updated although it does not
//! fit the present one, as long as what does not fit is left as it is.

use serde_json::Value;

use super::Schema;
use crate::validation::{ErrorKind, FieldError};

impl Schema {
    /// What is wrong with an object that replaces another, but for what has not been touched.
    pub fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut errors = self.validate(new);
        errors.retain(|error| !self.is_untouched(&place(error), new, old));
        errors
    }

    /// Is the value at this place, or one that it is in, as it was?
    fn is_untouched(&self, path: &str, new: &Value, old: &Value) -> bool {
        let (mut schema, mut new, mut old) = (self, new, old);
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            if new == old {
                return true;
            }
            match schema.part(step, new, old) {
                Some(part) => (schema, new, old) = part,
                None => return false,
            }
        }
        new == old
    }

    /// What a step leads to, and what was in its place. As upstream, nothing was in the place of an
    /// item, unless the list is a map: then the item with the same keys.
    fn part<'v>(
        &'v self,
        step: &str,
        new: &'v Value,
        old: &'v Value,
    ) -> Option<(&'v Schema, &'v Value, &'v Value)> {
        let name = step.strip_suffix(']').unwrap_or(step);
        let Value::Array(items) = new else {
            // A key with a dot in it: such a place is not found, and nothing is let pass.
            return Some((self.field(name)?, new.get(name)?, old.get(name)?));
        };
        let item = items.get(name.parse::<usize>().ok()?)?;
        if self.list_type.as_deref() != Some("map") {
            return None;
        }
        let same =
            |old: &&Value| self.list_map_keys.iter().all(|key| old.get(key) == item.get(key));
        Some((self.items.as_deref()?, item, old.as_array()?.iter().find(same)?))
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
                "map": {"type": "array", "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["key"], "items": {"type": "object", "properties": {
                        "key": {"type": "string"}, "n": {"type": "integer", "minimum": 1}}}},
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
    }

    #[test]
    fn a_list_that_changes_is_new_as_a_whole() {
        let list = |items: Value| json!({"spec": {"must": 1, "list": items}});
        let beside = json!({"spec": {"must": 1, "list": [1, 0]}, "other": "y"});
        check(list(json!([1, 0])), beside, &[]);
        check(list(json!([1, 0])), list(json!([2, 0])), &["spec.list[1]"]);
        check(list(json!([0])), list(json!([0, 1])), &["spec.list[0]"]);
    }

    #[test]
    fn an_item_of_a_list_with_keys_is_the_one_with_the_same_keys() {
        let list = |items: Value| json!({"spec": {"must": 1, "map": items}});
        let item = |key: &str, n: i64| json!({"key": key, "n": n});
        let old = list(json!([item("a", 0), item("b", 1)]));
        check(old.clone(), list(json!([item("c", 1), item("a", 0)])), &[]);
        check(old, list(json!([item("b", 0), item("c", 0)])), &["spec.map[0].n", "spec.map[1].n"]);
    }

    #[test]
    fn a_missing_field_is_let_pass_while_nothing_beside_it_changes() {
        let old = json!({"spec": {"b": "x"}});
        check(old.clone(), json!({"spec": {"b": "x"}, "other": "y"}), &[]);
        check(old, json!({"spec": {"b": "y"}}), &["spec.must"]);
    }
}
