//! Deployments, ReplicaSets, and what limits and protects them.

use serde_json::Value;

use super::{Column, age_of, integer, labels, list, name, number, or_none, text, wide};
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
    row.extend(template(&object["spec"]));
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
    row.extend(template(&object["spec"]));
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

/// Containers, images and the selector of a workload's spec.
pub(crate) fn template(spec: &Value) -> [Value; 3] {
    let [names, images] = containers(&spec["template"]);
    [names, images, or_none(&selector(&spec["selector"]))]
}

fn containers(template: &Value) -> [Value; 2] {
    ["/name", "/image"].map(|field| {
        let all = list(template, "/spec/containers").iter().map(|c| at(c, field));
        all.collect::<Vec<_>>().join(",").into()
    })
}

pub(crate) const STATEFUL_SET: &[Column] =
    &[name(), text("Ready"), text("Age"), wide("Containers"), wide("Images")];

pub(crate) fn stateful_set(object: &Value) -> Vec<Value> {
    let wanted = integer(object, "/spec/replicas");
    let ready = integer(object, "/status/readyReplicas");
    let mut row =
        vec![meta(object, "name").into(), format!("{ready}/{wanted}").into(), age_of(object)];
    row.extend(containers(&object["spec"]["template"]));
    row
}

pub(crate) const DAEMON_SET: &[Column] = &[
    name(),
    number("Desired"),
    number("Current"),
    number("Ready"),
    number("Up-to-date"),
    number("Available"),
    text("Node Selector"),
    text("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];

pub(crate) fn daemon_set(object: &Value) -> Vec<Value> {
    let count = |field: &str| integer(&object["status"], field).into();
    let mut row = vec![
        meta(object, "name").into(),
        count("/desiredNumberScheduled"),
        count("/currentNumberScheduled"),
        count("/numberReady"),
        count("/updatedNumberScheduled"),
        count("/numberAvailable"),
        labels(object.pointer("/spec/template/spec/nodeSelector")),
        age_of(object),
    ];
    row.extend(template(&object["spec"]));
    row
}

pub(crate) const CONTROLLER_REVISION: &[Column] =
    &[name(), text("Controller"), number("Revision"), text("Age")];

pub(crate) fn controller_revision(object: &Value) -> Vec<Value> {
    let owners = list(object, "/metadata/ownerReferences");
    let controller = owners.iter().find(|owner| owner["controller"] == true);
    let shown = controller.map_or(String::new(), |owner| {
        let group = at(owner, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
        let kind = at(owner, "/kind").to_lowercase();
        let dot = if group.is_empty() { "" } else { "." };
        format!("{kind}{dot}{group}/{}", at(owner, "/name"))
    });
    vec![
        meta(object, "name").into(),
        or_none(&shown),
        integer(object, "/revision").into(),
        age_of(object),
    ]
}

pub(crate) const POD_TEMPLATE: &[Column] =
    &[name(), text("Containers"), text("Images"), text("Pod Labels")];

pub(crate) fn pod_template(object: &Value) -> Vec<Value> {
    let [names, images] = containers(&object["template"]);
    let shown = labels(object.pointer("/template/metadata/labels"));
    vec![meta(object, "name").into(), names, images, shown]
}

pub(crate) const RUNTIME_CLASS: &[Column] = &[name(), text("Handler"), text("Age")];

pub(crate) fn runtime_class(object: &Value) -> Vec<Value> {
    vec![meta(object, "name").into(), at(object, "/handler").into(), age_of(object)]
}

/// A label selector as text: `app=web,tier in (a,b)`.
pub(crate) fn selector(selector: &Value) -> String {
    // A ReplicationController's is the labels themselves.
    let labels = selector["matchLabels"].as_object().or_else(|| selector.as_object());
    let equal = labels.into_iter().flatten().filter_map(|(key, value)| {
        let value = value.as_str()?;
        Some(format!("{key}={value}"))
    });
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
        assert_eq!(selector(&json!({"a": "b", "c": "d"})), "a=b,c=d");
        assert_eq!(
            selector(&json!({"matchExpressions": [{"key": "e", "operator": "Exists"}]})),
            "e"
        );
    }
}
