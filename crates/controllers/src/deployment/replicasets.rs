//! A Deployment's ReplicaSets: the one for the template of now, and the older ones.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{Selector, SelectorExt};
use serde_json::json;

use super::rolling::{Counts, Limits};
use super::template_hash::{POD_TEMPLATE_HASH, same_template, template_hash};
use crate::context::Context;
use crate::drive::ReconcileError;
use crate::owner::{controller_of, controller_ref, is_controlled_by, name, namespace};

/// Where a ReplicaSet and its Deployment say which rollout they belong to.
pub(crate) const REVISION: &str = "deployment.kubernetes.io/revision";
const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations that belong to one object and are not copied from Deployment to ReplicaSet.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];

/// The ReplicaSets one Deployment controls.
pub(crate) struct ReplicaSets {
    pub new: Option<ReplicaSet>,
    /// Oldest first.
    pub old: Vec<ReplicaSet>,
}

impl ReplicaSets {
    /// Reads them, adopting those that match and belong to nobody.
    pub async fn of(deployment: &Deployment, ctx: &Context) -> Result<Self, ReconcileError> {
        let spec = deployment.spec.clone().unwrap_or_default();
        let selector: Selector = spec.selector.try_into()?;
        let api = sets_api(deployment, ctx);
        let mut own = Vec::new();
        for set in api.list(&ListParams::default()).await? {
            let labels = set.metadata.labels.clone().unwrap_or_default();
            if is_controlled_by(&set.metadata, &deployment.metadata) {
                own.push(set);
            } else if controller_of(&set.metadata).is_none()
                && deployment.metadata.deletion_timestamp.is_none()
                && selector.matches(&labels)
            {
                own.push(adopt(&api, deployment, &set).await?);
            }
        }
        own.sort_by(|a, b| age(a).cmp(&age(b)));
        let is_new = |set: &ReplicaSet| same_template(&template_of(set), &spec.template);
        let new = own.iter().position(is_new).map(|at| own.remove(at));
        Ok(Self { new, old: own })
    }

    /// Every one of them.
    pub fn all(&self) -> impl Iterator<Item = &ReplicaSet> {
        self.new.iter().chain(&self.old)
    }

    /// Do pods of older templates still exist, terminating ones included.
    pub fn old_pods_remain(&self) -> bool {
        self.old
            .iter()
            .filter_map(|set| set.status.as_ref())
            .any(|status| status.replicas > 0 || status.terminating_replicas.unwrap_or(0) > 0)
    }

    /// Makes the ReplicaSet for the template of now, or brings its revision up to date.
    pub async fn ensure_new(
        &mut self,
        deployment: &Deployment,
        ctx: &Context,
    ) -> Result<(), ReconcileError> {
        let newest = self.old.iter().map(revision).max().unwrap_or(0);
        match self.new.take() {
            None => self.new = Some(create(deployment, newest + 1, ctx).await?),
            // An old template came back (`rollout undo`): it becomes the newest revision.
            Some(set) if revision(&set) <= newest && newest > 0 => {
                let patch =
                    json!({"metadata": {"annotations": {REVISION: (newest + 1).to_string()}}});
                self.new = Some(patch_set(deployment, &set, patch, ctx).await?);
            }
            Some(set) => self.new = Some(set),
        }
        self.copy_revision(deployment, ctx).await
    }

    /// `kubectl rollout history` reads the Deployment's own revision annotation.
    async fn copy_revision(
        &self,
        deployment: &Deployment,
        ctx: &Context,
    ) -> Result<(), ReconcileError> {
        let Some(now) = self.new.as_ref().map(|set| revision(set).to_string()) else {
            return Ok(());
        };
        let before = deployment.metadata.annotations.as_ref().and_then(|all| all.get(REVISION));
        if before != Some(&now) {
            let api: Api<Deployment> = ctx.api(namespace(&deployment.metadata));
            let patch = json!({"metadata": {"annotations": {REVISION: now}}});
            let name = name(&deployment.metadata);
            // By way of the status, so that it counts as no change of what is wanted.
            api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        }
        Ok(())
    }

    /// Gives the new ReplicaSet `target` replicas.
    pub async fn scale_new(
        &mut self,
        deployment: &Deployment,
        target: i32,
        ctx: &Context,
    ) -> Result<(), ReconcileError> {
        if let Some(set) = self.new.take() {
            self.new = Some(scale(deployment, set, target, ctx).await?);
        }
        Ok(())
    }

    /// Gives each old ReplicaSet its target. Returns whether any changed.
    pub async fn scale_old(
        &mut self,
        deployment: &Deployment,
        targets: &[i32],
        ctx: &Context,
    ) -> Result<bool, ReconcileError> {
        let mut changed = false;
        for (set, target) in self.old.iter_mut().zip(targets) {
            if Counts::of(set).wanted != *target {
                *set = scale(deployment, set.clone(), *target, ctx).await?;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// Deletes the oldest empty ReplicaSets beyond revisionHistoryLimit, once the rollout is over.
    pub async fn prune(
        &mut self,
        deployment: &Deployment,
        ctx: &Context,
    ) -> Result<(), ReconcileError> {
        let limit = deployment.spec.as_ref().and_then(|spec| spec.revision_history_limit);
        let keep = usize::try_from(limit.unwrap_or(10)).unwrap_or(0);
        let mut idle: Vec<&ReplicaSet> = self.old.iter().filter(|set| is_idle(set)).collect();
        idle.sort_by_key(|set| revision(set));
        let surplus = idle.len().saturating_sub(keep);
        let api = sets_api(deployment, ctx);
        for set in idle.into_iter().take(surplus) {
            api.delete(name(&set.metadata), &DeleteParams::background()).await?;
        }
        Ok(())
    }
}

fn is_idle(set: &ReplicaSet) -> bool {
    let status = set.status.clone().unwrap_or_default();
    Counts::of(set).wanted == 0
        && status.replicas == 0
        && status.observed_generation >= set.metadata.generation
        && set.metadata.deletion_timestamp.is_none()
}

fn sets_api(deployment: &Deployment, ctx: &Context) -> Api<ReplicaSet> {
    ctx.api(namespace(&deployment.metadata))
}

fn template_of(set: &ReplicaSet) -> PodTemplateSpec {
    set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default()
}

/// The rollout that a ReplicaSet belongs to; 0 when it does not say.
pub(crate) fn revision(set: &ReplicaSet) -> i64 {
    let annotations = set.metadata.annotations.as_ref();
    annotations.and_then(|all| all.get(REVISION)).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn age(set: &ReplicaSet) -> (Option<k8s_openapi::jiff::Timestamp>, &str) {
    (set.metadata.creation_timestamp.as_ref().map(|time| time.0), name(&set.metadata))
}

async fn adopt(
    api: &Api<ReplicaSet>,
    deployment: &Deployment,
    set: &ReplicaSet,
) -> Result<ReplicaSet, ReconcileError> {
    let patch = json!({"metadata": {
        "uid": set.metadata.uid,
        "ownerReferences": controller_ref(deployment),
    }});
    Ok(api.patch(name(&set.metadata), &PatchParams::default(), &Patch::Strategic(patch)).await?)
}

async fn create(
    deployment: &Deployment,
    revision: i64,
    ctx: &Context,
) -> Result<ReplicaSet, ReconcileError> {
    let api = sets_api(deployment, ctx);
    let mut collisions = deployment.status.as_ref().and_then(|s| s.collision_count).unwrap_or(0);
    loop {
        match api.create(&PostParams::default(), &new_set(deployment, revision, collisions)).await {
            Ok(set) => return Ok(set),
            // The name belongs to another template: the next hash has another name.
            Err(kube::Error::Api(status))
                if status.reason == "AlreadyExists" && collisions < 100 =>
            {
                collisions += 1;
            }
            Err(error) => {
                let recorder = ctx.recorder("deployment-controller");
                let message = format!("Failed to create new replica set: {error}");
                recorder.warning(deployment, "ReplicaSetCreateError", message).await;
                return Err(error.into());
            }
        }
    }
}

fn new_set(deployment: &Deployment, revision: i64, collisions: i32) -> ReplicaSet {
    let spec = deployment.spec.clone().unwrap_or_default();
    let hash = template_hash(&spec.template, collisions);
    let mut template = spec.template;
    let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    labels.insert(POD_TEMPLATE_HASH.into(), hash.clone());
    let labels = labels.clone();
    let mut annotations = scale_annotations(deployment);
    annotations.insert(REVISION.into(), revision.to_string());
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", name(&deployment.metadata))),
            namespace: deployment.metadata.namespace.clone(),
            labels: Some(labels),
            annotations: Some(annotations),
            owner_references: Some(controller_ref(deployment)),
            ..Default::default()
        },
        spec: Some(ReplicaSetSpec {
            replicas: Some(0),
            min_ready_seconds: spec.min_ready_seconds,
            selector: with_hash(spec.selector, hash),
            template: Some(template),
        }),
        status: None,
    }
}

fn with_hash(mut selector: LabelSelector, hash: String) -> LabelSelector {
    selector.match_labels.get_or_insert_default().insert(POD_TEMPLATE_HASH.into(), hash);
    selector
}

fn scale_annotations(deployment: &Deployment) -> BTreeMap<String, String> {
    let own = deployment.metadata.annotations.clone().unwrap_or_default();
    let mut copied: BTreeMap<_, _> =
        own.into_iter().filter(|(key, _)| !NOT_COPIED.contains(&key.as_str())).collect();
    let limits = Limits::of(&deployment.spec.clone().unwrap_or_default());
    copied.insert(DESIRED_REPLICAS.into(), limits.wanted.to_string());
    copied.insert(MAX_REPLICAS.into(), (limits.wanted + limits.max_surge).to_string());
    copied
}

async fn scale(
    deployment: &Deployment,
    set: ReplicaSet,
    target: i32,
    ctx: &Context,
) -> Result<ReplicaSet, ReconcileError> {
    let before = Counts::of(&set).wanted;
    if before == target {
        return Ok(set);
    }
    let patch = json!({
        "metadata": {"annotations": scale_annotations(deployment)},
        "spec": {"replicas": target},
    });
    let scaled = patch_set(deployment, &set, patch, ctx).await?;
    let direction = if target > before { "up" } else { "down" };
    let set_name = name(&set.metadata);
    let message = format!("Scaled {direction} replica set {set_name} from {before} to {target}");
    ctx.recorder("deployment-controller").normal(deployment, "ScalingReplicaSet", message).await;
    Ok(scaled)
}

async fn patch_set(
    deployment: &Deployment,
    set: &ReplicaSet,
    patch: serde_json::Value,
    ctx: &Context,
) -> Result<ReplicaSet, ReconcileError> {
    let api = sets_api(deployment, ctx);
    Ok(api.patch(name(&set.metadata), &PatchParams::default(), &Patch::Merge(patch)).await?)
}
