//! Pods: READY, STATUS and RESTARTS in every state that upstream tells apart.

use super::super::pod;
use super::*;

/// `expected` is `READY STATUS RESTARTS`.
#[track_caller]
fn check_pod(pod: Value, expected: &str) {
    let cells = pod::row(&pod);
    let shown: Vec<&str> = cells[1..4].iter().map(|cell| cell.as_str().unwrap()).collect();
    assert_eq!(shown.join(" "), expected, "{pod}");
}

fn containers(count: usize) -> Value {
    (1..=count).map(|number| json!({"name": format!("c{number}")})).collect()
}

/// A pod of so many containers, with what its containers report.
#[track_caller]
fn check_containers(count: usize, phase: &str, statuses: Value, expected: &str) {
    let pod = json!({"metadata": {"name": "x"}, "spec": {"containers": containers(count)},
        "status": {"phase": phase, "containerStatuses": statuses}});
    check_pod(pod, expected);
}

/// Two init containers and one other; `sidecars` of the former go on running.
#[track_caller]
fn check_init(sidecars: usize, init: Value, status: Value, expected: &str) {
    let init_containers: Value = (1..=2)
        .map(|number| match number <= sidecars {
            true => json!({"name": format!("i{number}"), "restartPolicy": "Always"}),
            false => json!({"name": format!("i{number}")}),
        })
        .collect();
    let mut pod = json!({"metadata": {"name": "x"}, "status": status,
        "spec": {"containers": containers(1), "initContainers": init_containers}});
    pod["status"]["initContainerStatuses"] = init;
    check_pod(pod, expected);
}

fn running(ready: bool, restarts: i64) -> Value {
    json!({"name": "c1", "ready": ready, "restartCount": restarts, "state": {"running": {}}})
}

fn waiting(reason: &str) -> Value {
    json!({"restartCount": 6, "state": {"waiting": {"reason": reason}}})
}

fn ended(state: Value) -> Value {
    json!({"restartCount": 0, "state": {"terminated": state}})
}

fn completed() -> Value {
    ended(json!({"reason": "Completed", "exitCode": 0}))
}

fn crashed() -> Value {
    ended(json!({"reason": "Error", "exitCode": 1}))
}

#[test]
fn a_pod_shows_its_phase_until_containers_say_more() {
    check_containers(2, "Running", json!([running(true, 6), {"restartCount": 3}]), "1/2 Running 9");
    check_containers(2, "podPhase", json!([running(true, 6), {}]), "1/2 podPhase 6");
    check_containers(1, "Running", json!([running(false, 0)]), "0/1 Running 0");
    check_containers(
        2,
        "podPhase",
        json!([running(true, 6), waiting("ContainerWaitingReason")]),
        "1/2 ContainerWaitingReason 12",
    );
    check_containers(
        2,
        "podPhase",
        json!([waiting("CrashLoopBackOff"), running(true, 6)]),
        "1/2 CrashLoopBackOff 12",
    );
}

#[test]
fn a_container_that_ended_gives_its_reason_signal_or_code() {
    check_containers(1, "Running", json!([completed()]), "0/1 Completed 0");
    check_containers(1, "Running", json!([crashed()]), "0/1 Error 0");
    let oom = json!({"reason": "OOMKilled", "exitCode": 137});
    check_containers(1, "Running", json!([ended(oom)]), "0/1 OOMKilled 0");
    check_containers(1, "Running", json!([ended(json!({"exitCode": 7}))]), "0/1 ExitCode:7 0");
    check_containers(1, "Running", json!([ended(json!({"signal": 9}))]), "0/1 Signal:9 0");
    check_containers(1, "Running", json!([ended(json!({}))]), "0/1 ExitCode:0 0");
}

/// The first container's word counts, but one that completed does not hide another.
#[test]
fn one_completed_container_among_others() {
    let pod = |statuses: Value, ready: &str| {
        json!({"metadata": {"name": "x"}, "spec": {"containers": containers(2)},
            "status": {"phase": "Running", "containerStatuses": statuses,
                "conditions": [{"type": "Ready", "status": ready}]}})
    };
    check_pod(pod(json!([completed(), running(true, 0)]), "True"), "1/2 Running 0");
    check_pod(pod(json!([completed(), running(true, 0)]), "False"), "1/2 NotReady 0");
    check_pod(pod(json!([completed(), crashed()]), "False"), "0/2 Error 0");
    check_pod(pod(json!([crashed(), completed()]), "False"), "0/2 Error 0");
    check_pod(pod(json!([completed(), completed()]), "False"), "0/2 Completed 0");
    check_pod(pod(json!([running(true, 0), crashed()]), "False"), "1/2 Error 0");
}

#[test]
fn reasons_of_the_pod_itself_come_first() {
    let pod = |status: Value| json!({"metadata": {"name": "x"}, "spec": {"containers": containers(1)}, "status": status});
    check_pod(pod(json!({"phase": "Failed", "reason": "Evicted"})), "0/1 Evicted 0");
    let gated = json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]);
    check_pod(pod(json!({"phase": "Pending", "conditions": gated})), "0/1 SchedulingGated 0");
    check_pod(pod(json!({"phase": "Unknown"})), "0/1 Unknown 0");
}

#[test]
fn a_pod_that_is_being_deleted() {
    let pod = |status: Value| {
        json!({"metadata": {"name": "x", "deletionTimestamp": ago(1)}, "status": status,
            "spec": {"containers": containers(1)}})
    };
    check_pod(pod(json!({"phase": "Running"})), "0/1 Terminating 0");
    check_pod(pod(json!({"phase": "Running", "reason": "NodeLost"})), "0/1 Unknown 0");
    check_pod(pod(json!({"phase": "Succeeded"})), "0/1 Succeeded 0");
    let done = json!({"phase": "Failed", "containerStatuses": [crashed()]});
    check_pod(pod(done), "0/1 Error 0");
}

#[test]
fn restarts_tell_when_the_last_one_was() {
    let restarted = |restarts: i64, seconds: i64| {
        json!({"ready": true, "restartCount": restarts, "state": {"running": {}},
            "lastState": {"terminated": {"finishedAt": ago(seconds)}}})
    };
    check_containers(1, "Running", json!([restarted(3, 20)]), "1/1 Running 3 (20s ago)");
    let two = json!([restarted(6, 10), restarted(3, 20)]);
    check_containers(2, "Running", two, "2/2 Running 9 (10s ago)");
    check_containers(1, "Running", json!([restarted(0, 20)]), "1/1 Running 0");
    check_containers(1, "Running", json!([running(true, 4)]), "1/1 Running 4");
}

#[test]
fn init_containers_show_how_far_the_pod_is() {
    let pending = || json!({"phase": "Pending"});
    let done = || json!({"name": "i1", "state": {"terminated": {"exitCode": 0}}});
    let second = |state: Value| json!({"name": "i2", "restartCount": 3, "state": state});
    check_init(0, json!([]), pending(), "0/1 Pending 0");
    check_init(0, json!([{"name": "i1", "state": {"running": {}}}]), pending(), "0/1 Init:0/2 0");
    check_init(0, json!([done(), second(json!({"running": {}}))]), pending(), "0/1 Init:1/2 3");
    let starting = json!({"waiting": {"reason": "PodInitializing"}});
    check_init(0, json!([done(), second(starting)]), pending(), "0/1 Init:1/2 3");
    let looping = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    check_init(0, json!([done(), second(looping)]), pending(), "0/1 Init:CrashLoopBackOff 3");
    let failed = json!({"terminated": {"exitCode": 1, "reason": "Error"}});
    check_init(0, json!([done(), second(failed)]), pending(), "0/1 Init:Error 3");
    let coded = json!({"terminated": {"exitCode": 5}});
    check_init(0, json!([done(), second(coded)]), pending(), "0/1 Init:ExitCode:5 3");
    let killed = json!({"terminated": {"exitCode": 137, "signal": 9}});
    check_init(0, json!([done(), second(killed)]), pending(), "0/1 Init:Signal:9 3");
}

#[test]
fn once_they_are_through_only_the_others_restarts_count() {
    let init = json!([
        {"name": "i1", "restartCount": 2, "state": {"terminated": {"exitCode": 0}}},
        {"name": "i2", "restartCount": 3, "state": {"terminated": {"exitCode": 0}}}]);
    let waiting = json!({"phase": "Pending", "containerStatuses": [
        {"state": {"waiting": {"reason": "PodInitializing"}}}]});
    check_init(0, init.clone(), waiting, "0/1 PodInitializing 0");
    let up = json!({"phase": "Running", "containerStatuses": [running(true, 1)]});
    check_init(0, init, up, "1/1 Running 1");
    // They may run again after a restart of the node: the condition says that they had been through,
    // and the status still tells of them.
    let again = json!([{"name": "i1", "state": {"running": {}}}]);
    let initialized = json!({"phase": "Running", "containerStatuses": [running(true, 1)],
        "conditions": [{"type": "Initialized", "status": "True"}]});
    check_init(0, again, initialized, "1/1 Init:0/2 1");
}

#[test]
fn sidecars_are_counted_with_the_containers() {
    let sidecar = |name: &str, started: bool, ready: bool, restarts: i64| {
        json!({"name": name, "started": started, "ready": ready, "restartCount": restarts,
            "state": {"running": {}}})
    };
    let pending = || json!({"phase": "Pending"});
    let first = json!([sidecar("i1", false, false, 0)]);
    check_init(2, first, pending(), "0/3 Init:0/2 0");
    let second = json!([sidecar("i1", true, true, 0), sidecar("i2", false, false, 1)]);
    check_init(2, second, pending(), "1/3 Init:1/2 1");
    let both = json!([sidecar("i1", true, true, 2), sidecar("i2", true, false, 1)]);
    let up = json!({"phase": "Running", "containerStatuses": [running(true, 1)]});
    check_init(2, both, up, "2/3 Running 4");
    let mixed = json!([sidecar("i1", true, true, 1),
        {"name": "i2", "restartCount": 7, "state": {"terminated": {"exitCode": 0}}}]);
    let up = json!({"phase": "Running", "containerStatuses": [running(true, 0)]});
    check_init(1, mixed, up, "2/2 Running 1");
}

#[test]
fn wide_columns_of_a_pod() {
    let bare = json!({"spec": {"containers": containers(1)}, "status": {"phase": "Pending"}});
    let none = "<none>";
    check("Pod", bare, json!(["x", "0/1", "Pending", "0", OLD, none, none, none, none]));
    let pod = json!({
        "spec": {"containers": containers(1), "nodeName": "box", "readinessGates": [
            {"conditionType": "a"}, {"conditionType": "b"}, {"conditionType": "c"}]},
        "status": {"phase": "Pending", "podIP": "1.1.1.1", "nominatedNodeName": "other",
            "podIPs": [{"ip": "1.1.1.1"}, {"ip": "2001:db8::"}],
            "conditions": [{"type": "a", "status": "False"}, {"type": "b", "status": "True"}]},
    });
    let expected = json!(["x", "0/1", "Pending", "0", OLD, "1.1.1.1", "box", "other", "1/3"]);
    check("Pod", pod, expected);
}

#[test]
fn rows_of_finished_pods_say_so() {
    let pod = |phase: &str| pod::finished(&json!({"status": {"phase": phase}}));
    assert_eq!(pod("Running"), None);
    let expected = json!([{"type": "Completed", "status": "True", "reason": "Succeeded",
        "message": "The pod has completed successfully."}]);
    assert_eq!(pod("Succeeded"), Some(expected));
    assert_eq!(pod("Failed").unwrap()[0]["message"], "The pod failed.");
}
