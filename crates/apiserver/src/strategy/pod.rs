//! Pods: pending at first, with the service class that follows from their resources.

use serde_json::{Map, Value, json};

use crate::object::child_mut;
use crate::table::list;

/// A pod that a node agent made from a file: it has no account.
pub(crate) const MIRROR: &str = "kubernetes.io/config.mirror";

pub(super) fn prepare(pod: &mut Value) {
    let is_mirror = pod["metadata"]["annotations"].get(MIRROR).is_some();
    let spec = child_mut(pod, "spec");
    // The old and the new name of one field.
    let account = ["serviceAccountName", "serviceAccount"]
        .iter()
        .filter_map(|field| spec.get(*field)?.as_str())
        .find(|name| !name.is_empty())
        .or((!is_mirror).then_some("default"))
        .map(str::to_owned);
    let Some(account) = account else { return };
    spec.insert("serviceAccountName".to_owned(), account.clone().into());
    spec.insert("serviceAccount".to_owned(), account.into());
}

pub(super) fn initial_status(pod: &Value) -> Value {
    let mut status = json!({"phase": "Pending", "qosClass": api::qos::class(pod)});
    if !list(pod, "/spec/schedulingGates").is_empty() {
        status["conditions"] = json!([{
            "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]);
    }
    status
}

/// Writes the service class again.
pub(super) fn qualify(pod: &mut Value) {
    let class = api::qos::class(pod);
    child_mut(pod, "status").insert("qosClass".to_owned(), class.into());
}

/// A node that does not tell the service class, or which generation it has seen, leaves that as it
/// was.
pub(crate) fn keep_facts(old: &Value, new: &mut Value) {
    const SEEN: &str = "observedGeneration";
    let status = child_mut(new, "status");
    for field in ["qosClass", SEEN] {
        keep(&old["status"], status, field);
    }
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten().filter_map(Value::as_object_mut) {
        let had = list(old, "/status/conditions");
        let same_type = |one: &&Value| Some(&one["type"]) == condition.get("type");
        if let Some(had) = had.iter().find(same_type) {
            keep(had, condition, SEEN);
        }
    }
}

/// The old value, where there is no new one.
fn keep(old: &Value, new: &mut Map<String, Value>, field: &str) {
    let empty = |value: &Value| value.is_null() || *value == json!("") || *value == json!(0);
    if new.get(field).is_none_or(empty)
        && let Some(had) = old.get(field)
    {
        new.insert(field.to_owned(), had.clone());
    }
}

/// What a write of the ephemeral containers makes of a pod.
pub(crate) fn with_debuggers(old: &Value, new: &Value) -> Value {
    let mut kept = old.clone();
    set(child_mut(&mut kept, "spec"), "ephemeralContainers", &new["spec"]);
    kept
}

/// What a write of requests and limits makes of a pod. Of containers that are not the old ones
/// all is kept, for validation to find that.
pub(crate) fn with_resources(old: &Value, new: &Value) -> Value {
    let mut kept = old.clone();
    set(child_mut(&mut kept, "spec"), "resources", &new["spec"]);
    for field in ["containers", "initContainers"] {
        let wanted = list(new, &format!("/spec/{field}"));
        let have = kept["spec"].get_mut(field).and_then(Value::as_array_mut);
        let names = |all: &[Value]| -> Vec<Value> {
            all.iter().map(|container| container["name"].clone()).collect()
        };
        if have.as_deref().map(|have| names(have)).unwrap_or_default() != names(wanted) {
            set(child_mut(&mut kept, "spec"), field, &new["spec"]);
            continue;
        }
        for (container, wanted) in have.into_iter().flatten().zip(wanted) {
            let Some(container) = container.as_object_mut() else { continue };
            set(container, "resources", wanted);
            set(container, "resizePolicy", wanted);
        }
    }
    kept
}

/// Sets a field as `from` has it.
fn set(to: &mut Map<String, Value>, field: &str, from: &Value) {
    match from.get(field) {
        Some(value) => to.insert(field.to_owned(), value.clone()),
        None => to.remove(field),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_behind_gates_says_so_from_its_beginning() {
        let pod = |gates: Value| json!({"spec": {"schedulingGates": gates}});
        assert_eq!(initial_status(&pod(json!([])))["conditions"], Value::Null);
        let gated = initial_status(&pod(json!([{"name": "a.b/c"}])));
        assert_eq!(gated["conditions"][0]["reason"], "SchedulingGated");
    }

    #[test]
    fn a_resize_changes_requests_and_limits_and_no_more() {
        let old = json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n", "containers": [
            {"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]}});
        let mut new = old.clone();
        new["spec"]["nodeName"] = json!("m");
        new["spec"]["containers"][0] =
            json!({"name": "c", "image": "j", "resources": {"requests": {"cpu": "2"}}});
        let mut expected = old.clone();
        expected["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("2");
        assert_eq!(with_resources(&old, &new), expected);
        new["spec"]["containers"][0]["name"] = json!("d");
        assert_eq!(with_resources(&old, &new)["spec"]["containers"], new["spec"]["containers"]);
    }

    #[test]
    fn of_a_write_of_ephemeral_containers_only_those_are_taken() {
        let old = json!({"spec": {"nodeName": "n", "containers": [{"name": "c"}]}});
        let new = json!({"spec": {"nodeName": "m", "ephemeralContainers": [{"name": "d"}]}});
        let expected = json!({"spec": {"nodeName": "n", "containers": [{"name": "c"}],
            "ephemeralContainers": [{"name": "d"}]}});
        assert_eq!(with_debuggers(&old, &new), expected);
    }

    #[test]
    fn a_status_that_tells_less_takes_nothing_away() {
        let old = json!({"status": {"qosClass": "Burstable", "observedGeneration": 3,
            "conditions": [{"type": "Ready", "observedGeneration": 2}]}});
        let mut new = json!({"status": {"conditions": [{"type": "Ready"}, {"type": "Other"}]}});
        keep_facts(&old, &mut new);
        let expected = json!({"qosClass": "Burstable", "observedGeneration": 3, "conditions": [
            {"type": "Ready", "observedGeneration": 2}, {"type": "Other"}]});
        assert_eq!(new["status"], expected);
    }

    #[test]
    fn a_pod_has_a_service_account() {
        let mut pod = json!({"spec": {}});
        prepare(&mut pod);
        assert_eq!(pod["spec"]["serviceAccountName"], "default");
        let mut pod = json!({"spec": {"serviceAccount": "web"}});
        prepare(&mut pod);
        assert_eq!(pod["spec"]["serviceAccountName"], "web");
        let mut mirror = json!({"metadata": {"annotations": {MIRROR: "x"}}, "spec": {}});
        prepare(&mut mirror);
        assert_eq!(mirror["spec"]["serviceAccountName"], json!(null));
    }
}
