//! What a pod's RuntimeClass adds to it: overhead, and where it can run.

use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::kinds;
use crate::object::child_mut;
use crate::request::Call;
use crate::table::list;

const MISMATCH: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
const NO_CLASS: &str =
    "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";

/// Completes a new pod.
pub(super) fn admit(call: &Call<'_>, pod: &mut Value) -> ApiResult<()> {
    let refuse =
        |pod: &Value, why: &str| ApiError::forbidden(call.kind, super::shown_name(pod), why);
    let Some(name) = pod["spec"]["runtimeClassName"].as_str().filter(|name| !name.is_empty())
    else {
        return match has(&pod["spec"]["overhead"]) {
            true => Err(refuse(pod, NO_CLASS)),
            false => Ok(()),
        };
    };
    let kind = kinds::find("node.k8s.io", "v1", "runtimeclasses");
    let kind = kind.expect("runtime classes are in the table");
    let Some(kv) = call.registry().get(kind, "", name) else {
        let why = format!("pod rejected: RuntimeClass {name:?} not found");
        return Err(refuse(pod, &why));
    };
    let class = call.registry().decode(&kv)?;
    apply(&class, pod).map_err(|why| refuse(pod, &why))
}

fn has(map: &Value) -> bool {
    map.as_object().is_some_and(|map| !map.is_empty())
}

fn apply(class: &Value, pod: &mut Value) -> Result<(), String> {
    add_overhead(&class["overhead"]["podFixed"], pod)?;
    add_selector(&class["scheduling"]["nodeSelector"], pod)?;
    let missing: Vec<Value> = list(class, "/scheduling/tolerations")
        .iter()
        .filter(|toleration| !list(pod, "/spec/tolerations").contains(toleration))
        .cloned()
        .collect();
    if !missing.is_empty() {
        let mut all = list(pod, "/spec/tolerations").to_vec();
        all.extend(missing);
        child_mut(pod, "spec").insert("tolerations".to_owned(), all.into());
    }
    Ok(())
}

fn add_overhead(fixed: &Value, pod: &mut Value) -> Result<(), String> {
    let own = &pod["spec"]["overhead"];
    match (has(fixed), has(own)) {
        (false, false) => Ok(()),
        (false, true) => Err(NO_CLASS.to_owned()),
        (true, true) if !same_amounts(fixed, own) => Err(MISMATCH.to_owned()),
        (true, _) => {
            child_mut(pod, "spec").insert("overhead".to_owned(), fixed.clone());
            Ok(())
        }
    }
}

fn same_amounts(a: &Value, b: &Value) -> bool {
    let read = |list: &Value| api::quota::ResourceList::read(list);
    read(a) == read(b)
}

fn add_selector(wanted: &Value, pod: &mut Value) -> Result<(), String> {
    let Some(wanted) = wanted.as_object().filter(|wanted| !wanted.is_empty()) else {
        return Ok(());
    };
    let own = pod["spec"]["nodeSelector"].as_object().cloned().unwrap_or_default();
    let mut all = wanted.clone();
    for (key, value) in own {
        if let Some(other) = wanted.get(&key).filter(|other| **other != value) {
            let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
            return Err(format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {}",
                text(other),
                text(&value)
            ));
        }
        all.insert(key, value);
    }
    child_mut(pod, "spec").insert("nodeSelector".to_owned(), json!(all));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class() -> Value {
        json!({"overhead": {"podFixed": {"cpu": "1"}}, "scheduling": {
            "nodeSelector": {"os": "x"}, "tolerations": [{"key": "k"}]}})
    }

    #[test]
    fn a_class_adds_overhead_and_place() {
        let mut pod = json!({"spec": {"nodeSelector": {"disk": "ssd"}}});
        apply(&class(), &mut pod).unwrap();
        let expected = json!({"spec": {"overhead": {"cpu": "1"}, "tolerations": [{"key": "k"}],
            "nodeSelector": {"disk": "ssd", "os": "x"}}});
        assert_eq!(pod, expected);
        // Once more changes nothing.
        apply(&class(), &mut pod).unwrap();
        assert_eq!(pod, expected);
    }

    #[test]
    fn a_pod_may_not_contradict_its_class() {
        let check = |spec: Value, class: Value, expected: &str| {
            assert_eq!(apply(&class, &mut json!({ "spec": spec })).unwrap_err(), expected);
        };
        check(json!({"overhead": {"cpu": "2"}}), class(), MISMATCH);
        check(json!({"overhead": {"cpu": "2"}}), json!({}), NO_CLASS);
        check(
            json!({"nodeSelector": {"os": "y"}}),
            class(),
            "conflict: runtimeClass.scheduling.nodeSelector[os] = x; pod.spec.nodeSelector[os] = y",
        );
        assert!(apply(&class(), &mut json!({"spec": {"overhead": {"cpu": "1000m"}}})).is_ok());
    }
}
