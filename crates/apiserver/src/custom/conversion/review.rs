//! The ConversionReview: what is asked, and whether the answer may be believed.

use serde_json::{Map, Value, json};

use crate::object::{meta, metadata_mut, text};

/// The versions of the review that are spoken.
pub(super) const VERSIONS: [&str; 2] = ["v1", "v1beta1"];
/// All metadata is the original's, but for these.
const CONVERTED_METADATA: [&str; 2] = ["labels", "annotations"];

/// `example.com/v1, Kind=Tab`
pub(super) fn type_of(object: &Value) -> String {
    format!("{}, Kind={}", text(object, "/apiVersion"), text(object, "/kind"))
}

pub(super) fn question(version: &str, uid: &str, wanted: &str, objects: &[Value]) -> Value {
    json!({
        "kind": "ConversionReview",
        "apiVersion": format!("apiextensions.k8s.io/{version}"),
        "request": {"uid": uid, "desiredAPIVersion": wanted, "objects": objects},
    })
}

/// The objects of an answer that is one, and says that it succeeded.
pub(super) fn answer(mut review: Value, version: &str, uid: &str) -> Result<Vec<Value>, String> {
    if version == "v1" {
        let expected = "apiextensions.k8s.io/v1, Kind=ConversionReview";
        let got = type_of(&review);
        if got != expected {
            return Err(format!("expected webhook response of {expected}, got {got}"));
        }
    }
    let response = &mut review["response"];
    if response.is_null() {
        return Err("no response provided".to_owned());
    }
    let given = text(response, "/uid");
    if version == "v1" && given != uid {
        return Err(format!("expected response.uid={uid:?}, got {given:?}"));
    }
    match (text(response, "/result/status"), text(response, "/result/message")) {
        ("Success", _) => {}
        (status, "") => {
            return Err(format!("response.result.status was '{status}', not 'Success'"));
        }
        (_, message) => return Err(message.to_owned()),
    }
    match response["convertedObjects"].take() {
        Value::Array(objects) => Ok(objects),
        _ => Ok(Vec::new()),
    }
}

/// The converted objects with the metadata that nobody may change; or what is wrong with them.
pub(super) fn check(
    wanted: &str,
    originals: &[Value],
    mut converted: Vec<Value>,
) -> Result<Vec<Value>, String> {
    let (count, expected) = (converted.len(), originals.len());
    if count != expected {
        return Err(format!("returned {count} objects, expected {expected}"));
    }
    let alone = expected == 1;
    for (index, (original, object)) in originals.iter().zip(&mut converted).enumerate() {
        let invalid = |why: String| match alone {
            true => format!("returned invalid object: {why}"),
            false => format!("returned invalid converted object at index {index}: {why}"),
        };
        is_of_type(wanted, original, object).map_err(|why| match alone {
            true => format!("returned invalid object at index 0: {why}"),
            false => invalid(why),
        })?;
        is_same(original, object).map_err(invalid)?;
        restore(original, object).map_err(|why| match alone {
            true => format!("returned invalid metadata: {why}"),
            false => format!("returned invalid metadata in object at index {index}: {why}"),
        })?;
    }
    Ok(converted)
}

fn is_of_type(wanted: &str, original: &Value, converted: &Value) -> Result<(), String> {
    let (version, kind) = (text(converted, "/apiVersion"), text(converted, "/kind"));
    if version != wanted {
        return Err(format!("invalid groupVersion (expected {wanted}, received {version})"));
    }
    let expected = text(original, "/kind");
    if kind != expected {
        return Err(format!("invalid kind (expected {expected}, received {kind})"));
    }
    Ok(())
}

/// It may not have become another object.
fn is_same(original: &Value, converted: &Value) -> Result<(), String> {
    for (field, word) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let (before, after) = (meta(original, field), meta(converted, field));
        if before != after {
            return Err(format!("must have the same {word}: {before} != {after}"));
        }
    }
    Ok(())
}

/// The original's metadata with the labels and annotations of what came back.
fn restore(original: &Value, converted: &mut Value) -> Result<(), String> {
    let given = match converted.get("metadata") {
        None => return Err("missing metadata in converted object".to_owned()),
        Some(Value::Object(fields)) => fields.clone(),
        Some(_) => return Err("invalid metadata in converted object".to_owned()),
    };
    converted["metadata"] = original["metadata"].clone();
    let metadata = metadata_mut(converted);
    for field in CONVERTED_METADATA {
        let after = match given.get(field) {
            None | Some(Value::Null) => {
                metadata.remove(field);
                continue;
            }
            Some(Value::Object(after)) => after,
            Some(_) => return Err(format!("invalid metadata.{field} in converted object")),
        };
        if let Some((key, _)) = after.iter().find(|(_, value)| !value.is_string()) {
            return Err(format!("metadata.{field}[{key}] must be a string in converted object"));
        }
        if metadata.get(field).and_then(Value::as_object) != Some(after) {
            valid(field, after)?;
        }
        metadata.insert(field.to_owned(), Value::Object(after.clone()));
    }
    Ok(())
}

fn valid(field: &str, map: &Map<String, Value>) -> Result<(), String> {
    let object = json!({"metadata": {"name": "name", field: map}});
    let errors = api::validation::create(&api::Gvk::new("custom", "v1", "Custom"), &object);
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    match errors.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(version: &str) -> Value {
        json!({"apiVersion": format!("e.io/{version}"), "kind": "Tab",
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "finalizers": ["e.io/f"],
                "labels": {"a": "b"}}})
    }

    #[track_caller]
    fn check_answer(review: Value, version: &str, expected: Result<usize, &str>) {
        let found = answer(review, version, "1").map(|objects| objects.len());
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    fn review(response: Value) -> Value {
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
            "response": response})
    }

    #[test]
    fn an_answer_belongs_to_its_question_and_says_that_it_succeeded() {
        let good = json!({"uid": "1", "result": {"status": "Success"}, "convertedObjects": [{}]});
        check_answer(review(good.clone()), "v1", Ok(1));
        check_answer(json!({"response": good}), "v1beta1", Ok(1));
        check_answer(
            json!({"response": {}}),
            "v1",
            Err(
                "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got , Kind=",
            ),
        );
        check_answer(review(Value::Null), "v1", Err("no response provided"));
        let other = json!({"uid": "2", "result": {"status": "Success"}});
        check_answer(review(other), "v1", Err("expected response.uid=\"1\", got \"2\""));
        let failed = json!({"uid": "1", "result": {"status": "Failed", "message": "no way"}});
        check_answer(review(failed), "v1", Err("no way"));
        let bare = json!({"uid": "1"});
        check_answer(review(bare), "v1", Err("response.result.status was '', not 'Success'"));
    }

    #[track_caller]
    fn check_wrong(change: impl Fn(&mut Value), expected: &str) {
        let mut converted = object("v2");
        change(&mut converted);
        let error = check("e.io/v2", &[object("v1")], vec![converted]).unwrap_err();
        assert_eq!(error, expected);
    }

    #[test]
    fn a_converted_object_is_the_same_object_in_the_wanted_version() {
        check_wrong(
            |object| object["apiVersion"] = "e.io/v1".into(),
            "returned invalid object at index 0: invalid groupVersion (expected e.io/v2, received e.io/v1)",
        );
        check_wrong(
            |object| object["kind"] = "Other".into(),
            "returned invalid object at index 0: invalid kind (expected Tab, received Other)",
        );
        check_wrong(
            |object| object["metadata"]["name"] = "b".into(),
            "returned invalid object: must have the same name: a != b",
        );
        check_wrong(
            |object| object["metadata"]["uid"] = "w".into(),
            "returned invalid object: must have the same UID: u != w",
        );
        check_wrong(
            |object| drop(object.as_object_mut().unwrap().remove("metadata")),
            "returned invalid object: must have the same name: a != ",
        );
        check_wrong(
            |object| object["metadata"]["labels"]["x"] = 1.into(),
            "returned invalid metadata: metadata.labels[x] must be a string in converted object",
        );
        let error = check("e.io/v2", &[object("v1")], Vec::new()).unwrap_err();
        assert_eq!(error, "returned 0 objects, expected 1");
    }

    #[test]
    fn only_labels_and_annotations_are_the_webhooks() {
        let mut converted = object("v2");
        converted["metadata"] = json!({"name": "a", "namespace": "n", "uid": "u",
            "finalizers": [], "generation": 7, "annotations": {"c": "d"}});
        let all = check("e.io/v2", &[object("v1")], vec![converted]).unwrap();
        let expected = json!({"name": "a", "namespace": "n", "uid": "u", "finalizers": ["e.io/f"],
            "annotations": {"c": "d"}});
        assert_eq!(all[0]["metadata"], expected);
        check_wrong(
            |object| object["metadata"]["labels"] = json!({"a b": "c"}),
            "returned invalid metadata: metadata.labels: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        );
    }
}
