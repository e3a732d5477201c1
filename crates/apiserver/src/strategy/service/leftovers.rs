//! A Service of a new type: what only its old type had, and the writer left alone, goes.

use serde_json::Value;

use crate::object::{child_mut, text};

/// Which Services have a field.
type Has = fn(&Value) -> bool;

const FIELDS: [(&str, Has); 4] = [
    ("externalTrafficPolicy", is_external),
    ("allocateLoadBalancerNodePorts", is_balanced),
    ("loadBalancerClass", is_balanced),
    ("healthCheckNodePort", has_health_check),
];

/// Takes the leftovers of `old` off.
pub(super) fn drop(old: &Value, service: &mut Value) {
    for (field, has) in FIELDS {
        let left = has(old) && !has(service) && old["spec"][field] == service["spec"][field];
        if left {
            child_mut(service, "spec").remove(field);
        }
    }
}

fn is_external(service: &Value) -> bool {
    let addresses = service["spec"]["externalIPs"].as_array();
    matches!(text(service, "/spec/type"), "NodePort" | "LoadBalancer")
        || addresses.is_some_and(|addresses| !addresses.is_empty())
}

fn is_balanced(service: &Value) -> bool {
    text(service, "/spec/type") == "LoadBalancer"
}

fn has_health_check(service: &Value) -> bool {
    is_balanced(service) && text(service, "/spec/externalTrafficPolicy") == "Local"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(old: Value, new: Value, expected: Value) {
        let mut service = json!({ "spec": new });
        drop(&json!({ "spec": old }), &mut service);
        assert_eq!(service["spec"], expected);
    }

    #[test]
    fn what_the_new_type_has_no_use_for_goes() {
        let old = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local",
            "healthCheckNodePort": 30000, "loadBalancerClass": "a"});
        let mut new = old.clone();
        new["type"] = "ClusterIP".into();
        check(old.clone(), new.clone(), json!({"type": "ClusterIP"}));
        new["type"] = "NodePort".into();
        check(old, new, json!({"type": "NodePort", "externalTrafficPolicy": "Local"}));
    }

    #[test]
    fn what_the_writer_changed_is_judged_as_it_is() {
        let old = json!({"type": "NodePort", "externalTrafficPolicy": "Cluster"});
        let new = json!({"type": "ClusterIP", "externalTrafficPolicy": "Local"});
        check(old, new.clone(), new);
    }
}
