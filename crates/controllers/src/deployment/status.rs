//! What a Deployment's status says of its rollout.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::replicasets::ReplicaSets;
use super::rolling::Limits;
use crate::owner::name;

/// A rollout that makes no headway for this long has failed, unless the spec says otherwise.
const PROGRESS_DEADLINE_SECONDS: i64 = 600;
/// The reason that ends a rollout well.
const COMPLETE: &str = "NewReplicaSetAvailable";
/// The reason that ends a rollout badly.
const FAILED: &str = "ProgressDeadlineExceeded";

/// The status now.
pub(crate) fn observe(
    deployment: &Deployment,
    sets: &ReplicaSets,
    now: Timestamp,
) -> DeploymentStatus {
    let before = deployment.status.clone().unwrap_or_default();
    let mut status = count(deployment, sets);
    status.collision_count = before.collision_count;
    let limits = Limits::of(&deployment.spec.clone().unwrap_or_default());
    let available = status.available_replicas.unwrap_or(0);
    let enough = available >= limits.wanted - limits.max_unavailable;
    let progress = progress(deployment, sets, &status, now);
    let old = before.conditions.as_deref().unwrap_or_default();
    let conditions = [Some(availability(enough)), progress];
    let conditions =
        conditions.into_iter().flatten().map(|wanted| wanted.carry(old, now)).collect();
    status.conditions = Some(conditions);
    status
}

/// In how many seconds the rollout is overdue, while it goes on.
pub(crate) fn deadline(
    deployment: &Deployment,
    status: &DeploymentStatus,
    now: Timestamp,
) -> Option<u64> {
    let progressing = find(status.conditions.as_deref()?, "Progressing")?;
    let over = [Some(COMPLETE), Some(FAILED), Some("DeploymentPaused")];
    if over.contains(&progressing.reason.as_deref()) {
        return None;
    }
    let since = progressing.last_update_time.as_ref()?.0.as_second();
    let left = since + deadline_seconds(deployment) - now.as_second();
    Some(u64::try_from(left).unwrap_or(0).max(1))
}

fn deadline_seconds(deployment: &Deployment) -> i64 {
    let spec = deployment.spec.as_ref();
    spec.and_then(|s| s.progress_deadline_seconds).map_or(PROGRESS_DEADLINE_SECONDS, i64::from)
}

fn count(deployment: &Deployment, sets: &ReplicaSets) -> DeploymentStatus {
    let sum = |get: fn(&ReplicaSet) -> i32| sets.all().map(get).sum::<i32>();
    let available = sum(|set| set.status.as_ref().and_then(|s| s.available_replicas).unwrap_or(0));
    let terminating =
        sum(|set| set.status.as_ref().and_then(|s| s.terminating_replicas).unwrap_or(0));
    let wanted = sum(|set| set.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1));
    let updated = sets.new.as_ref().and_then(|set| set.status.as_ref()).map_or(0, |s| s.replicas);
    DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: Some(sum(|set| set.status.as_ref().map_or(0, |s| s.replicas))),
        updated_replicas: Some(updated),
        ready_replicas: Some(sum(|s| {
            s.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0)
        })),
        available_replicas: Some(available),
        unavailable_replicas: Some((wanted - available).max(0)),
        terminating_replicas: Some(terminating),
        ..Default::default()
    }
}

/// A condition before it is compared with the one of last time.
struct Wanted {
    type_: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
    /// Headway was made: the clock of the deadline starts again.
    touched: bool,
}

impl Wanted {
    /// Keeps the times of last time's condition where nothing changed.
    fn carry(self, old: &[DeploymentCondition], now: Timestamp) -> DeploymentCondition {
        let before = find(old, self.type_);
        let same_status = before.filter(|condition| condition.status == self.status);
        let same =
            same_status.filter(|c| c.reason.as_deref() == Some(self.reason) && !self.touched);
        let transition = same_status.and_then(|c| c.last_transition_time.clone());
        let update = same.and_then(|condition| condition.last_update_time.clone());
        DeploymentCondition {
            type_: self.type_.into(),
            status: self.status.into(),
            reason: Some(self.reason.into()),
            message: Some(self.message),
            last_transition_time: transition.or(Some(Time(now))),
            last_update_time: update.or(Some(Time(now))),
        }
    }
}

fn availability(enough: bool) -> Wanted {
    let (status, reason, message) = if enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    Wanted { type_: "Available", status, reason, message: message.into(), touched: false }
}

fn progress(
    deployment: &Deployment,
    sets: &ReplicaSets,
    status: &DeploymentStatus,
    now: Timestamp,
) -> Option<Wanted> {
    let spec = deployment.spec.clone().unwrap_or_default();
    let before = deployment.status.clone().unwrap_or_default();
    let old = find(before.conditions.as_deref().unwrap_or_default(), "Progressing").cloned();
    let of = |status, reason, message, touched| {
        Some(Wanted { type_: "Progressing", status, reason, message, touched })
    };
    if spec.paused == Some(true) {
        return of("Unknown", "DeploymentPaused", "Deployment is paused".into(), false);
    }
    let new = sets.new.as_ref()?;
    let quoted = format!("ReplicaSet \"{}\"", name(&new.metadata));
    if is_complete(spec.replicas.unwrap_or(1), status) {
        return of("True", COMPLETE, format!("{quoted} has successfully progressed."), false);
    }
    let moved = has_moved(&before, status);
    let Some(old) = old.filter(|_| !moved) else {
        return of("True", "ReplicaSetUpdated", format!("{quoted} is progressing."), moved);
    };
    // A rollout that was complete is disturbed (a pod died): that is no new rollout.
    let was_complete = old.reason.as_deref() == Some(COMPLETE);
    if was_complete && before.updated_replicas == status.updated_replicas {
        return of("True", COMPLETE, old.message.unwrap_or_default(), false);
    }
    let since = old.last_update_time.map_or(now, |time| time.0);
    if now.as_second() - since.as_second() >= deadline_seconds(deployment) {
        return of("False", FAILED, format!("{quoted} has timed out progressing."), false);
    }
    of("True", "ReplicaSetUpdated", format!("{quoted} is progressing."), false)
}

fn is_complete(wanted: i32, status: &DeploymentStatus) -> bool {
    status.updated_replicas == Some(wanted)
        && status.replicas == Some(wanted)
        && status.available_replicas == Some(wanted)
}

/// More updated, ready or available pods, or fewer old ones, than last time.
fn has_moved(before: &DeploymentStatus, now: &DeploymentStatus) -> bool {
    let old_pods = |s: &DeploymentStatus| s.replicas.unwrap_or(0) - s.updated_replicas.unwrap_or(0);
    now.updated_replicas.unwrap_or(0) > before.updated_replicas.unwrap_or(0)
        || now.ready_replicas.unwrap_or(0) > before.ready_replicas.unwrap_or(0)
        || now.available_replicas.unwrap_or(0) > before.available_replicas.unwrap_or(0)
        || old_pods(now) < old_pods(before)
}

fn find<'a>(conditions: &'a [DeploymentCondition], type_: &str) -> Option<&'a DeploymentCondition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn deployment(status: Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "generation": 2},
            "spec": {"replicas": 2, "progressDeadlineSeconds": 60,
                "selector": {}, "template": {}},
            "status": status,
        }))
        .expect("a Deployment")
    }

    fn set(name: &str, wanted: i32, available: i32) -> ReplicaSet {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"replicas": wanted, "selector": {}},
            "status": {"replicas": wanted, "readyReplicas": available, "availableReplicas": available},
        }))
        .expect("a ReplicaSet")
    }

    fn check(status: Value, new: ReplicaSet, old: Vec<ReplicaSet>, expected: [(&str, &str); 2]) {
        let now = "2026-01-01T00:10:00Z".parse().expect("a time");
        let sets = ReplicaSets { new: Some(new), old };
        let seen = observe(&deployment(status), &sets, now);
        let conditions = seen.conditions.unwrap_or_default();
        let seen: Vec<_> = conditions
            .iter()
            .map(|c| (c.status.as_str(), c.reason.as_deref().unwrap_or_default()))
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn all_new_and_available_is_complete() {
        let expected = [("True", "MinimumReplicasAvailable"), ("True", COMPLETE)];
        check(json!({}), set("new", 2, 2), vec![set("old", 0, 0)], expected);
    }

    #[test]
    fn an_old_pod_left_is_progressing() {
        let expected = [("True", "MinimumReplicasAvailable"), ("True", "ReplicaSetUpdated")];
        check(json!({}), set("new", 2, 2), vec![set("old", 1, 1)], expected);
    }

    #[test]
    fn no_headway_until_the_deadline_has_failed() {
        let stuck = json!({"replicas": 2, "updatedReplicas": 2, "readyReplicas": 0,
            "conditions": [{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated",
                "lastUpdateTime": "2026-01-01T00:08:00Z"}]});
        let expected = [("False", "MinimumReplicasUnavailable"), ("False", FAILED)];
        check(stuck, set("new", 2, 0), vec![], expected);
    }

    #[test]
    fn a_pod_lost_after_completion_starts_no_deadline() {
        let done = json!({"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2,
            "availableReplicas": 2, "conditions": [{"type": "Progressing", "status": "True",
                "reason": COMPLETE, "lastUpdateTime": "2026-01-01T00:00:00Z"}]});
        let expected = [("False", "MinimumReplicasUnavailable"), ("True", COMPLETE)];
        check(done, set("new", 2, 1), vec![], expected);
    }
}
