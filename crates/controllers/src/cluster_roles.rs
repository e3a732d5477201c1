//! A ClusterRole with an aggregation rule has the rules of the ClusterRoles that it selects.
//! Source: Kubernetes, "Using RBAC Authorization", and its clusterrole-aggregation-controller.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::{Selector, SelectorExt};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, WatchStreamExt, watcher};
use serde_json::json;

use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::owner::name;

/// Whose the collected rules are.
const MANAGER: &str = "clusterrole-aggregation-controller";

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    // Any role may be one that another one selects, or has ceased to be one.
    let changes = watcher(context.all::<ClusterRole>(), watcher::Config::default())
        .default_backoff()
        .touched_objects()
        .map(|_| ());
    let roles = Controller::new(context.all::<ClusterRole>(), watcher::Config::default());
    drive(roles.reconcile_all_on(changes), context, reconcile).await
}

async fn reconcile(woken: Arc<ClusterRole>, ctx: Arc<Context>) -> Result<Action, ReconcileError> {
    if selectors(&woken).is_empty() || woken.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let api = ctx.all::<ClusterRole>();
    let Some(role) = api.get_opt(name(&woken.metadata)).await? else {
        return Ok(Action::await_change());
    };
    let all = api.list(&ListParams::default()).await?.items;
    let rules = collect(&role, all)?;
    if role.rules.as_deref().unwrap_or_default() != rules {
        let patch = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name(&role.metadata)},
            "rules": rules,
        });
        let params = PatchParams::apply(MANAGER).force();
        api.patch(name(&role.metadata), &params, &Patch::Apply(patch)).await?;
    }
    Ok(Action::await_change())
}

fn selectors(role: &ClusterRole) -> &[LabelSelector] {
    let rule = role.aggregation_rule.as_ref();
    rule.and_then(|rule| rule.cluster_role_selectors.as_deref()).unwrap_or_default()
}

/// The rules of the others that the role selects: by selector, then by name, each once.
fn collect(
    role: &ClusterRole,
    mut all: Vec<ClusterRole>,
) -> Result<Vec<PolicyRule>, ReconcileError> {
    all.retain(|other| name(&other.metadata) != name(&role.metadata));
    all.sort_by(|a, b| name(&a.metadata).cmp(name(&b.metadata)));
    let mut rules: Vec<PolicyRule> = Vec::new();
    for selector in selectors(role) {
        let selector: Selector = selector.clone().try_into()?;
        for other in &all {
            let labels = other.metadata.labels.clone().unwrap_or_default();
            if !selector.matches(&labels) {
                continue;
            }
            for rule in other.rules.iter().flatten() {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, labels: &[&str], verbs: &[&str]) -> ClusterRole {
        let labels: serde_json::Map<_, _> =
            labels.iter().map(|label| ((*label).to_owned(), json!("true"))).collect();
        let rules: Vec<_> = verbs.iter().map(|verb| json!({"verbs": [verb]})).collect();
        let role = json!({"metadata": {"name": name, "labels": labels}, "rules": rules});
        serde_json::from_value(role).unwrap()
    }

    #[track_caller]
    fn check(select: serde_json::Value, all: Vec<ClusterRole>, expected: &[&str]) {
        let mut collecting = role("all", &["x"], &["own"]);
        collecting.aggregation_rule =
            serde_json::from_value(json!({"clusterRoleSelectors": select})).unwrap();
        let rules = collect(&collecting, [all, vec![collecting.clone()]].concat()).unwrap();
        let verbs: Vec<_> = rules.iter().flat_map(|rule| &rule.verbs).collect();
        assert_eq!(verbs, expected);
    }

    #[test]
    fn the_rules_of_the_selected_are_collected_once_in_the_order_of_names() {
        let all = || {
            vec![
                role("c", &["x"], &["get", "delete"]),
                role("a", &["x"], &["get", "list"]),
                role("b", &["y"], &["watch"]),
            ]
        };
        let x = json!({"matchLabels": {"x": "true"}});
        let y = json!({"matchLabels": {"y": "true"}});
        check(json!([x]), all(), &["get", "list", "delete"]);
        check(json!([y, x]), all(), &["watch", "get", "list", "delete"]);
        check(json!([{"matchLabels": {"z": "true"}}]), all(), &[]);
    }
}
