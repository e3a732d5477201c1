//! Pods: what STATUS, READY and RESTARTS say.

use serde_json::{Value, json};

use super::{Column, age_of, integer, list, name, or_none, since, text, wide};
use crate::object::{meta, text as at};

pub(crate) const COLUMNS: &[Column] = &[
    name(),
    text("Ready"),
    text("Status"),
    text("Restarts"),
    text("Age"),
    wide("IP"),
    wide("Node"),
    wide("Nominated Node"),
    wide("Readiness Gates"),
];

pub(crate) fn row(pod: &Value) -> Vec<Value> {
    let summary = summary(pod);
    vec![
        meta(pod, "name").into(),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.reason.clone().into(),
        summary.restarts_text().into(),
        age_of(pod),
        or_none(pod_ip(pod)),
        or_none(at(pod, "/spec/nodeName")),
        or_none(at(pod, "/status/nominatedNodeName")),
        readiness_gates(pod),
    ]
}

/// What the containers of a pod add up to.
#[derive(Default)]
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: i64,
    last_restart: String,
}

impl Summary {
    fn restarts_text(&self) -> String {
        match self.last_restart.as_str() {
            last if self.restarts > 0 && !last.is_empty() => {
                format!("{} ({} ago)", self.restarts, since(last))
            }
            _ => self.restarts.to_string(),
        }
    }

    /// RFC 3339 times in UTC sort as texts.
    fn count_restarts(&mut self, container: &Value) {
        self.restarts += integer(container, "/restartCount");
        let ended = at(container, "/lastState/terminated/finishedAt");
        if ended > self.last_restart.as_str() {
            self.last_restart = ended.to_owned();
        }
    }
}

fn summary(pod: &Value) -> Summary {
    let sidecars = list(pod, "/spec/initContainers").iter().filter(|c| is_sidecar(c)).count();
    let mut summary = Summary {
        total: list(pod, "/spec/containers").len() + sidecars,
        reason: phase_reason(pod),
        ..Summary::default()
    };
    let initializing = look_at_init(pod, &mut summary);
    if !initializing || condition(pod, "Initialized") {
        look_at_containers(pod, &mut summary);
    }
    if !meta(pod, "deletionTimestamp").is_empty() {
        if at(pod, "/status/reason") == "NodeLost" {
            summary.reason = "Unknown".to_owned();
        } else if !matches!(at(pod, "/status/phase"), "Succeeded" | "Failed") {
            summary.reason = "Terminating".to_owned();
        }
    }
    summary
}

fn phase_reason(pod: &Value) -> String {
    let gated = list(pod, "/status/conditions").iter().any(|condition| {
        condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated"
    });
    match at(pod, "/status/reason") {
        _ if gated => "SchedulingGated".to_owned(),
        "" => at(pod, "/status/phase").to_owned(),
        reason => reason.to_owned(),
    }
}

fn is_sidecar(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

/// Is the pod still at its init containers? Then its reason says where.
fn look_at_init(pod: &Value, summary: &mut Summary) -> bool {
    let specs = list(pod, "/spec/initContainers");
    for (index, status) in list(pod, "/status/initContainerStatuses").iter().enumerate() {
        summary.count_restarts(status);
        let sidecar = specs.iter().any(|spec| spec["name"] == status["name"] && is_sidecar(spec));
        let terminated = status.pointer("/state/terminated");
        if terminated.is_some_and(|state| integer(state, "/exitCode") == 0) {
            continue;
        }
        if sidecar && status["started"] == true {
            summary.ready += usize::from(status["ready"] == true);
            continue;
        }
        let waiting = at(status, "/state/waiting/reason");
        summary.reason = match terminated {
            Some(state) => format!("Init:{}", ended(state)),
            None if !waiting.is_empty() && waiting != "PodInitializing" => {
                format!("Init:{waiting}")
            }
            None => format!("Init:{index}/{}", specs.len()),
        };
        return true;
    }
    false
}

fn look_at_containers(pod: &Value, summary: &mut Summary) {
    let specs = list(pod, "/spec/initContainers");
    summary.restarts = 0;
    summary.last_restart.clear();
    for status in list(pod, "/status/initContainerStatuses") {
        if specs.iter().any(|spec| spec["name"] == status["name"] && is_sidecar(spec)) {
            summary.count_restarts(status);
        }
    }
    let (mut running, mut failed) = (false, None);
    for status in list(pod, "/status/containerStatuses").iter().rev() {
        summary.count_restarts(status);
        let waiting = at(status, "/state/waiting/reason");
        if !waiting.is_empty() {
            summary.reason = waiting.to_owned();
        } else if let Some(state) = status.pointer("/state/terminated") {
            summary.reason = ended(state);
            if integer(state, "/exitCode") != 0 {
                failed = Some(summary.reason.clone());
            }
        } else if status["ready"] == true && status.pointer("/state/running").is_some() {
            running = true;
            summary.ready += 1;
        }
    }
    if summary.reason == "Completed" {
        summary.reason = match failed {
            _ if running && condition(pod, "Ready") => "Running".to_owned(),
            Some(reason) => reason,
            None if running => "NotReady".to_owned(),
            None => "Completed".to_owned(),
        };
    }
}

/// Of a pod that will run no more, the condition of its row that says so.
pub(super) fn finished(pod: &Value) -> Option<Value> {
    let message = match at(pod, "/status/phase") {
        "Succeeded" => "The pod has completed successfully.",
        "Failed" => "The pod failed.",
        _ => return None,
    };
    let reason = at(pod, "/status/phase");
    let condition =
        json!({"type": "Completed", "status": "True", "reason": reason, "message": message});
    Some(json!([condition]))
}

fn ended(state: &Value) -> String {
    match (at(state, "/reason"), integer(state, "/signal")) {
        ("", 0) => format!("ExitCode:{}", integer(state, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn condition(pod: &Value, kind: &str) -> bool {
    list(pod, "/status/conditions")
        .iter()
        .any(|condition| condition["type"] == kind && condition["status"] == "True")
}

fn pod_ip(pod: &Value) -> &str {
    match at(pod, "/status/podIPs/0/ip") {
        "" => at(pod, "/status/podIP"),
        address => address,
    }
}

fn readiness_gates(pod: &Value) -> Value {
    let gates = list(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return "<none>".into();
    }
    let passed = gates.iter().filter(|gate| condition(pod, at(gate, "/conditionType"))).count();
    format!("{passed}/{}", gates.len()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is `READY STATUS RESTARTS`.
    #[track_caller]
    fn check(spec: Value, status: Value, expected: &str) {
        check_pod(json!({"metadata": {"name": "p"}, "spec": spec, "status": status}), expected);
    }

    #[track_caller]
    fn check_pod(pod: Value, expected: &str) {
        let row = row(&pod);
        let cells: Vec<&str> = row[1..4].iter().map(|cell| cell.as_str().unwrap()).collect();
        assert_eq!(cells.join(" "), expected);
    }

    fn one() -> Value {
        json!({"containers": [{"name": "a"}]})
    }

    #[test]
    fn a_pod_without_container_statuses_shows_its_phase() {
        check(one(), json!({"phase": "Pending"}), "0/1 Pending 0");
        check(one(), json!({"phase": "Failed", "reason": "Evicted"}), "0/1 Evicted 0");
    }

    #[test]
    fn running_and_ready() {
        let status = json!({"phase": "Running", "containerStatuses": [
            {"name": "a", "ready": true, "restartCount": 0, "state": {"running": {}}}]});
        check(one(), status, "1/1 Running 0");
    }

    #[test]
    fn a_waiting_container_gives_its_reason() {
        let status = json!({"phase": "Running", "containerStatuses": [
            {"name": "a", "ready": false, "restartCount": 4,
             "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]});
        check(one(), status, "0/1 CrashLoopBackOff 4");
    }

    #[test]
    fn ended_containers_show_reason_code_or_signal() {
        for (terminated, expected) in [
            (json!({"reason": "Completed", "exitCode": 0}), "0/1 Completed 0"),
            (json!({"reason": "OOMKilled", "exitCode": 137}), "0/1 OOMKilled 0"),
            (json!({"exitCode": 3}), "0/1 ExitCode:3 0"),
            (json!({"exitCode": 1, "signal": 9}), "0/1 Signal:9 0"),
        ] {
            let status = json!({"phase": "Running", "containerStatuses": [
                {"name": "a", "state": {"terminated": terminated}}]});
            check(one(), status, expected);
        }
    }

    #[test]
    fn init_containers_show_how_far_they_are() {
        let spec = json!({"containers": [{"name": "a"}], "initContainers": [{"name": "i"}, {"name": "j"}]});
        let at_second = json!({"phase": "Pending", "initContainerStatuses": [
            {"name": "i", "state": {"terminated": {"exitCode": 0}}},
            {"name": "j", "state": {"running": {}}}]});
        check(spec.clone(), at_second, "0/1 Init:1/2 0");
        let failed = json!({"phase": "Pending", "initContainerStatuses": [
            {"name": "i", "restartCount": 1, "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]});
        check(spec, failed, "0/1 Init:Error 1");
    }

    #[test]
    fn sidecars_count_as_containers() {
        let spec = json!({"containers": [{"name": "a"}],
            "initContainers": [{"name": "s", "restartPolicy": "Always"}]});
        let status = json!({"phase": "Running",
            "initContainerStatuses": [{"name": "s", "started": true, "ready": true, "restartCount": 2, "state": {"running": {}}}],
            "containerStatuses": [{"name": "a", "ready": true, "state": {"running": {}}}]});
        check(spec, status, "2/2 Running 2");
    }

    #[test]
    fn a_pod_that_is_being_deleted_is_terminating() {
        let pod = json!({
            "metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": one(), "status": {"phase": "Running"},
        });
        check_pod(pod, "0/1 Terminating 0");
    }
}
