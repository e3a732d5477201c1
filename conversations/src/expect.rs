//! Is a value as it was expected? The rules are in the crate's README.

use regex_lite::Regex;
use serde_json::{Map, Value};

use crate::vars::Vars;

/// Compares; what `<keep name>` finds goes to `vars`. The error says where it differs and how.
pub fn matches(found: Option<&Value>, wanted: &Value, vars: &mut Vars) -> Result<(), String> {
    at("", found, wanted, vars)
}

fn at(path: &str, found: Option<&Value>, wanted: &Value, vars: &mut Vars) -> Result<(), String> {
    if let Value::String(text) = wanted
        && let Some((word, rest)) = special(text)
    {
        return judge(path, found, word, rest, vars);
    }
    match (found, wanted) {
        (None | Some(Value::Null), Value::Null) => Ok(()),
        (_, Value::Object(fields)) if fields.keys().any(|key| key.starts_with('$')) => {
            fields.iter().try_for_each(|(word, operand)| by_word(path, found, word, operand, vars))
        }
        (Some(Value::Object(found)), Value::Object(wanted)) => object(path, found, wanted, vars),
        (Some(Value::Array(found)), Value::Array(wanted)) => {
            if found.len() != wanted.len() {
                let (found, wanted) = (Value::from(found.clone()), Value::from(wanted.clone()));
                return Err(differs(path, Some(&found), &wanted));
            }
            let mut pairs = found.iter().zip(wanted).enumerate();
            pairs.try_for_each(|(index, (found, wanted))| {
                at(&format!("{path}/{index}"), Some(found), wanted, vars)
            })
        }
        (Some(found), wanted) if same(found, wanted) => Ok(()),
        (found, wanted) => Err(differs(path, found, wanted)),
    }
}

/// Numbers are the same by value, whatever their notation.
fn same(found: &Value, wanted: &Value) -> bool {
    found == wanted || found.as_f64().is_some_and(|number| wanted.as_f64() == Some(number))
}

fn object(
    path: &str,
    found: &Map<String, Value>,
    wanted: &Map<String, Value>,
    vars: &mut Vars,
) -> Result<(), String> {
    wanted
        .iter()
        .try_for_each(|(key, wanted)| at(&format!("{path}/{key}"), found.get(key), wanted, vars))
}

/// `<word rest>`, where the word is one of ours.
fn special(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('<')?.strip_suffix('>')?;
    let (word, rest) = inner.split_once(' ').unwrap_or((inner, ""));
    matches!(word, "any" | "absent" | "keep" | "match" | "has" | "not").then_some((word, rest))
}

fn judge(
    path: &str,
    found: Option<&Value>,
    word: &str,
    rest: &str,
    vars: &mut Vars,
) -> Result<(), String> {
    let text = || match found {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let there = found.is_some_and(|value| !value.is_null());
    let well = match word {
        "absent" => !there,
        "match" => {
            let regex = Regex::new(&format!("^(?:{rest})$")).map_err(|error| error.to_string())?;
            there && regex.is_match(&text())
        }
        "has" => there && text().contains(rest),
        "not" => text() != rest,
        _ => there,
    };
    if well && word == "keep" {
        vars.set(rest, found.cloned().unwrap_or_default());
    }
    if well { Ok(()) } else { Err(differs(path, found, &format!("<{word} {rest}>").into())) }
}

/// `$includes`, `$excludes`, `$only` and `$size`.
fn by_word(
    path: &str,
    found: Option<&Value>,
    word: &str,
    operand: &Value,
    vars: &mut Vars,
) -> Result<(), String> {
    let well = match (word, found, operand) {
        ("$includes", Some(Value::Array(found)), Value::Array(wanted)) => wanted
            .iter()
            .all(|wanted| found.iter().any(|found| at(path, Some(found), wanted, vars).is_ok())),
        ("$excludes", Some(Value::Array(found)), Value::Array(unwanted)) => {
            !unwanted.iter().any(|unwanted| {
                found.iter().any(|found| at(path, Some(found), unwanted, vars).is_ok())
            })
        }
        ("$only", Some(Value::Object(found)), Value::Object(wanted)) => {
            if let Some(more) = found.keys().find(|key| !wanted.contains_key(*key)) {
                return Err(format!("{path}: has {more:?}, and only these may be: {operand}"));
            }
            return object(path, found, wanted, vars);
        }
        ("$size", Some(Value::Array(found)), size) => size.as_u64() == Some(found.len() as u64),
        ("$size", Some(Value::Object(found)), size) => size.as_u64() == Some(found.len() as u64),
        _ => false,
    };
    if well { Ok(()) } else { Err(differs(path, found, &serde_json::json!({ word: operand }))) }
}

fn differs(path: &str, found: Option<&Value>, wanted: &Value) -> String {
    let found = found.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let path = if path.is_empty() { "/" } else { path };
    format!("{path}: wanted {wanted}\n  found {found}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(found: Value, wanted: Value, well: bool) {
        let result = matches(Some(&found), &wanted, &mut Vars::default());
        assert_eq!(result.is_ok(), well, "{found} against {wanted}: {result:?}");
    }

    #[test]
    fn objects_are_subsets_and_lists_are_whole() {
        check(json!({"a": 1, "b": 2}), json!({"a": 1}), true);
        check(json!({"a": 1}), json!({"a": 1, "b": 2}), false);
        check(json!([1, 2]), json!([1]), false);
        check(json!([{"a": 1, "b": 2}]), json!([{"a": 1}]), true);
        check(json!({"a": 1}), json!({"b": null}), true);
        check(json!(1), json!(1.0), true);
        check(json!("1"), json!(1), false);
    }

    #[test]
    fn words_in_angles_judge_a_value() {
        check(json!({"a": 1}), json!({"a": "<any>", "b": "<absent>"}), true);
        check(json!({"a": null}), json!({"a": "<any>"}), false);
        check(json!("abc"), json!("<match a.c>"), true);
        check(json!("abcd"), json!("<match a.c>"), false);
        check(json!("a b c"), json!("<has b c>"), true);
        check(json!("a"), json!("<not b>"), true);
        check(json!("b"), json!("<not b>"), false);
        check(json!("<none>"), json!("<none>"), true);
    }

    #[test]
    fn words_with_a_dollar_judge_lists_and_keys() {
        check(json!([1, 2, 3]), json!({"$includes": [3, 1]}), true);
        check(json!([1, 2, 3]), json!({"$includes": [4]}), false);
        check(json!([1, 2]), json!({"$excludes": [2]}), false);
        check(json!([1, 2]), json!({"$excludes": [3], "$size": 2}), true);
        check(json!({"a": {"x": 1}, "b": 2}), json!({"$only": {"a": {}, "b": 2}}), true);
        check(json!({"a": 1, "b": 2}), json!({"$only": {"a": 1}}), false);
    }

    #[test]
    fn what_is_kept_has_its_name() {
        let mut vars = Vars::default();
        matches(Some(&json!({"a": [7]})), &json!({"a": ["<keep n>"]}), &mut vars).unwrap();
        assert_eq!(vars.get("n").unwrap(), &json!(7));
    }
}
