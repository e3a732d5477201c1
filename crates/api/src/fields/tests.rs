//! Bodies as clients send them, good and bad.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::schema;

fn of(kind: &str) -> Arc<TypeSchema> {
    schema::of(&kind.parse().unwrap()).unwrap()
}

fn decode(kind: &str, text: &str) -> Result<Decoded, DecodeError> {
    decode_json(text.as_bytes(), &of(kind))
}

#[track_caller]
fn check_problems(kind: &str, text: &str, problems: &[&str]) {
    assert_eq!(decode(kind, text).unwrap().problems(), problems);
}

#[track_caller]
fn check_value(kind: &str, text: &str, value: Value) {
    let decoded = decode(kind, text).unwrap();
    assert_eq!(decoded.problems(), [""; 0]);
    assert_eq!(decoded.value, value);
}

#[track_caller]
fn check_error(kind: &str, text: &str, message: &str) {
    assert_eq!(decode(kind, text).unwrap_err().to_string(), message);
}

#[test]
fn unknown_fields_are_named_with_their_path_and_dropped() {
    let text = r#"{"kind":"Deployment","spec":{"foo":1,"template":{"spec":{"containers":[
        {"name":"a"},{"name":"b","imagee":{"x":[1]}}]}}}}"#;
    let problems = [
        r#"unknown field "spec.foo""#,
        r#"unknown field "spec.template.spec.containers[1].imagee""#,
    ];
    check_problems("apps/v1/Deployment", text, &problems);
    let value = decode("apps/v1/Deployment", text).unwrap().value;
    assert_eq!(value["spec"]["template"]["spec"]["containers"][1], json!({"name": "b"}));
}

#[test]
fn duplicate_fields_are_named_and_the_last_counts() {
    let text = r#"{"data":{"a":"1","a":"2"},"kind":"ConfigMap","kind":null}"#;
    let problems = [r#"duplicate field "data.a""#, r#"duplicate field "kind""#];
    check_problems("v1/ConfigMap", text, &problems);
    assert_eq!(decode("v1/ConfigMap", text).unwrap().value["data"], json!({"a": "2"}));
}

#[test]
fn problems_are_told_in_the_order_of_the_text() {
    let text = r#"{"kind":"a","kind":"b","x":1,"data":{"a":"1","a":"2"},"z":1}"#;
    let problems = [
        r#"duplicate field "kind""#,
        r#"unknown field "x""#,
        r#"duplicate field "data.a""#,
        r#"unknown field "z""#,
    ];
    check_problems("v1/ConfigMap", text, &problems);
}

#[test]
fn strict_refuses_warn_tells_and_ignore_is_silent() {
    let decoded = decode("v1/ConfigMap", r#"{"a":1,"b":2}"#).unwrap();
    let strict = decoded.clone().judge(FieldValidation::Strict).unwrap_err();
    assert_eq!(
        strict.to_string(),
        r#"strict decoding error: unknown field "a", unknown field "b""#
    );
    let (_, warnings) = decoded.clone().judge(FieldValidation::Warn).unwrap();
    assert_eq!(warnings.len(), 2);
    assert_eq!(decoded.judge(FieldValidation::Ignore), Ok((json!({}), vec![])));
}

#[test]
fn nulls_are_dropped_and_zero_inside_lists_and_maps() {
    check_value(
        "v1/Pod",
        r#"{"metadata":{"creationTimestamp":null,"labels":{"a":null}},"spec":{"containers":[null]}}"#,
        json!({"metadata": {"labels": {"a": ""}}, "spec": {"containers": [{}]}}),
    );
}

#[test]
fn free_form_parts_stay_as_they_are() {
    let text = r#"{"metadata":{"managedFields":[{"fieldsV1":{"f:a":{".":{},"x":null}}}]}}"#;
    check_value("v1/Pod", text, serde_json::from_str(text).unwrap());
}

#[test]
fn quantities_become_canonical() {
    check_value(
        "v1/Pod",
        r#"{"spec":{"containers":[{"resources":{"limits":{"cpu":1,"memory":"1024Mi"},"requests":{"cpu":0.5}}}]}}"#,
        json!({"spec": {"containers": [{"resources": {
            "limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}}]}}),
    );
}

#[test]
fn wrong_types_are_told_as_go_tells_them() {
    check_error(
        "apps/v1/Deployment",
        r#"{"spec":{"replicas":"3"}}"#,
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    check_error(
        "v1/Pod",
        r#"{"spec":{"containers":[{"image":5}]}}"#,
        "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string",
    );
    check_error(
        "v1/Pod",
        r#"{"spec":{"containers":{}}}"#,
        "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
    );
    check_error(
        "v1/ConfigMap",
        r#"{"data":{"a":true}}"#,
        "json: cannot unmarshal bool into Go struct field ConfigMap.data.a of type string",
    );
    check_error("v1/Pod", "[]", "json: cannot unmarshal array into Go value of type v1.Pod");
}

#[test]
fn numbers_must_fit() {
    check_error(
        "apps/v1/Deployment",
        r#"{"spec":{"replicas":3000000000}}"#,
        "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    check_error(
        "apps/v1/Deployment",
        r#"{"spec":{"replicas":1.5}}"#,
        "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
}

#[test]
fn formats_are_checked() {
    check_error("v1/Secret", r#"{"data":{"a":"x!"}}"#, "illegal base64 data at input byte 1");
    check_error(
        "v1/Pod",
        r#"{"spec":{"containers":[{"resources":{"limits":{"cpu":"much"}}}]}}"#,
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
    check_error(
        "v1/Pod",
        r#"{"metadata":{"creationTimestamp":"noon"}}"#,
        r#"parsing time "noon" as "2006-01-02T15:04:05Z07:00": cannot parse "noon" as "2006""#,
    );
}

#[test]
fn broken_json_says_where() {
    let error = decode("v1/Pod", "{\"kind\": }").unwrap_err();
    assert!(matches!(&error, DecodeError::Syntax(text) if text.contains("line 1")), "{error}");
    assert!(matches!(decode("v1/Pod", "{} x"), Err(DecodeError::Syntax(_))));
    assert!(matches!(decode("v1/Pod", ""), Err(DecodeError::Syntax(_))));
}

#[test]
fn deep_bodies_are_refused() {
    let free = |depth: usize| {
        let (open, close) = ("{\"a\":".repeat(depth), "}".repeat(depth));
        format!(r#"{{"metadata":{{"managedFields":[{{"fieldsV1":{open}1{close}}}]}}}}"#)
    };
    assert!(decode("v1/Pod", &free(DEPTH_MAX - 4)).is_ok());
    assert_eq!(decode("v1/Pod", &free(DEPTH_MAX - 3)), Err(DecodeError::TooDeep));
    assert!(decode("v1/Pod", &free(100_000)).is_err());
}

#[test]
fn reports_are_bounded() {
    let fields: Vec<String> = (0..1000).map(|n| format!("\"x{n}\":1")).collect();
    let decoded = decode("v1/Pod", &format!("{{{}}}", fields.join(","))).unwrap();
    assert_eq!(decoded.problems.len(), REPORTS_MAX);
}

#[test]
fn a_value_is_checked_as_text_is() {
    let value = json!({"spec": {"replicas": 1, "foo": null}});
    let decoded = decode_value(&value, &of("apps/v1/Deployment")).unwrap();
    assert_eq!(decoded.unknown().collect::<Vec<_>>(), ["spec.foo"]);
    assert_eq!(decoded.value, json!({"spec": {"replicas": 1}}));
}

#[test]
fn prune_drops_unknown_fields_at_every_depth() {
    let mut value = json!({"x": 1, "spec": {"containers": [{"name": "a", "y": 2}], "z": 3},
        "metadata": {"labels": {"any": "thing"}}});
    prune(&mut value, &of("v1/Pod"));
    assert_eq!(
        value,
        json!({"spec": {"containers": [{"name": "a"}]}, "metadata": {"labels": {"any": "thing"}}})
    );
}

#[test]
fn field_validation_levels_read() {
    assert_eq!("Strict".parse(), Ok(FieldValidation::Strict));
    assert_eq!("".parse(), Ok(FieldValidation::Warn));
    assert!("strict".parse::<FieldValidation>().unwrap_err().to_string().contains("Unsupported"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_json(&bytes, &of("v1/Pod"));
    }

    #[test]
    fn json_like_text_never_panics(text in r#"[{}\[\],:"a-z0-9. -]{0,80}"#) {
        let _ = decode_json(text.as_bytes(), &of("v1/Pod"));
    }
}
