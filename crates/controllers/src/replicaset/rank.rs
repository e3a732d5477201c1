//! Which pods go first when there are too many.

use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::jiff::Timestamp;

/// Counts towards the wanted replicas: not finished, not on its way out.
pub(crate) fn is_active(pod: &Pod) -> bool {
    let phase = phase(pod);
    phase != "Succeeded" && phase != "Failed" && pod.metadata.deletion_timestamp.is_none()
}

/// Is the pod's Ready condition true.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    ready_condition(pod).is_some_and(|condition| condition.status == "True")
}

/// Since when the pod has been ready, if it is.
pub(crate) fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let condition = ready_condition(pod).filter(|condition| condition.status == "True")?;
    condition.last_transition_time.as_ref().map(|time| time.0)
}

fn ready_condition(pod: &Pod) -> Option<&PodCondition> {
    pod.status.as_ref()?.conditions.iter().flatten().find(|condition| condition.type_ == "Ready")
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

/// Sorts pods so that those whose loss costs least come first: unassigned before
/// assigned, pending before running, not ready before ready, lower deletion cost first,
/// shorter ready first, more restarts first, younger first (Kubernetes' ActivePodsWithRanks).
pub(crate) fn first_to_go(mut pods: Vec<&Pod>, now: Timestamp) -> Vec<&Pod> {
    pods.sort_by_key(|pod| cost_of_loss(pod, now));
    pods
}

fn cost_of_loss(pod: &Pod, now: Timestamp) -> impl Ord + use<> {
    let assigned = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let phase = match phase(pod) {
        "Pending" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    let age = |since: Timestamp| now.as_second() - since.as_second();
    let ready_for = ready_since(pod).map_or(0, age);
    let created_ago = pod.metadata.creation_timestamp.as_ref().map_or(0, |time| age(time.0));
    (assigned, phase, is_ready(pod), deletion_cost(pod), ready_for, -restarts(pod), created_ago)
}

fn deletion_cost(pod: &Pod) -> i32 {
    let annotations = pod.metadata.annotations.as_ref();
    annotations
        .and_then(|all| all.get("controller.kubernetes.io/pod-deletion-cost"))
        .and_then(|cost| cost.parse().ok())
        .unwrap_or(0)
}

fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    statuses.into_iter().flatten().map(|container| container.restart_count).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(name: &str, fields: Value) -> Pod {
        let mut pod =
            json!({"metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"}});
        json_patch::merge(&mut pod, &fields);
        serde_json::from_value(pod).expect("a pod")
    }

    fn ready(name: &str, since: &str) -> Pod {
        pod(
            name,
            json!({"spec": {"nodeName": "n", "containers": []}, "status": {"phase": "Running",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}]}}),
        )
    }

    fn check(pods: Vec<Pod>, expected: &[&str]) {
        let now: Timestamp = "2026-01-01T01:00:00Z".parse().expect("a time");
        let order = first_to_go(pods.iter().collect(), now);
        let names: Vec<_> = order.iter().filter_map(|pod| pod.metadata.name.as_deref()).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn unassigned_then_not_ready_then_ready() {
        let waiting = pod("waiting", json!({}));
        let starting = pod("starting", json!({"spec": {"nodeName": "n", "containers": []}}));
        let running = ready("running", "2026-01-01T00:10:00Z");
        check(vec![running, starting, waiting], &["waiting", "starting", "running"]);
    }

    #[test]
    fn shorter_ready_goes_first() {
        let old = ready("old", "2026-01-01T00:10:00Z");
        let new = ready("new", "2026-01-01T00:50:00Z");
        check(vec![old, new], &["new", "old"]);
    }

    #[test]
    fn a_deletion_cost_decides_among_ready_pods() {
        let mut dear = ready("dear", "2026-01-01T00:50:00Z");
        let cost = ("controller.kubernetes.io/pod-deletion-cost".to_owned(), "10".to_owned());
        dear.metadata.annotations = Some([cost].into());
        let cheap = ready("cheap", "2026-01-01T00:10:00Z");
        check(vec![dear, cheap], &["cheap", "dear"]);
    }
}
