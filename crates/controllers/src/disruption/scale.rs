//! How many pods a budget expects, and how many of them must stay healthy.

use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, ReplicationController};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Resource;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::drive::ReconcileError;
use crate::owner::{controller_of, name, namespace};

/// What a budget expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    /// How many pods there should be.
    pub count: i32,
    /// How many must stay healthy.
    pub desired: i32,
}

/// What the budget expects; or, inside, why that cannot be said.
pub(super) async fn expected(
    budget: &PodDisruptionBudget,
    pods: &[Pod],
    ctx: &Context,
) -> Result<Result<Expected, String>, ReconcileError> {
    let spec = budget.spec.clone().unwrap_or_default();
    let by_scale = spec.max_unavailable.is_some()
        || matches!(spec.min_available, Some(IntOrString::String(_)));
    let count = match by_scale {
        true => match scale_of(pods, ctx).await? {
            Ok(count) => count,
            Err(why) => return Ok(Err(why)),
        },
        false => i32::try_from(pods.len()).unwrap_or(i32::MAX),
    };
    Ok(Ok(desired(spec.max_unavailable.as_ref(), spec.min_available.as_ref(), count)))
}

fn desired(max: Option<&IntOrString>, min: Option<&IntOrString>, count: i32) -> Expected {
    let desired = match (max, min) {
        (Some(max), _) => (count - of(max, count)).max(0),
        (None, Some(min)) => of(min, count),
        // Upstream's zero values: a budget without bounds protects nothing.
        (None, None) => return Expected { count: 0, desired: 0 },
    };
    Expected { count, desired }
}

/// A number, or a percentage of `count` rounded up.
fn of(amount: &IntOrString, count: i32) -> i32 {
    match amount {
        IntOrString::Int(number) => *number,
        IntOrString::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
            i32::try_from((i64::from(count) * percent + 99).div_euclid(100)).unwrap_or(i32::MAX)
        }
    }
}

/// The wanted size of all that controls these pods, each once. Pods of nobody do not count.
async fn scale_of(pods: &[Pod], ctx: &Context) -> Result<Result<i32, String>, ReconcileError> {
    let mut scales: BTreeMap<String, i32> = BTreeMap::new();
    let mut seen = Vec::new();
    for pod in pods {
        let Some(owner) = controller_of(&pod.metadata) else { continue };
        if seen.contains(&owner.uid) {
            continue;
        }
        seen.push(owner.uid.clone());
        match scale_of_owner(owner, namespace(&pod.metadata), ctx).await? {
            Some((uid, scale)) => scales.insert(uid, scale),
            None => {
                let pod = name(&pod.metadata);
                return Ok(Err(format!("found no controllers for pod {pod:?}")));
            }
        };
    }
    Ok(Ok(scales.values().sum()))
}

/// Whose size counts, and what it is: a Deployment's for the pods of its ReplicaSets.
async fn scale_of_owner(
    owner: &OwnerReference,
    place: &str,
    ctx: &Context,
) -> Result<Option<(String, i32)>, ReconcileError> {
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    let replicas = |replicas: Option<i32>| (owner.uid.clone(), replicas.unwrap_or(1));
    Ok(match (group, owner.kind.as_str()) {
        ("apps", "ReplicaSet") => {
            let Some(set) = find::<ReplicaSet>(owner, place, ctx).await? else { return Ok(None) };
            match controller_of(&set.metadata).filter(|above| above.kind == "Deployment") {
                Some(above) => find::<Deployment>(above, place, ctx).await?.map(|deployment| {
                    let wanted = deployment.spec.and_then(|spec| spec.replicas);
                    (above.uid.clone(), wanted.unwrap_or(1))
                }),
                None => Some(replicas(set.spec.and_then(|spec| spec.replicas))),
            }
        }
        ("apps", "StatefulSet") => find::<StatefulSet>(owner, place, ctx)
            .await?
            .map(|set| replicas(set.spec.and_then(|spec| spec.replicas))),
        ("", "ReplicationController") => find::<ReplicationController>(owner, place, ctx)
            .await?
            .map(|set| replicas(set.spec.and_then(|spec| spec.replicas))),
        _ => None,
    })
}

/// The owner, if it is still the same.
async fn find<K>(
    owner: &OwnerReference,
    place: &str,
    ctx: &Context,
) -> Result<Option<K>, ReconcileError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let found = ctx.api::<K>(place).get_opt(&owner.name).await?;
    Ok(found.filter(|object| object.meta().uid.as_ref() == Some(&owner.uid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(max: Option<IntOrString>, min: Option<IntOrString>, count: i32, expected: i32) {
        assert_eq!(desired(max.as_ref(), min.as_ref(), count).desired, expected);
    }

    fn percent(text: &str) -> Option<IntOrString> {
        Some(IntOrString::String(text.to_owned()))
    }

    #[test]
    fn bounds_are_numbers_or_parts_of_the_whole_rounded_up() {
        let number = |number: i32| Some(IntOrString::Int(number));
        check(None, number(3), 10, 3);
        check(None, percent("25%"), 10, 3);
        check(number(3), None, 10, 7);
        check(percent("25%"), None, 10, 7);
        check(number(5), None, 3, 0);
        check(None, None, 3, 0);
    }
}
