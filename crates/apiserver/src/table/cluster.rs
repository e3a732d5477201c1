//! Nodes, Namespaces, Events and the plain kinds.

use serde_json::Value;

use super::{Column, age_of, date, integer, list, name, only_wide, or, or_none, since, text, wide};
use crate::object::{meta, text as at};

pub(crate) const NAME_AND_AGE: &[Column] = &[name(), text("Age")];

pub(crate) fn name_and_age(object: &Value) -> Vec<Value> {
    vec![meta(object, "name").into(), age_of(object)]
}

/// Kinds that upstream has no columns for: it shows when they were made, not how long ago.
pub(crate) const NAME_AND_CREATION: &[Column] = &[name(), date("Created At")];

pub(crate) fn name_and_creation(object: &Value) -> Vec<Value> {
    vec![meta(object, "name").into(), meta(object, "creationTimestamp").into()]
}

pub(crate) const CONFIG_MAP: &[Column] = &[name(), text("Data"), text("Age")];

pub(crate) fn config_map(object: &Value) -> Vec<Value> {
    let count = entries(object, "data") + entries(object, "binaryData");
    vec![meta(object, "name").into(), count.into(), age_of(object)]
}

pub(crate) const SECRET: &[Column] = &[name(), text("Type"), text("Data"), text("Age")];

pub(crate) fn secret(object: &Value) -> Vec<Value> {
    vec![
        meta(object, "name").into(),
        at(object, "/type").into(),
        entries(object, "data").into(),
        age_of(object),
    ]
}

fn entries(object: &Value, field: &str) -> usize {
    object[field].as_object().map_or(0, serde_json::Map::len)
}

pub(crate) const NAMESPACE: &[Column] = &[name(), text("Status"), text("Age")];

pub(crate) fn namespace(object: &Value) -> Vec<Value> {
    vec![meta(object, "name").into(), at(object, "/status/phase").into(), age_of(object)]
}

pub(crate) const LEASE: &[Column] = &[name(), text("Holder"), text("Age")];

pub(crate) fn lease(object: &Value) -> Vec<Value> {
    vec![meta(object, "name").into(), at(object, "/spec/holderIdentity").into(), age_of(object)]
}

pub(crate) const NODE: &[Column] = &[
    name(),
    text("Status"),
    text("Roles"),
    text("Age"),
    text("Version"),
    wide("Internal-IP"),
    wide("External-IP"),
    wide("OS-Image"),
    wide("Kernel-Version"),
    wide("Container-Runtime"),
];

pub(crate) fn node(object: &Value) -> Vec<Value> {
    let info = |field: &str| or(at(&object["status"]["nodeInfo"], field), "<unknown>");
    vec![
        meta(object, "name").into(),
        node_status(object).into(),
        or_none(&node_roles(object)),
        age_of(object),
        at(object, "/status/nodeInfo/kubeletVersion").into(),
        node_address(object, "InternalIP"),
        node_address(object, "ExternalIP"),
        info("/osImage"),
        info("/kernelVersion"),
        info("/containerRuntimeVersion"),
    ]
}

fn node_status(node: &Value) -> String {
    let ready = list(node, "/status/conditions").iter().find(|c| c["type"] == "Ready");
    let mut status = match ready.map(|condition| at(condition, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if node["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    status
}

fn node_roles(node: &Value) -> String {
    const PREFIX: &str = "node-role.kubernetes.io/";
    let labels = node["metadata"]["labels"].as_object();
    let mut roles: Vec<&str> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix(PREFIX) {
            Some(role) if !role.is_empty() => Some(role),
            _ if key == "kubernetes.io/role" => value.as_str().filter(|role| !role.is_empty()),
            _ => None,
        })
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles.join(",")
}

fn node_address(node: &Value, kind: &str) -> Value {
    let found = list(node, "/status/addresses").iter().find(|address| address["type"] == kind);
    or_none(found.map_or("", |address| at(address, "/address")))
}

pub(crate) const EVENT: &[Column] = &[
    text("Last Seen"),
    text("Type"),
    text("Reason"),
    text("Object"),
    wide("Subobject"),
    wide("Source"),
    text("Message"),
    wide("First Seen"),
    wide("Count"),
    only_wide(name()),
];

/// What differs between the two forms of an Event.
struct EventFields {
    object: &'static str,
    message: &'static str,
    component: &'static str,
    source: &'static str,
    first: &'static str,
    last: &'static str,
    count: &'static str,
}

pub(crate) fn event(object: &Value) -> Vec<Value> {
    let fields = EventFields {
        object: "involvedObject",
        message: "/message",
        component: "/reportingComponent",
        source: "source",
        first: "/firstTimestamp",
        last: "/lastTimestamp",
        count: "/count",
    };
    event_row(object, &fields)
}

pub(crate) fn new_event(object: &Value) -> Vec<Value> {
    let fields = EventFields {
        object: "regarding",
        message: "/note",
        component: "/reportingController",
        source: "deprecatedSource",
        first: "/deprecatedFirstTimestamp",
        last: "/deprecatedLastTimestamp",
        count: "/deprecatedCount",
    };
    event_row(object, &fields)
}

fn event_row(object: &Value, fields: &EventFields) -> Vec<Value> {
    let about = &object[fields.object];
    let at_first = |pointer| match at(object, pointer) {
        "" => since(at(object, "/eventTime")),
        time => since(time),
    };
    let first = at_first(fields.first);
    let (last, count) = match &object["series"] {
        Value::Null => {
            let last = match at(object, fields.last) {
                "" => first.clone(),
                time => since(time),
            };
            // One that happened once may not say so.
            (last, integer(object, fields.count).max(1))
        }
        series => (since(at(series, "/lastObservedTime")), integer(series, "/count")),
    };
    let about = match (at(about, "/kind").to_lowercase(), at(about, "/name")) {
        (kind, "") => kind,
        (kind, name) => format!("{kind}/{name}"),
    };
    vec![
        last.into(),
        at(object, "/type").into(),
        at(object, "/reason").into(),
        about.into(),
        at(&object[fields.object], "/fieldPath").into(),
        event_source(object, fields).into(),
        at(object, fields.message).trim().into(),
        first.into(),
        count.into(),
        meta(object, "name").into(),
    ]
}

fn event_source(object: &Value, fields: &EventFields) -> String {
    let source = &object[fields.source];
    let component = match at(source, "/component") {
        "" => at(object, fields.component),
        component => component,
    };
    let host = match at(source, "/host") {
        "" => at(object, "/reportingInstance"),
        host => host,
    };
    if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_shows_status_roles_and_address() {
        let row = node(&json!({
            "metadata": {"name": "box", "labels": {"node-role.kubernetes.io/control-plane": ""}},
            "spec": {"unschedulable": true},
            "status": {"conditions": [{"type": "Ready", "status": "True"}],
                "addresses": [{"type": "InternalIP", "address": "10.42.0.1"}],
                "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Debian"}},
        }));
        assert_eq!(row[1], "Ready,SchedulingDisabled");
        assert_eq!(row[2], "control-plane");
        assert_eq!(
            row[4..8],
            [json!("v1.36.0"), json!("10.42.0.1"), json!("<none>"), json!("Debian")]
        );
    }

    #[test]
    fn both_forms_of_an_event_read_the_same() {
        let old = json!({"metadata": {"name": "e"}, "type": "Normal", "reason": "Pulled",
            "involvedObject": {"kind": "Pod", "name": "p"}, "message": "done\n",
            "source": {"component": "kubelet", "host": "box"}, "count": 3});
        let new = json!({"metadata": {"name": "e"}, "type": "Normal", "reason": "Pulled",
            "regarding": {"kind": "Pod", "name": "p"}, "note": "done\n",
            "deprecatedSource": {"component": "kubelet", "host": "box"}, "deprecatedCount": 3});
        assert_eq!(event(&old), new_event(&new));
        assert_eq!(event(&old)[3], "pod/p");
        assert_eq!(event(&old)[5], "kubelet, box");
        assert_eq!(event(&old)[8], 3);
    }
}
