//! Values in the words of Go, which upstream's messages are made of.

use serde_json::Value;

/// What Go's JSON decoder calls the type of a value.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// As `%v` prints a value: `map[spec:map[replicas:1]]`.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" "))
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}:{}", plain(value)));
            format!("map[{}]", sorted(fields).join(" "))
        }
        other => other.to_string(),
    }
}

/// As `%#v` prints a value: `map[string]interface {}{"a":1}`.
pub fn syntax(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name:?}:{}", syntax(value)));
            format!("map[string]interface {{}}{{{}}}", sorted(fields).join(", "))
        }
        other => other.to_string(),
    }
}

fn sorted(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<String> = texts.collect();
    texts.sort_unstable();
    texts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_printed_with_their_keys_in_order() {
        let value = json!({"b": [1, null, "x"], "a": {"c": true}});
        assert_eq!(plain(&value), "map[a:map[c:true] b:[1 <nil> x]]");
        let shown = r#"map[string]interface {}{"a":map[string]interface {}{"c":true}, "b":[]interface {}{1, null, "x"}}"#;
        assert_eq!(syntax(&value), shown);
        assert_eq!(type_name(&value["b"]), "array");
    }
}
