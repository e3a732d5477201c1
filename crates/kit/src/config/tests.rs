use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Config {
    listen: SocketAddr,
    products_url: String,
    #[serde(default = "ten")]
    quantity_max: u32,
    #[serde(default)]
    payments: Payments,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    level: Level,
    note: Option<String>,
    #[serde(default)]
    prices: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Payments {
    url: Option<String>,
    #[serde(default)]
    timeout_seconds: f64,
    #[serde(default)]
    enabled: bool,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Level {
    #[default]
    Low,
    High,
}

fn ten() -> u32 {
    10
}

fn parsed(file: Value, environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let path = Path::new("/etc/x/config.yaml");
    parse(&file, path, &environment).map_err(|error| error.to_string())
}

fn file() -> Value {
    json!({"listen": "127.0.0.1:1", "productsUrl": "http://p"})
}

fn check_error(file: Value, environment: &[(&str, &str)], expected: &str) {
    let error = parsed(file, environment).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn defaults_the_file_and_the_environment_are_laid_over_each_other() {
    let config = parsed(file(), &[]).unwrap();
    assert_eq!((config.products_url.as_str(), config.quantity_max), ("http://p", 10));

    let mut file = file();
    file["quantityMax"] = json!(20);
    file["payments"] = json!({"url": "http://a", "timeoutSeconds": 1.5});
    file["prices"] = json!({"apple": 3});
    let environment = [
        ("LISTEN", "[::]:80"),
        ("QUANTITY_MAX", "30"),
        ("PAYMENTS__TIMEOUT_SECONDS", "2"),
        ("PAYMENTS__ENABLED", "true"),
        ("TAGS", "a, b"),
        ("LEVEL", "high"),
        ("NOTE", "007"),
    ];
    let config = parsed(file, &environment).unwrap();
    assert_eq!(config.listen, "[::]:80".parse().unwrap());
    assert_eq!(config.quantity_max, 30);
    let payments = Payments { url: Some("http://a".into()), timeout_seconds: 2.0, enabled: true };
    assert_eq!(config.payments, payments);
    assert_eq!(config.tags, ["a", "b"]);
    assert_eq!(config.level, Level::High);
    assert_eq!(config.note.as_deref(), Some("007"), "a text stays a text");
    assert_eq!(config.prices["apple"], 3);
}

#[test]
fn the_environment_alone_is_enough() {
    let environment = [("LISTEN", "0.0.0.0:8080"), ("PRODUCTS_URL", "http://products")];
    assert_eq!(parsed(Value::Null, &environment).unwrap().products_url, "http://products");
}

#[test]
fn errors_name_the_key_and_where_the_value_came_from() {
    check_error(
        json!({"listen": "127.0.0.1:1"}),
        &[],
        "configuration: `productsUrl` is missing: set PRODUCTS_URL, or `productsUrl` in /etc/x/config.yaml",
    );
    check_error(
        file(),
        &[("QUANTITY_MAX", "many")],
        "QUANTITY_MAX (key `quantityMax`): `many` is not a valid u32",
    );
    check_error(file(), &[("LISTEN", "nowhere")], "LISTEN (key `listen`): invalid socket address");
    check_error(file(), &[("LEVEL", "middle")], "LEVEL (key `level`): unknown variant `middle`");
    let mut wrong = file();
    wrong["payments"] = json!({"enabled": "maybe"});
    check_error(wrong, &[], "/etc/x/config.yaml: key `payments.enabled`: invalid type: string");
}

#[test]
fn a_misspelt_key_of_the_file_is_refused() {
    let mut wrong = file();
    wrong["quantitymax"] = json!(1);
    check_error(wrong, &[], "/etc/x/config.yaml: unknown key `quantitymax`; known are listen,");
    let mut wrong = file();
    wrong["payments"] = json!({"uri": "x"});
    check_error(wrong, &[], "key `payments`: unknown key `uri`");
    check_error(json!([1]), &[], "a mapping is expected");
}

#[test]
fn files_are_yaml_or_json_and_say_what_is_wrong_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.yaml");
    for text in ["a: 1\nb: {c: x}\n", r#"{"a": 1, "b": {"c": "x"}}"#] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(read(&path).unwrap(), json!({"a": 1, "b": {"c": "x"}}));
    }
    std::fs::write(&path, "a: [1").unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("is not valid YAML or JSON"));
    let missing = read(&dir.path().join("absent")).unwrap_err().to_string();
    assert!(missing.starts_with("read configuration "), "{missing}");
}
