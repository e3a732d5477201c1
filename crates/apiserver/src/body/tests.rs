use serde_json::json;

use super::*;

/// The value, and whether YAML's reader was needed for it.
#[track_caller]
fn check(text: &str, expected: Value, plain: bool) {
    assert_eq!(yaml(text.as_bytes()).map(|yaml| yaml.value).ok(), Some(expected), "{text}");
    assert_eq!(plain_json(text.as_bytes()).is_some(), plain, "{text}");
}

#[test]
fn json_is_read_as_yaml_would_be_and_what_is_odd_is_left_to_yaml() {
    let text = r#"{"a": [1, -2, 2.5, true, null, "x"], "b": {"c": {}}, "d": null}"#;
    check(text, json!({"a": [1, -2, 2.5, true, null, "x"], "b": {"c": {}}, "d": null}), true);
    check("{\"a\": 1, \"a\": 2}", json!({"a": 2}), false);
    check("{a: 1}", json!({"a": 1}), false);
    check("a: 1", json!({"a": 1}), false);
    assert!(yaml(b"{\"a\": 1, \"a\": 2}").unwrap().repeated.is_some());
    assert!(yaml(b"{\"a\": ").is_err());
}
