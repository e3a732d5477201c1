//! Deployments and ReplicaSets.

use serde_json::Value;

use super::{Column, age_of, integer, list, name, number, or_none, text, wide};
use crate::object::{meta, text as at};

pub(crate) const DEPLOYMENT: &[Column] = &[
    name(),
    text("Ready"),
    number("Up-to-date"),
    number("Available"),
    text("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];

pub(crate) fn deployment(object: &Value) -> Vec<Value> {
    let wanted = integer(object, "/spec/replicas");
    let mut row = vec![
        meta(object, "name").into(),
        format!("{}/{wanted}", integer(object, "/status/readyReplicas")).into(),
        integer(object, "/status/updatedReplicas").into(),
        integer(object, "/status/availableReplicas").into(),
        age_of(object),
    ];
    row.extend(template(object));
    row
}

pub(crate) const REPLICA_SET: &[Column] = &[
    name(),
    number("Desired"),
    number("Current"),
    number("Ready"),
    text("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];

pub(crate) fn replica_set(object: &Value) -> Vec<Value> {
    let mut row = vec![
        meta(object, "name").into(),
        integer(object, "/spec/replicas").into(),
        integer(object, "/status/replicas").into(),
        integer(object, "/status/readyReplicas").into(),
        age_of(object),
    ];
    row.extend(template(object));
    row
}

/// A Deployment's or ReplicaSet's `scale`.
pub(crate) const SCALE: &[Column] = &[name(), number("Desired"), number("Available"), text("Age")];

pub(crate) fn scale(object: &Value) -> Vec<Value> {
    vec![
        meta(object, "name").into(),
        integer(object, "/spec/replicas").into(),
        integer(object, "/status/replicas").into(),
        age_of(object),
    ]
}

pub(crate) const PRIORITY_CLASS: &[Column] =
    &[name(), number("Value"), text("Global-Default"), text("Age"), text("PreemptionPolicy")];

pub(crate) fn priority_class(object: &Value) -> Vec<Value> {
    vec![
        meta(object, "name").into(),
        integer(object, "/value").into(),
        object["globalDefault"].as_bool().unwrap_or(false).into(),
        age_of(object),
        at(object, "/preemptionPolicy").into(),
    ]
}

/// Containers, images and the selector.
fn template(object: &Value) -> [Value; 3] {
    let containers = list(object, "/spec/template/spec/containers");
    let joined = |field: &str| {
        let all: Vec<&str> = containers.iter().map(|c| at(c, field)).collect();
        all.join(",").into()
    };
    [joined("/name"), joined("/image"), or_none(&selector(&object["spec"]["selector"]))]
}

/// A label selector as text: `app=web,tier in (a,b)`.
pub(crate) fn selector(selector: &Value) -> String {
    let equal = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")));
    let expressions = list(selector, "/matchExpressions").iter().map(expression);
    equal.chain(expressions).collect::<Vec<_>>().join(",")
}

fn expression(expression: &Value) -> String {
    let key = at(expression, "/key");
    let values: Vec<&str> = list(expression, "/values").iter().filter_map(Value::as_str).collect();
    let values = values.join(",");
    match at(expression, "/operator") {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "DoesNotExist" => format!("!{key}"),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_shows_ready_of_wanted_and_its_images() {
        let row = deployment(&json!({
            "metadata": {"name": "web"},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
                "template": {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}}},
            "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2},
        }));
        assert_eq!(row[..4], [json!("web"), json!("2/3"), json!(3), json!(2)]);
        assert_eq!(row[5..], [json!("a,b"), json!("x,y"), json!("app=web")]);
    }

    #[test]
    fn selectors_read_as_one_types_them() {
        let given = json!({"matchLabels": {"a": "b"}, "matchExpressions": [
            {"key": "k", "operator": "In", "values": ["x", "y"]},
            {"key": "z", "operator": "DoesNotExist"}, {"key": "e", "operator": "Exists"}]});
        assert_eq!(selector(&given), "a=b,k in (x,y),!z,e");
    }
}
