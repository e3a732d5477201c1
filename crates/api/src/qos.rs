//! A pod's service class, which follows from what it asks for.
//! Source: Kubernetes, "Pod Quality of Service Classes",
//! <https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/>.

use serde_json::Value;

use crate::Quantity;
use crate::read;

const COMPUTE: [&str; 2] = ["cpu", "memory"];

/// `Guaranteed`, `Burstable` or `BestEffort`. What is said of the pod as a whole has the last word.
pub fn class(pod: &Value) -> &'static str {
    let spec = &pod["spec"];
    let whole = [spec];
    let holders: Vec<&Value> = if asks(spec) || is_limited(spec) {
        whole.to_vec()
    } else {
        let lists = ["containers", "initContainers"];
        lists.iter().flat_map(|field| read::list(spec, field)).collect()
    };
    if !holders.iter().any(|holder| asks(holder)) {
        return "BestEffort";
    }
    if holders.iter().all(|holder| is_guaranteed(holder)) { "Guaranteed" } else { "Burstable" }
}

fn amount<'a>(holder: &'a Value, side: &str, resource: &str) -> &'a Value {
    read::at(holder, &["resources", side, resource])
}

fn asks(holder: &Value) -> bool {
    let positive = |side: &str, resource: &str| !is_zero(amount(holder, side, resource));
    ["requests", "limits"].iter().any(|side| COMPUTE.iter().any(|name| positive(side, name)))
}

fn is_limited(holder: &Value) -> bool {
    COMPUTE.iter().any(|name| !amount(holder, "limits", name).is_null())
}

fn is_guaranteed(holder: &Value) -> bool {
    COMPUTE.iter().all(|name| {
        let (limit, request) = (amount(holder, "limits", name), amount(holder, "requests", name));
        !is_zero(limit) && (request.is_null() || quantity(request) == quantity(limit))
    })
}

fn quantity(value: &Value) -> Option<Quantity> {
    Quantity::from_value(value).ok()
}

fn is_zero(value: &Value) -> bool {
    value.is_null() || quantity(value).is_some_and(|amount| amount.is_zero())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(resources: &[Value], expected: &str) {
        let containers: Vec<Value> =
            resources.iter().map(|resources| json!({ "resources": resources })).collect();
        assert_eq!(class(&json!({"spec": {"containers": containers}})), expected);
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
    fn what_is_said_of_the_whole_pod_has_the_last_word() {
        let class_of = |whole: Value| {
            class(&json!({"spec": {"resources": whole,
                "containers": [{"resources": {"requests": {"cpu": "1m"}}}]}}))
        };
        assert_eq!(class_of(json!({})), "Burstable");
        assert_eq!(class_of(json!({"limits": {"cpu": "1", "memory": "1Gi"}})), "Guaranteed");
        assert_eq!(class_of(json!({"limits": {"cpu": "1"}})), "Burstable");
    }
}
