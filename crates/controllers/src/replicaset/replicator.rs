//! The seam to the kinds that keep a number of pods: ReplicaSets, and ReplicationControllers, which
//! are the same but older.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A kind that keeps a number of pods.
pub(crate) trait Replicator:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Its status, as it is written.
    type Status: Serialize + Send + Sync;
    /// Who speaks in its events.
    const COMPONENT: &'static str;

    /// How many pods it wants.
    fn replicas(&self) -> i32;
    /// How long a pod must have been ready to be available.
    fn min_ready_seconds(&self) -> i32;
    /// Which pods may be its own; `None` while it has no spec.
    fn selector(&self) -> Option<LabelSelector>;
    /// What its pods are made from.
    fn template(&self) -> Option<&PodTemplateSpec>;
    /// Its status now.
    fn status(&self) -> Option<&Self::Status>;
    /// The conditions that its status has, as those of a ReplicaSet.
    fn conditions(&self) -> Vec<ReplicaSetCondition>;
    /// A ReplicaSet's status as its own.
    fn status_from(status: ReplicaSetStatus) -> Self::Status;
}

impl Replicator for ReplicaSet {
    type Status = ReplicaSetStatus;
    const COMPONENT: &'static str = "replicaset-controller";

    fn replicas(&self) -> i32 {
        self.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
    }

    fn min_ready_seconds(&self) -> i32 {
        self.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0)
    }

    fn selector(&self) -> Option<LabelSelector> {
        self.spec.as_ref().map(|spec| spec.selector.clone())
    }

    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref()?.template.as_ref()
    }

    fn status(&self) -> Option<&ReplicaSetStatus> {
        self.status.as_ref()
    }

    fn conditions(&self) -> Vec<ReplicaSetCondition> {
        self.status.iter().flat_map(|status| status.conditions.iter().flatten()).cloned().collect()
    }

    fn status_from(status: ReplicaSetStatus) -> ReplicaSetStatus {
        status
    }
}
