//! Pods: pending at first, with the service class that follows from their resources.

use api::Quantity;
use serde_json::{Value, json};

use crate::object::child_mut;
use crate::table::list;

pub(super) fn prepare(pod: &mut Value) {
    let spec = child_mut(pod, "spec");
    // The old and the new name of one field.
    let account = ["serviceAccountName", "serviceAccount"]
        .iter()
        .filter_map(|field| spec.get(*field)?.as_str())
        .find(|name| !name.is_empty())
        .unwrap_or("default")
        .to_owned();
    spec.insert("serviceAccountName".to_owned(), account.clone().into());
    spec.insert("serviceAccount".to_owned(), account.into());
}

pub(super) fn initial_status(pod: &Value) -> Value {
    json!({"phase": "Pending", "qosClass": qos_class(pod)})
}

/// Writes the service class again.
pub(super) fn qualify(pod: &mut Value) {
    let class = qos_class(pod);
    child_mut(pod, "status").insert("qosClass".to_owned(), class.into());
}

/// Guaranteed, Burstable or BestEffort.
fn qos_class(pod: &Value) -> &'static str {
    let containers: Vec<&Value> =
        list(pod, "/spec/containers").iter().chain(list(pod, "/spec/initContainers")).collect();
    let asks = |container: &Value| {
        ["requests", "limits"].iter().any(|side| {
            ["cpu", "memory"]
                .iter()
                .any(|resource| !is_zero(&container["resources"][side][resource]))
        })
    };
    if !containers.iter().any(|container| asks(container)) {
        return "BestEffort";
    }
    let guaranteed = containers.iter().all(|container| {
        ["cpu", "memory"].iter().all(|resource| {
            let limit = &container["resources"]["limits"][resource];
            let request = &container["resources"]["requests"][resource];
            !is_zero(limit) && (request.is_null() || amount(request) == amount(limit))
        })
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

fn amount(quantity: &Value) -> Option<Quantity> {
    match quantity {
        Value::String(text) => text.parse().ok(),
        other => other.to_string().parse().ok(),
    }
}

fn is_zero(quantity: &Value) -> bool {
    quantity.is_null() || amount(quantity) == "0".parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(resources: &[Value], expected: &str) {
        let containers: Vec<Value> =
            resources.iter().map(|resources| json!({ "resources": resources })).collect();
        assert_eq!(qos_class(&json!({"spec": {"containers": containers}})), expected);
    }

    #[test]
    fn the_service_class_follows_from_requests_and_limits() {
        let all = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
        check(&[json!({})], "BestEffort");
        check(&[json!({"requests": {"cpu": "0"}})], "BestEffort");
        check(&[json!({"requests": {"cpu": "100m"}})], "Burstable");
        check(std::slice::from_ref(&all), "Guaranteed");
        check(&[all.clone(), json!({})], "Burstable");
        let equal = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}});
        check(&[equal], "Guaranteed");
    }

    #[test]
    fn a_pod_has_a_service_account() {
        let mut pod = json!({"spec": {}});
        prepare(&mut pod);
        assert_eq!(pod["spec"]["serviceAccountName"], "default");
        let mut pod = json!({"spec": {"serviceAccount": "web"}});
        prepare(&mut pod);
        assert_eq!(pod["spec"]["serviceAccountName"], "web");
    }
}
