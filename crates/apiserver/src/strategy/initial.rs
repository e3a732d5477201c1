//! What a new object's status is: all that is not optional in it, and nothing more.

use serde_json::{Value, json};

pub(super) fn status(object: &Value) -> Value {
    match object["kind"].as_str().unwrap_or_default() {
        "DaemonSet" => json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0,
            "numberReady": 0,
        }),
        "HorizontalPodAutoscaler" => json!({"desiredReplicas": 0, "currentMetrics": null}),
        "Ingress" => json!({"loadBalancer": {}}),
        "PersistentVolume" | "PersistentVolumeClaim" => json!({"phase": "Pending"}),
        "PodDisruptionBudget" => json!({
            "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0,
        }),
        "ReplicaSet" | "ReplicationController" => json!({"replicas": 0}),
        "StatefulSet" => json!({"replicas": 0, "availableReplicas": 0}),
        "VolumeAttachment" => json!({"attached": false}),
        _ => json!({}),
    }
}
