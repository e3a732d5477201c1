//! Deployments, ReplicaSets, and what limits and protects them.

use serde_json::Value;

use super::{Column, age_of, boolean, integer, labels, list, name, number, or_none, text, wide};
use crate::object::{meta, text as at};

pub(crate) const DEPLOYMENT: &[Column] = &[
    name(),
    text("Ready"),
    text("Up-to-date"),
    text("Available"),
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
    row.extend(containers(&object["spec"]["template"]));
    // Unlike the others', one that selects nothing is not spelled out.
    row.push(requirements(&object["spec"]["selector"]).unwrap_or("<invalid>".to_owned()).into());
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
pub(crate) const SCALE: &[Column] =
    &[text("Name"), number("Desired"), number("Available"), text("Age")];

pub(crate) fn scale(object: &Value) -> Vec<Value> {
    vec![
        meta(object, "name").into(),
        integer(object, "/spec/replicas").into(),
        integer(object, "/status/replicas").into(),
        age_of(object),
    ]
}

pub(crate) const PRIORITY_CLASS: &[Column] =
    &[name(), number("Value"), boolean("Global-Default"), text("Age"), text("PreemptionPolicy")];

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
    [names, images, selector_cell(&spec["selector"])]
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
    &[name(), text("Controller"), text("Revision"), text("Age")];

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
    requirements(selector).unwrap_or_default()
}

/// The same as a cell.
pub(super) fn selector_cell(selector: &Value) -> Value {
    or_none(&requirements(selector).unwrap_or_else(|| "<error>".to_owned()))
}

/// What a selector asks for, in the order of the keys; `None`: it cannot be understood.
fn requirements(selector: &Value) -> Option<String> {
    let is_selector = ["matchLabels", "matchExpressions"].iter().any(|f| !selector[f].is_null());
    // A ReplicationController's is the labels themselves.
    let labels = if is_selector { &selector["matchLabels"] } else { selector };
    let labels = labels.as_object().into_iter().flatten();
    let mut all: Vec<(&str, String)> = labels
        .filter_map(|(key, value)| Some((key.as_str(), format!("{key}={}", value.as_str()?))))
        .collect();
    for asked in list(selector, "/matchExpressions") {
        all.push((at(asked, "/key"), expression(asked)?));
    }
    all.sort_by_key(|(key, _)| *key);
    Some(all.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(","))
}

fn expression(expression: &Value) -> Option<String> {
    let key = at(expression, "/key");
    let mut values: Vec<&str> =
        list(expression, "/values").iter().filter_map(Value::as_str).collect();
    values.sort_unstable();
    match (at(expression, "/operator"), values.as_slice()) {
        ("In", [_, ..]) => Some(format!("{key} in ({})", values.join(","))),
        ("NotIn", [_, ..]) => Some(format!("{key} notin ({})", values.join(","))),
        ("DoesNotExist", []) => Some(format!("!{key}")),
        ("Exists", []) => Some(key.to_owned()),
        _ => None,
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
        assert_eq!(selector(&given), "a=b,e,k in (x,y),!z");
        assert_eq!(selector(&json!({"a": "b", "c": "d"})), "a=b,c=d");
        assert_eq!(
            selector(&json!({"matchExpressions": [{"key": "e", "operator": "Exists"}]})),
            "e"
        );
    }
}
