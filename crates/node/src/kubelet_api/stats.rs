//! /stats/summary: what pods and their containers use now, for `kubectl top`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::Served;
use crate::machine::{Left, cpu_nanos};
use crate::pod::state::container_id;
use crate::shared::{Shared, lock};

pub(super) async fn serve(State(served): State<Served>) -> Response {
    match served.shared() {
        Ok(shared) => Json(summary(shared).await).into_response(),
        Err(failure) => failure.into_response(),
    }
}

async fn summary(shared: &Arc<Shared>) -> Value {
    let now = Time(Timestamp::now());
    let mut pods = Vec::new();
    for (uid, namespace, name, live) in shared.registry.all() {
        let (pod, containers) = {
            let live = lock(&live);
            (live.pod.clone(), live.containers.clone())
        };
        let Some(pod) = pod else { continue };
        let mut stats = Vec::new();
        for (container, (attempt, runs)) in containers {
            if !runs {
                continue;
            }
            // One that ends while it is asked has no statistics.
            if let Ok(used) = pod.stats(&container_id(&container, attempt)).await {
                let mut entry = usage(&used, &now);
                entry["name"] = json!(container);
                stats.push(entry);
            }
        }
        let mut entry = match pod.pod_stats().await {
            Ok(used) => usage(&used, &now),
            Err(_) => json!({}),
        };
        entry["podRef"] = json!({"name": name, "namespace": namespace, "uid": uid});
        entry["containers"] = json!(stats);
        pods.push(entry);
    }
    let left = Left::read(&shared.data_dir);
    let used = shared.machine.memory_bytes.saturating_sub(left.memory_bytes);
    json!({
        "node": {"nodeName": shared.name,
            "cpu": {"time": now, "usageCoreNanoSeconds": cpu_nanos()},
            "memory": {"time": now, "availableBytes": left.memory_bytes, "workingSetBytes": used},
            "fs": {"time": now, "availableBytes": left.disk_bytes,
                "capacityBytes": left.disk_total_bytes}},
        "pods": pods,
    })
}

fn usage(used: &container::Stats, now: &Time) -> Value {
    json!({
        "cpu": {"time": now, "usageCoreNanoSeconds": used.cpu_nanos},
        "memory": {"time": now, "usageBytes": used.memory_bytes,
            "workingSetBytes": used.working_set_bytes},
        "process_stats": {"process_count": used.pids},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_told_in_the_summarys_words() {
        let used =
            container::Stats { memory_bytes: 9, working_set_bytes: 7, cpu_nanos: 5, pids: 1 };
        let entry = usage(&used, &Time(Timestamp::UNIX_EPOCH));
        assert_eq!(entry["cpu"]["usageCoreNanoSeconds"], 5);
        assert_eq!(entry["memory"]["workingSetBytes"], 7);
    }
}
