//! What Go writes of fields that nobody set: texts, times and structures without `omitempty`, or
//! of which it cannot tell that they are empty. Clients were written against replies that have them.

use serde_json::{Value, json};

use super::{each, fill, in_made, in_object};
use crate::Gvk;

/// Times that are null in conditions.
const CHANGED: &[&str] = &["lastTransitionTime"];
const PROBED: &[&str] = &["lastProbeTime", "lastTransitionTime"];
const UPDATED: &[&str] = &["lastTransitionTime", "lastUpdateTime"];
const BEATING: &[&str] = &["lastHeartbeatTime", "lastTransitionTime"];

const NODE_FACTS: [&str; 10] = [
    "architecture",
    "bootID",
    "containerRuntimeVersion",
    "kernelVersion",
    "kubeProxyVersion",
    "kubeletVersion",
    "machineID",
    "operatingSystem",
    "osImage",
    "systemUUID",
];

pub(super) fn apply(gvk: &Gvk, object: &mut Value) {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Event") => event(object),
        ("", "LimitRange") => in_made(object, "spec", |spec| null(spec, "limits")),
        ("", "Node") => in_made(object, "status", node_status),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Pod") => in_object(object, "status", pod_status),
        ("", "ResourceQuota") => in_made(object, "spec", |_| {}),
        ("apps", "StatefulSet") => in_object(object, "spec", |spec| empty(spec, "serviceName")),
        ("discovery.k8s.io", "EndpointSlice") => slice(object),
        ("storage.k8s.io", "CSINode") => in_made(object, "spec", |spec| {
            null(spec, "drivers");
            each(spec, "drivers", |driver| null(driver, "topologyKeys"));
        }),
        _ => {}
    }
    if let Some(times) = times(gvk) {
        in_object(object, "status", |status| conditions(status, times));
    }
}

/// The times in the conditions of a kind, where they may be missing.
fn times(gvk: &Gvk) -> Option<&'static [&'static str]> {
    Some(match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Node") => BEATING,
        ("", "PersistentVolumeClaim" | "Pod") | ("batch", "Job") => PROBED,
        ("apps", "Deployment") | ("certificates.k8s.io", _) => UPDATED,
        ("", "Namespace" | "ReplicationController")
        | ("apps" | "autoscaling" | "flowcontrol.apiserver.k8s.io", _)
        | ("apiextensions.k8s.io" | "apiregistration.k8s.io", _) => CHANGED,
        _ => return None,
    })
}

fn conditions(status: &mut Value, times: &[&str]) {
    each(status, "conditions", |condition| {
        for time in times {
            null(condition, time);
        }
    });
}

fn event(event: &mut Value) {
    fill(event, "source", json!({}));
    for time in ["firstTimestamp", "lastTimestamp", "eventTime"] {
        null(event, time);
    }
    empty(event, "reportingComponent");
    empty(event, "reportingInstance");
    in_object(event, "series", |series| null(series, "lastObservedTime"));
}

fn node_status(status: &mut Value) {
    in_made(status, "daemonEndpoints", |endpoints| {
        in_made(endpoints, "kubeletEndpoint", |kubelet| fill(kubelet, "Port", json!(0)));
    });
    in_made(status, "nodeInfo", |info| {
        for fact in NODE_FACTS {
            empty(info, fact);
        }
    });
}

fn pod_status(status: &mut Value) {
    for containers in ["containerStatuses", "ephemeralContainerStatuses", "initContainerStatuses"] {
        each(status, containers, |container| {
            fill(container, "lastState", json!({}));
            fill(container, "state", json!({}));
        });
    }
}

fn claim(claim: &mut Value) {
    in_object(claim, "spec", |spec| {
        for source in ["dataSource", "dataSourceRef"] {
            in_object(spec, source, |source| null(source, "apiGroup"));
        }
    });
}

fn slice(slice: &mut Value) {
    null(slice, "endpoints");
    null(slice, "ports");
    each(slice, "endpoints", |endpoint| fill(endpoint, "conditions", json!({})));
}

fn null(value: &mut Value, field: &str) {
    fill(value, field, Value::Null);
}

fn empty(value: &mut Value, field: &str) {
    fill(value, field, json!(""));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(api_version: &str, kind: &str, mut given: Value, expected: &Value) {
        super::super::apply(&Gvk::from_api_version(api_version, kind).unwrap(), &mut given);
        assert_eq!(&given, expected, "{kind}");
    }

    #[test]
    fn an_event_has_its_times_and_texts_though_nobody_set_them() {
        let expected = json!({"involvedObject": {}, "source": {}, "firstTimestamp": null,
            "lastTimestamp": null, "eventTime": null, "reportingComponent": "",
            "reportingInstance": ""});
        check("v1", "Event", json!({}), &expected);
    }

    #[test]
    fn conditions_have_their_times() {
        let given = json!({"spec": {}, "status": {"conditions": [{"type": "A"}]}});
        let mut status = given["status"].clone();
        conditions(&mut status, PROBED);
        let expected = json!({"type": "A", "lastProbeTime": null, "lastTransitionTime": null});
        assert_eq!(status["conditions"][0], expected);
    }

    #[test]
    fn what_is_set_stays() {
        let given = json!({"addressType": "IPv4", "ports": [],
            "endpoints": [{"addresses": ["a"], "conditions": {"ready": true}}]});
        check("discovery.k8s.io/v1", "EndpointSlice", given.clone(), &given);
    }

    #[test]
    fn a_node_that_nothing_is_known_of_says_so() {
        let mut node = json!({});
        super::super::apply(&Gvk::core("Node"), &mut node);
        assert_eq!(node["spec"], json!({}));
        assert_eq!(node["status"]["daemonEndpoints"], json!({"kubeletEndpoint": {"Port": 0}}));
        assert_eq!(node["status"]["nodeInfo"]["osImage"], "");
    }

    #[test]
    fn a_nodes_first_range_is_the_one_that_older_clients_know() {
        let check = |given: Value, old: Value, all: Value| {
            let mut node = json!({"spec": given});
            super::super::apply(&Gvk::core("Node"), &mut node);
            assert_eq!((&node["spec"]["podCIDR"], &node["spec"]["podCIDRs"]), (&old, &all));
        };
        check(json!({"podCIDR": "10.0.0.0/24"}), json!("10.0.0.0/24"), json!(["10.0.0.0/24"]));
        check(json!({"podCIDRs": ["10.0.0.0/24"]}), json!("10.0.0.0/24"), json!(["10.0.0.0/24"]));
        let other = json!({"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.1.0.0/24"]});
        check(other, json!("10.0.0.0/24"), json!(["10.0.0.0/24"]));
        check(json!({}), Value::Null, Value::Null);
    }
}
