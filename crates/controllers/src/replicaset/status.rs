//! What a set's status says of its pods.

use k8s_openapi::api::apps::v1::{ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::rank::{is_active, is_ready, ready_since};
use super::replicator::Replicator;
use crate::drive::ReconcileError;

/// The condition of a set that cannot have its pods.
pub(crate) const FAILURE: &str = "ReplicaFailure";

/// The status now, and in how many seconds a ready pod becomes available if one waits for
/// `minReadySeconds`.
pub(crate) fn observe<S: Replicator>(
    set: &S,
    pods: &[Pod],
    failure: Option<&ReconcileError>,
    now: Timestamp,
) -> (ReplicaSetStatus, Option<u64>) {
    let active: Vec<&Pod> = pods.iter().filter(|pod| is_active(pod)).collect();
    let min_ready = i64::from(set.min_ready_seconds());
    let until_available =
        |pod: &Pod| ready_since(pod).map(|since| min_ready - (now.as_second() - since.as_second()));
    let left: Vec<i64> = active.iter().filter_map(|pod| until_available(pod)).collect();
    let status = ReplicaSetStatus {
        replicas: count(active.len()),
        fully_labeled_replicas: Some(count(
            active.iter().filter(|pod| has_labels(set, pod)).count(),
        )),
        ready_replicas: Some(count(active.iter().filter(|pod| is_ready(pod)).count())),
        available_replicas: Some(count(left.iter().filter(|left| **left <= 0).count())),
        terminating_replicas: Some(count(pods.iter().filter(|pod| is_terminating(pod)).count())),
        observed_generation: set.meta().generation,
        conditions: conditions(set, failure, now),
    };
    let soonest = left.into_iter().filter(|left| *left > 0).min();
    (status, soonest.and_then(|left| u64::try_from(left).ok()))
}

fn count(pods: usize) -> i32 {
    i32::try_from(pods).unwrap_or(i32::MAX)
}

fn is_terminating(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

fn has_labels<S: Replicator>(set: &S, pod: &Pod) -> bool {
    let wanted = set.template().and_then(|t| t.metadata.as_ref()).and_then(|m| m.labels.as_ref());
    let has = pod.metadata.labels.as_ref();
    wanted.into_iter().flatten().all(|(key, value)| has.and_then(|l| l.get(key)) == Some(value))
}

/// The conditions that there are, with one that tells of a failure while there is one. It stays as it was first
/// said: each failure names another pod, and a status that changed with each would wake its own controller for ever.
fn conditions<S: Replicator>(
    set: &S,
    failure: Option<&ReconcileError>,
    now: Timestamp,
) -> Option<Vec<ReplicaSetCondition>> {
    let mut conditions = set.conditions();
    match failure {
        None => conditions.retain(|condition| condition.type_ != FAILURE),
        Some(_) if conditions.iter().any(|condition| condition.type_ == FAILURE) => {}
        Some(failure) => conditions.push(ReplicaSetCondition {
            type_: FAILURE.into(),
            status: "True".into(),
            reason: Some("FailedCreate".into()),
            message: Some(failure_text(failure)),
            last_transition_time: Some(Time(now)),
        }),
    }
    (!conditions.is_empty()).then_some(conditions)
}

fn failure_text(failure: &ReconcileError) -> String {
    match failure {
        ReconcileError::Api(kube::Error::Api(status)) => status.message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::apps::v1::ReplicaSet;
    use serde_json::json;

    fn set(min_ready: i32) -> ReplicaSet {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "generation": 3},
            "spec": {"replicas": 2, "minReadySeconds": min_ready,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}}},
        }))
        .expect("a ReplicaSet")
    }

    fn ready_pod(since: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"labels": {"app": "web"}},
            "status": {"phase": "Running", "conditions":
                [{"type": "Ready", "status": "True", "lastTransitionTime": since}]},
        }))
        .expect("a Pod")
    }

    fn check(min_ready: i32, pods: &[Pod], expected: (i32, i32, i32), recheck: Option<u64>) {
        let now = "2026-01-01T00:01:00Z".parse().expect("a time");
        let (status, again) = observe(&set(min_ready), pods, None, now);
        let seen = (
            status.replicas,
            status.ready_replicas.unwrap_or(0),
            status.available_replicas.unwrap_or(0),
        );
        assert_eq!((seen, again), (expected, recheck));
    }

    #[test]
    fn a_ready_pod_is_available_at_once_without_min_ready_seconds() {
        check(0, &[ready_pod("2026-01-01T00:01:00Z"), Pod::default()], (2, 1, 1), None);
    }

    #[test]
    fn a_ready_pod_becomes_available_after_min_ready_seconds() {
        check(30, &[ready_pod("2026-01-01T00:00:50Z")], (1, 1, 0), Some(20));
    }

    #[test]
    fn a_terminating_pod_is_counted_apart() {
        let mut pod = ready_pod("2026-01-01T00:00:00Z");
        pod.metadata.deletion_timestamp =
            Some(Time("2026-01-01T00:00:30Z".parse().expect("a time")));
        let now = "2026-01-01T00:01:00Z".parse().expect("a time");
        let (status, _) = observe(&set(0), &[pod], None, now);
        assert_eq!((status.replicas, status.terminating_replicas), (0, Some(1)));
    }

    #[test]
    fn a_failure_is_said_once_and_others_conditions_stay() {
        let now = "2026-01-01T00:01:00Z".parse().expect("a time");
        let failure = |text: &str| {
            let status = json!({"code": 403, "message": text});
            let status: kube::core::Status = serde_json::from_value(status).expect("a status");
            ReconcileError::Api(kube::Error::Api(Box::new(status)))
        };
        let texts = |set: &ReplicaSet, failure: Option<&ReconcileError>| -> Vec<String> {
            let conditions = conditions(set, failure, now).unwrap_or_default();
            conditions.into_iter().filter_map(|condition| condition.message).collect()
        };
        let mut set = set(0);
        assert_eq!(texts(&set, Some(&failure("pod a is too much"))), ["pod a is too much"]);
        let said = json!({"replicas": 0, "conditions": [
            {"type": "Mine", "status": "True", "message": "stays"},
            {"type": FAILURE, "status": "True", "message": "pod a is too much"}]});
        set.status = Some(serde_json::from_value(said).expect("a status"));
        let before = ["stays", "pod a is too much"];
        assert_eq!(texts(&set, Some(&failure("pod b is too much"))), before);
        assert_eq!(texts(&set, None), ["stays"]);
    }
}
