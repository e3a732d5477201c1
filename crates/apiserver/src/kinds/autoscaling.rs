//! autoscaling/v1 HorizontalPodAutoscalers are the v2 ones with a field for the processor and
//! the rest in annotations.

use serde_json::{Map, Value, json};

use super::Conversion;
use crate::object::{child_mut, metadata_mut};
use crate::table::{autoscaling as columns, list};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

pub(super) const CONVERSION: Conversion = Conversion { to_stored, from_stored };

/// Both versions show the same row.
pub(super) fn old_row(object: &Value) -> Vec<Value> {
    let mut newer = object.clone();
    to_stored(&mut newer);
    columns::row(&newer)
}

fn to_stored(object: &mut Value) {
    object["apiVersion"] = "autoscaling/v2".into();
    let mut metrics = taken(object, METRICS).and_then(into_list).unwrap_or_default();
    if let Some(percent) = take(object, "spec", "targetCPUUtilizationPercentage") {
        metrics.insert(
            0,
            processor("target", json!({"type": "Utilization", "averageUtilization": percent})),
        );
    }
    if !metrics.is_empty() {
        child_mut(object, "spec").insert("metrics".to_owned(), metrics.into());
    }
    if let Some(behavior) = taken(object, BEHAVIOR) {
        child_mut(object, "spec").insert("behavior".to_owned(), behavior);
    }
    if !object["status"].is_object() {
        return;
    }
    let mut current = taken(object, CURRENT).and_then(into_list).unwrap_or_default();
    if let Some(percent) = take(object, "status", "currentCPUUtilizationPercentage") {
        current.insert(0, processor("current", json!({"averageUtilization": percent})));
    }
    let current = if current.is_empty() { Value::Null } else { current.into() };
    let conditions = taken(object, CONDITIONS);
    let status = child_mut(object, "status");
    status.insert("currentMetrics".to_owned(), current);
    if let Some(conditions) = conditions {
        status.insert("conditions".to_owned(), conditions);
    }
}

fn from_stored(object: &mut Value) {
    object["apiVersion"] = "autoscaling/v1".into();
    let metrics = take(object, "spec", "metrics").and_then(into_list).unwrap_or_default();
    let (percent, others) = split(metrics, "target");
    put(object, "spec", "targetCPUUtilizationPercentage", percent);
    annotate(object, METRICS, others);
    let behavior = take(object, "spec", "behavior");
    annotate(object, BEHAVIOR, behavior);
    if !object["status"].is_object() {
        return;
    }
    let current = take(object, "status", "currentMetrics").and_then(into_list).unwrap_or_default();
    let (percent, others) = split(current, "current");
    put(object, "status", "currentCPUUtilizationPercentage", percent);
    annotate(object, CURRENT, others);
    let conditions = take(object, "status", "conditions");
    annotate(object, CONDITIONS, conditions.filter(|all| *all != json!([])));
    child_mut(object, "status").entry("currentReplicas").or_insert_with(|| 0.into());
}

fn processor(side: &str, amount: Value) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", side: amount}})
}

/// The share of the processor that version 1 has a field for, and all other metrics.
fn split(mut metrics: Vec<Value>, side: &str) -> (Option<Value>, Option<Value>) {
    let of = |metric: &Value| {
        let resource = &metric["resource"];
        let percent = resource[side]["averageUtilization"].as_i64()?;
        (metric["type"] == "Resource" && resource["name"] == "cpu").then(|| percent.into())
    };
    let found = metrics.iter().position(|metric| of(metric).is_some());
    let percent = found.and_then(|at| of(&metrics.remove(at)));
    (percent, (!metrics.is_empty()).then(|| metrics.into()))
}

fn take(object: &mut Value, part: &str, field: &str) -> Option<Value> {
    object.get_mut(part)?.as_object_mut()?.remove(field).filter(|value| !value.is_null())
}

fn put(object: &mut Value, part: &str, field: &str, value: Option<Value>) {
    if let Some(value) = value {
        child_mut(object, part).insert(field.to_owned(), value);
    }
}

/// What an annotation holds as JSON; it goes. One that cannot be read stays.
fn taken(object: &mut Value, name: &str) -> Option<Value> {
    let annotations = object.pointer_mut("/metadata/annotations")?.as_object_mut()?;
    let value = serde_json::from_str(annotations.get(name)?.as_str()?).ok()?;
    annotations.remove(name);
    let empty = annotations.is_empty();
    if empty {
        metadata_mut(object).remove("annotations");
    }
    Some(value)
}

fn annotate(object: &mut Value, name: &str, value: Option<Value>) {
    let Some(value) = value else { return };
    let annotations = metadata_mut(object).entry("annotations");
    let annotations = annotations.or_insert_with(|| Value::Object(Map::new()));
    annotations[name] = value.to_string().into();
}

fn into_list(value: Value) -> Option<Vec<Value>> {
    Some(list(&value, "").to_vec()).filter(|items| !items.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_autoscaler_comes_back_as_it_was_given() {
        let given = json!({
            "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50},
            "status": {"currentReplicas": 1, "desiredReplicas": 2, "currentCPUUtilizationPercentage": 7},
        });
        let mut object = given.clone();
        to_stored(&mut object);
        assert_eq!(object["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 50);
        assert_eq!(object["apiVersion"], "autoscaling/v2");
        from_stored(&mut object);
        assert_eq!(object, given);
    }

    #[test]
    fn what_version_1_cannot_say_is_kept_in_annotations() {
        let given = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "behavior": {"scaleUp": {}}, "metrics": [
                {"type": "Pods", "pods": {"target": {"averageValue": "1"}}}]},
        });
        let mut object = given.clone();
        from_stored(&mut object);
        assert!(object["spec"].get("metrics").is_none());
        assert!(object["metadata"]["annotations"][METRICS].as_str().unwrap().contains("Pods"));
        to_stored(&mut object);
        assert_eq!(object, given);
    }
}
