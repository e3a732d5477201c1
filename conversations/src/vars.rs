//! Names of what was kept, and their use as `${name}`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

/// What a conversation has kept.
#[derive(Clone, Debug, Default)]
pub struct Vars(BTreeMap<String, Value>);

impl Vars {
    /// Keeps a value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    /// The value of this name; `name.field` and `name.0` are inside of it.
    pub fn get(&self, path: &str) -> Result<&Value> {
        let (name, inside) = path.split_once('.').unwrap_or((path, ""));
        let value = self.0.get(name).with_context(|| format!("nothing was kept as {name:?}"))?;
        if inside.is_empty() {
            return Ok(value);
        }
        let pointer = format!("/{}", inside.replace('.', "/"));
        value.pointer(&pointer).with_context(|| format!("{name} has no {inside}: {value}"))
    }

    /// A text with its names replaced.
    pub fn text(&self, text: &str) -> Result<String> {
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else { bail!("no }} in {text:?}") };
            out.push_str(before);
            match self.get(name)? {
                Value::String(value) => out.push_str(value),
                value => out.push_str(&value.to_string()),
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// A value with the names in its texts and keys replaced; a text that is one name alone becomes
    /// the value itself.
    pub fn value(&self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::String(text) => match alone(text) {
                Some(name) => self.get(name)?.clone(),
                None => self.text(text)?.into(),
            },
            Value::Array(items) => {
                items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>>>()?.into()
            }
            Value::Object(fields) => fields
                .iter()
                .map(|(key, value)| Ok((self.text(key)?, self.value(value)?)))
                .collect::<Result<Map<_, _>>>()?
                .into(),
            other => other.clone(),
        })
    }
}

/// The name in a text that is nothing but `${name}`.
fn alone(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    (!name.contains('}')).then_some(name)
}

/// Changes a value by a merge patch (RFC 7386).
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_become_what_was_kept() {
        let mut vars = Vars::default();
        vars.set("n", 3);
        vars.set("s", "a");
        let found = vars.value(&json!({"${s}b": ["${n}", "x${n}${s}", "${s}"]})).unwrap();
        assert_eq!(found, json!({"ab": [3, "x3a", "a"]}));
        vars.set("o", json!({"a": [{"b": 7}]}));
        assert_eq!(vars.value(&json!("${o.a.0.b}")).unwrap(), json!(7));
        assert!(vars.text("${other}").is_err());
        assert!(vars.text("${open").is_err());
    }

    #[test]
    fn a_merge_patch_changes_adds_and_removes() {
        let mut target = json!({"a": 1, "b": {"c": 2}});
        merge(&mut target, &json!({"a": null, "b": {"d": [3]}, "e": {"f": 4}}));
        assert_eq!(target, json!({"b": {"c": 2, "d": [3]}, "e": {"f": 4}}));
    }
}
