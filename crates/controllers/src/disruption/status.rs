//! What a budget's status says of its pods. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::scale::Expected;
use crate::owner::name;
use crate::replicaset::rank::is_ready;

/// A pod whose eviction was granted counts as gone for so long.
const DISRUPTION_SECONDS: i64 = 120;
const CONDITION: &str = "DisruptionAllowed";

/// The status now, and in how many seconds an eviction that did not happen is given back.
pub(super) fn observe(
    budget: &PodDisruptionBudget,
    pods: &[Pod],
    expected: Expected,
    now: Timestamp,
) -> (PodDisruptionBudgetStatus, Option<u64>) {
    let (disrupted, recheck) = disrupted(budget, pods, now);
    let healthy = pods.iter().filter(|pod| {
        let leaving = pod.metadata.deletion_timestamp.is_some()
            || disrupted.contains_key(name(&pod.metadata));
        !leaving && is_ready(pod)
    });
    let healthy = i32::try_from(healthy.count()).unwrap_or(i32::MAX);
    // Without any pods nothing is allowed, so that their first ones are not evicted at once.
    let allowed = if expected.count <= 0 { 0 } else { (healthy - expected.desired).max(0) };
    let (value, reason) = match allowed {
        0 => ("False", "InsufficientPods"),
        _ => ("True", "SufficientPods"),
    };
    let status = PodDisruptionBudgetStatus {
        current_healthy: Some(healthy),
        desired_healthy: Some(expected.desired),
        expected_pods: Some(expected.count),
        disruptions_allowed: Some(allowed),
        disrupted_pods: Some(disrupted).filter(|disrupted| !disrupted.is_empty()),
        observed_generation: budget.metadata.generation,
        conditions: conditions(budget, (value, reason, ""), budget.metadata.generation, now),
    };
    (status, recheck)
}

/// The status where nothing can be said: as it was, and nothing is allowed.
pub(super) fn failed(
    budget: &PodDisruptionBudget,
    why: &str,
    now: Timestamp,
) -> PodDisruptionBudgetStatus {
    let old = budget.status.clone().unwrap_or_default();
    let observed = old.observed_generation;
    PodDisruptionBudgetStatus {
        disruptions_allowed: Some(0),
        conditions: conditions(budget, ("False", "SyncFailed", why), observed, now),
        ..old
    }
}

/// The evictions that were granted and whose pods are still there.
fn disrupted(
    budget: &PodDisruptionBudget,
    pods: &[Pod],
    now: Timestamp,
) -> (BTreeMap<String, Time>, Option<u64>) {
    let granted = budget.status.as_ref().and_then(|status| status.disrupted_pods.as_ref());
    let mut still = BTreeMap::new();
    let mut soonest: Option<u64> = None;
    for pod in pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let pod = name(&pod.metadata);
        let Some(at) = granted.and_then(|granted| granted.get(pod)) else { continue };
        let left = at.0.as_second() + DISRUPTION_SECONDS - now.as_second();
        if let Ok(left) = u64::try_from(left) {
            still.insert(pod.to_owned(), at.clone());
            soonest = Some(soonest.map_or(left + 1, |soonest| soonest.min(left + 1)));
        }
    }
    (still, soonest)
}

fn conditions(
    budget: &PodDisruptionBudget,
    (value, reason, message): (&str, &str, &str),
    observed: Option<i64>,
    now: Timestamp,
) -> Option<Vec<Condition>> {
    let mut all = budget.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
    let at = all.iter().position(|condition| condition.type_ == CONDITION);
    let old = at.map(|at| all.remove(at));
    let since = old.filter(|old| old.status == value).map(|old| old.last_transition_time);
    // Whole seconds, as the API keeps them: what is the same must compare so.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    all.push(Condition {
        type_: CONDITION.into(),
        status: value.into(),
        reason: reason.into(),
        message: message.into(),
        observed_generation: observed,
        last_transition_time: since.unwrap_or(Time(now)),
    });
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn budget(status: Value) -> PodDisruptionBudget {
        serde_json::from_value(
            json!({"metadata": {"name": "b", "generation": 3}, "status": status}),
        )
        .expect("a budget")
    }

    fn pod(name: &str, ready: bool) -> Pod {
        let status = if ready { "True" } else { "False" };
        serde_json::from_value(json!({"metadata": {"name": name}, "status": {"phase": "Running",
            "conditions": [{"type": "Ready", "status": status}]}}))
        .expect("a pod")
    }

    fn none() -> Value {
        json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0})
    }

    fn numbers(status: &PodDisruptionBudgetStatus) -> (i32, i32) {
        let known = |number: Option<i32>| number.expect("a number");
        (known(status.current_healthy), known(status.disruptions_allowed))
    }

    fn now() -> Timestamp {
        "2026-01-01T00:01:00Z".parse().expect("a time")
    }

    #[test]
    fn what_is_healthy_beyond_the_desired_may_go() {
        let pods = [pod("a", true), pod("b", true), pod("c", false)];
        let check = |desired: i32, count: i32, expected: (i32, i32)| {
            let expect = Expected { count, desired };
            let (status, _) = observe(&budget(none()), &pods, expect, now());
            assert_eq!(numbers(&status), expected);
            assert_eq!(status.observed_generation, Some(3));
        };
        check(1, 3, (2, 1));
        check(2, 3, (2, 0));
        check(3, 3, (2, 0));
        check(0, 0, (2, 0));
    }

    #[test]
    fn a_granted_eviction_counts_until_its_time_is_over() {
        let mut status = none();
        status["disruptedPods"] = json!({"a": "2026-01-01T00:00:30Z", "b": "2025-12-31T23:00:00Z", "gone": "2026-01-01T00:00:30Z"});
        let pods = [pod("a", true), pod("b", true)];
        let expected = Expected { count: 2, desired: 1 };
        let (status, recheck) = observe(&budget(status), &pods, expected, now());
        assert_eq!(numbers(&status), (1, 0));
        let still: Vec<String> = status.disrupted_pods.unwrap_or_default().into_keys().collect();
        assert_eq!((still, recheck), (vec!["a".to_owned()], Some(91)));
    }

    #[test]
    fn a_status_that_says_the_same_stays_as_it_is() {
        let pods = [pod("a", true)];
        let expected = Expected { count: 1, desired: 0 };
        let (first, _) = observe(&budget(none()), &pods, expected, now());
        let mut again = budget(none());
        again.status = Some(first.clone());
        let later = "2026-01-01T00:05:00Z".parse().expect("a time");
        assert_eq!(observe(&again, &pods, expected, later).0, first);
        let failed = failed(&again, "no", later);
        assert_eq!(failed.disruptions_allowed, Some(0));
        assert_eq!(failed.conditions.expect("one")[0].reason, "SyncFailed");
    }
}
