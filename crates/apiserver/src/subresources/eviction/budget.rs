//! PodDisruptionBudgets as an eviction sees them.

use api::selector::LabelSelector;
use api::status::{Cause, Status};
use serde_json::{Value, json};
use store::KeyValue;

use super::is_ready;
use crate::error::{ApiError, ApiResult};
use crate::kinds::{self, Kind};
use crate::object::{child_mut, meta, text};
use crate::registry::{Along, Registry, Written};
use crate::request::Call;
use crate::table::{integer, list};
use crate::verbs::{ATTEMPTS_MAX, now};

/// So many evictions may be under way that the controller has not seen the end of.
const DISRUPTED_MAX: usize = 2000;
const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
/// When to ask again where the controller has not looked yet.
const RETRY_SECONDS: u32 = 10;
const SEVERAL: &str = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";

/// What stands between a pod and its eviction.
pub(super) enum Guard {
    /// Nothing.
    None,
    /// A budget that does not count this pod, because it is not healthy.
    Unhealthy,
    /// A budget that must have something left.
    Budget(Budget),
}

/// The budget of one pod.
pub(super) struct Budget {
    name: String,
}

fn kind() -> &'static std::sync::Arc<Kind> {
    kinds::find("policy", "v1", "poddisruptionbudgets").expect("budgets are in the table")
}

/// Finds the pod's budget.
pub(super) fn guard(call: &Call<'_>, pod: &Value) -> ApiResult<Guard> {
    let place = Registry::range(kind(), Some(call.namespace()));
    let all = call.registry().store.range(&place, None, 0);
    let all = all.map_err(|error| ApiError::internal("read the PodDisruptionBudgets", &error))?;
    let mut found = Vec::new();
    for kv in all.entries.iter() {
        let budget = call.registry().decode(kv)?;
        // One that cannot be read selects nothing, as upstream.
        let selector = LabelSelector::from_object(&budget["spec"]["selector"]);
        if selector.is_ok_and(|selector| selector.matches_object(pod)) {
            found.push(budget);
        }
    }
    match found.as_slice() {
        [] => Ok(Guard::None),
        [budget] if !is_ready(pod) && may_lose_unhealthy(budget) => Ok(Guard::Unhealthy),
        [budget] => Ok(Guard::Budget(Budget { name: meta(budget, "name").to_owned() })),
        _ => Err(Status::failure(500, "InternalError", SEVERAL).into()),
    }
}

fn may_lose_unhealthy(budget: &Value) -> bool {
    let desired = integer(budget, "/status/desiredHealthy");
    text(budget, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow"
        || (desired > 0 && integer(budget, "/status/currentHealthy") >= desired)
}

impl Budget {
    /// Takes one disruption from what is left, for the pod of the call; or refuses.
    pub(super) async fn spend(&self, call: &Call<'_>, dry_run: bool) -> ApiResult<()> {
        let registry = call.registry();
        for _ in 0..ATTEMPTS_MAX {
            let Some(kv) = registry.get(kind(), call.namespace(), &self.name) else {
                // Gone meanwhile: then it guards nothing.
                return Ok(());
            };
            let old = registry.decode(&kv)?;
            let new = spent(&old, call.name())?;
            if dry_run || self.write(call, (&kv, &old), &new).await? {
                return Ok(());
            }
        }
        Err(Status::timeout(format!(
            "couldn't update PodDisruptionBudget {:?} due to conflicts",
            self.name
        ))
        .into())
    }

    async fn write(
        &self,
        call: &Call<'_>,
        old: (&KeyValue, &Value),
        new: &Value,
    ) -> ApiResult<bool> {
        let written = call.registry().replace(kind(), old, new, &Along::new()).await?;
        Ok(matches!(written, Written::At(..)))
    }
}

/// The budget with one disruption less left.
fn spent(budget: &Value, pod: &str) -> ApiResult<Value> {
    let name = meta(budget, "name");
    if integer(budget, "/status/observedGeneration") < api::meta::generation(budget) {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(refused(RETRY_SECONDS, why));
    }
    let disrupted = budget["status"]["disruptedPods"].as_object().map_or(0, serde_json::Map::len);
    match integer(budget, "/status/disruptionsAllowed") {
        ..0 => Err(ApiError::forbidden(kind(), name, "pdb disruptions allowed is negative")),
        _ if disrupted > DISRUPTED_MAX => Err(ApiError::forbidden(
            kind(),
            name,
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
        )),
        0 => Err(refused(0, shortage(budget))),
        left => {
            let mut new = budget.clone();
            let status = child_mut(&mut new, "status");
            status.insert("disruptionsAllowed".to_owned(), (left - 1).into());
            child_mut(&mut new["status"], "disruptedPods").insert(pod.to_owned(), now().into());
            if left == 1 {
                set_exhausted(&mut new);
            }
            Ok(new)
        }
    }
}

fn shortage(budget: &Value) -> String {
    let failed = list(budget, "/status/conditions")
        .iter()
        .find(|condition| condition["reason"] == "SyncFailed" && condition["status"] == "False");
    if let Some(message) = failed.map(|condition| text(condition, "/message"))
        && !message.is_empty()
    {
        return format!(
            "The disruption budget {} does not allow evicting pods currently because it failed sync: {message}",
            meta(budget, "name")
        );
    }
    format!(
        "The disruption budget {} needs {} healthy pods and has {} currently",
        meta(budget, "name"),
        integer(budget, "/status/desiredHealthy"),
        integer(budget, "/status/currentHealthy"),
    )
}

fn refused(retry_seconds: u32, why: String) -> ApiError {
    let mut status = Status::too_many_requests(REFUSED, retry_seconds);
    status.details.causes.push(Cause {
        reason: "DisruptionBudget".to_owned(),
        message: why,
        field: String::new(),
    });
    if retry_seconds == 0 {
        status.details.retry_after_seconds = None;
    }
    status.into()
}

/// The condition that tells that nothing is left.
fn set_exhausted(budget: &mut Value) {
    let generation = api::meta::generation(budget);
    let conditions = child_mut(budget, "status").entry("conditions").or_insert_with(|| json!([]));
    if let Some(conditions) = conditions.as_array_mut() {
        conditions.retain(|condition| condition["type"] != "DisruptionAllowed");
        conditions.push(json!({
            "type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods",
            "message": "", "observedGeneration": generation, "lastTransitionTime": now(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(left: i64, observed: i64) -> Value {
        json!({"metadata": {"name": "b", "generation": 2}, "status": {"observedGeneration": observed,
            "disruptionsAllowed": left, "desiredHealthy": 2, "currentHealthy": 2}})
    }

    #[track_caller]
    fn check_refused(budget: &Value, expected: &str) {
        let error = spent(budget, "p").unwrap_err();
        assert_eq!((error.code(), error.status().message.as_str()), (429, REFUSED));
        assert_eq!(error.status().details.causes[0].message, expected);
    }

    #[test]
    fn a_disruption_is_taken_from_what_is_left() {
        let new = spent(&budget(2, 2), "p").unwrap();
        assert_eq!(new["status"]["disruptionsAllowed"], 1);
        assert!(new["status"]["disruptedPods"]["p"].is_string());
        assert!(new["status"]["conditions"].is_null());
        let last = spent(&budget(1, 2), "p").unwrap();
        assert_eq!(last["status"]["conditions"][0]["status"], "False");
    }

    #[test]
    fn a_budget_refuses_in_upstreams_words() {
        check_refused(
            &budget(0, 2),
            "The disruption budget b needs 2 healthy pods and has 2 currently",
        );
        check_refused(
            &budget(1, 1),
            "The disruption budget b is still being processed by the server.",
        );
        assert_eq!(spent(&budget(-1, 2), "p").unwrap_err().code(), 403);
    }

    #[test]
    fn an_unhealthy_pod_counts_for_nothing_where_enough_are_healthy() {
        assert!(may_lose_unhealthy(&budget(0, 2)));
        let mut short = budget(0, 2);
        short["status"]["currentHealthy"] = 1.into();
        assert!(!may_lose_unhealthy(&short));
        short["spec"]["unhealthyPodEvictionPolicy"] = "AlwaysAllow".into();
        assert!(may_lose_unhealthy(&short));
    }
}
