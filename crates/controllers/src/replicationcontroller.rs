//! ReplicationControllers: ReplicaSets before there were sets. All but the kind's own shape is
//! [`crate::replicaset`].

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::{
    PodTemplateSpec, ReplicationController, ReplicationControllerCondition,
    ReplicationControllerStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::context::Context;
use crate::drive::ReconcileError;
use crate::replicaset::keep;
use crate::replicaset::replicator::Replicator;

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    keep::<ReplicationController>(context).await
}

impl Replicator for ReplicationController {
    type Status = ReplicationControllerStatus;
    const COMPONENT: &'static str = "replication-controller";

    fn replicas(&self) -> i32 {
        self.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
    }

    fn min_ready_seconds(&self) -> i32 {
        self.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0)
    }

    /// Labels that must all be there. None select nothing: an empty LabelSelector would be all pods.
    fn selector(&self) -> Option<LabelSelector> {
        let labels = self.spec.as_ref()?.selector.clone().filter(|labels| !labels.is_empty())?;
        Some(LabelSelector { match_labels: Some(labels), match_expressions: None })
    }

    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref()?.template.as_ref()
    }

    fn status(&self) -> Option<&ReplicationControllerStatus> {
        self.status.as_ref()
    }

    fn conditions(&self) -> Vec<ReplicaSetCondition> {
        let conditions = self.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let same = conditions.cloned().map(|c| ReplicaSetCondition {
            type_: c.type_,
            status: c.status,
            reason: c.reason,
            message: c.message,
            last_transition_time: c.last_transition_time,
        });
        same.collect()
    }

    fn status_from(status: ReplicaSetStatus) -> ReplicationControllerStatus {
        let conditions = status.conditions.map(|all| {
            let same = all.into_iter().map(|c| ReplicationControllerCondition {
                type_: c.type_,
                status: c.status,
                reason: c.reason,
                message: c.message,
                last_transition_time: c.last_transition_time,
            });
            same.collect()
        });
        ReplicationControllerStatus {
            replicas: status.replicas,
            fully_labeled_replicas: status.fully_labeled_replicas,
            ready_replicas: status.ready_replicas,
            available_replicas: status.available_replicas,
            observed_generation: status.observed_generation,
            conditions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(selector: Value, expected: Option<Value>) {
        let controller: ReplicationController =
            serde_json::from_value(json!({"spec": {"selector": selector}})).expect("a controller");
        let found = controller.selector().map(|s| serde_json::to_value(s).expect("a selector"));
        assert_eq!(found, expected);
    }

    #[test]
    fn an_empty_selector_is_nobodys() {
        check(json!({"app": "web"}), Some(json!({"matchLabels": {"app": "web"}})));
        check(json!({}), None);
        check(Value::Null, None);
    }

    #[test]
    fn a_failure_stands_in_its_own_status() {
        let status: ReplicaSetStatus = serde_json::from_value(json!({"replicas": 2, "conditions":
            [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
              "lastTransitionTime": "2026-01-01T00:00:00Z"}]}))
        .expect("a status");
        let status = ReplicationController::status_from(status);
        let controller = ReplicationController { status: Some(status), ..Default::default() };
        assert_eq!(controller.conditions()[0].reason.as_deref(), Some("FailedCreate"));
        assert_eq!(controller.status().map(|status| status.replicas), Some(2));
    }
}
