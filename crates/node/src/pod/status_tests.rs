use super::*;
use crate::pod::state::{Waiting, slots};
use k8s_openapi::api::core::v1::ContainerStateTerminated;

static NO_RESIZE: Resize = Resize { pending: None, progress: None, whole: None };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn pod() -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "generation": 4},
        "spec": {"containers": [{"name": "main", "image": "orders:dev"}]},
        "status": {"conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": "True", "lastTransitionTime": "1970-01-01T00:00:05Z"}]}
    }))
    .unwrap()
}

fn view<'a>(pod: &'a Pod, slots: &'a [Slot]) -> View<'a> {
    View {
        pod,
        slots,
        address: Some(Ipv4Addr::new(10, 42, 0, 9)),
        host_address: Ipv4Addr::new(10, 42, 0, 1),
        sandbox: true,
        initialized: true,
        terminating: false,
        outcome: None,
        resize: &NO_RESIZE,
        start_time: at(1),
        now: at(100),
    }
}

fn slot(pod: &Pod, now: Now) -> Slot {
    let mut slot = slots(pod, at(0)).remove(0);
    slot.attempt = (now != Now::Absent).then_some(0);
    slot.now = now;
    (slot.started, slot.ready) = (true, true);
    slot
}

fn ended(code: i32) -> Now {
    Now::Ended(ContainerStateTerminated {
        exit_code: code,
        started_at: Some(Time(at(90))),
        finished_at: Some(Time(at(95))),
        ..Default::default()
    })
}

fn ready(status: &PodStatus) -> &PodCondition {
    status.conditions.iter().flatten().find(|c| c.type_ == "Ready").unwrap()
}

#[test]
fn a_running_pod_tells_everything_kubectl_shows() {
    let pod = pod();
    let slots = [slot(&pod, Now::Running { since: at(50) })];
    let status = serde_json::to_value(translate(&view(&pod, &slots))).unwrap();
    assert_eq!(
        status,
        json!({
            "phase": "Running", "podIP": "10.42.0.9", "podIPs": [{"ip": "10.42.0.9"}],
            "hostIP": "10.42.0.1", "hostIPs": [{"ip": "10.42.0.1"}],
            "startTime": "1970-01-01T00:00:01Z", "qosClass": "BestEffort", "observedGeneration": 4,
            "conditions": [
                {"type": "PodReadyToStartContainers", "status": "True", "observedGeneration": 4,
                    "lastTransitionTime": "1970-01-01T00:01:40Z"},
                {"type": "Initialized", "status": "True", "observedGeneration": 4,
                    "lastTransitionTime": "1970-01-01T00:01:40Z"},
                {"type": "Ready", "status": "True", "observedGeneration": 4,
                    "lastTransitionTime": "1970-01-01T00:00:05Z"},
                {"type": "ContainersReady", "status": "True", "observedGeneration": 4,
                    "lastTransitionTime": "1970-01-01T00:01:40Z"}],
            "containerStatuses": [{"name": "main", "image": "orders:dev", "imageID": "",
                "containerID": "sampan://u1.main.0", "ready": true, "started": true,
                "restartCount": 0, "resources": {}, "state": {"running": {"startedAt": "1970-01-01T00:00:50Z"}}}]
        })
    );
}

fn check_waiting(slot: Slot, phase: &str, reason: &str, message: Option<&str>) {
    let pod = pod();
    let slots = [slot];
    let status = translate(&view(&pod, &slots));
    assert_eq!(status.phase.as_deref(), Some(phase));
    let state = status.container_statuses.unwrap().remove(0).state.unwrap();
    let waiting = state.waiting.unwrap();
    assert_eq!(waiting.reason.as_deref(), Some(reason));
    assert_eq!(waiting.message.as_deref(), message);
}

#[test]
fn a_container_that_is_not_made_waits() {
    let pod = pod();
    check_waiting(slot(&pod, Now::Absent), "Pending", "ContainerCreating", None);
    let mut without_image = slot(&pod, Now::Absent);
    without_image.problem = Some(Waiting { reason: "ErrImagePull", message: "no image".into() });
    check_waiting(without_image, "Pending", "ErrImagePull", Some("no image"));
}

#[test]
fn a_crashing_container_waits_with_its_end_in_last_state() {
    let pod = pod();
    let mut crashing = slot(&pod, ended(1));
    crashing.backoff = crate::pod::restart::Backoff::from_restarts(2);
    check_waiting(
        crashing,
        "Running",
        "CrashLoopBackOff",
        Some("back-off 20s restarting failed container=main pod=web_shop(u1)"),
    );
}

#[test]
fn a_pod_on_its_way_out_is_not_ready() {
    let pod = pod();
    let slots = [slot(&pod, Now::Running { since: at(50) })];
    let status = translate(&View { terminating: true, ..view(&pod, &slots) });
    assert_eq!(ready(&status).status, "False");
    assert_eq!(ready(&status).last_transition_time, Some(Time(at(100))));
    assert_eq!(status.phase.as_deref(), Some("Running"));
}

#[test]
fn a_finished_pod_says_how() {
    let pod = pod();
    let slots = [slot(&pod, ended(0))];
    let outcome = Outcome { succeeded: true, reason: None, message: None };
    let status = translate(&View { outcome: Some(&outcome), ..view(&pod, &slots) });
    assert_eq!(status.phase.as_deref(), Some("Succeeded"));
    assert_eq!(ready(&status).reason.as_deref(), Some("PodCompleted"));
}

#[test]
fn readiness_gates_hold_ready_back() {
    let mut pod = pod();
    pod.spec.as_mut().unwrap().readiness_gates =
        serde_json::from_value(json!([{"conditionType": "example.com/gate"}])).unwrap();
    let slots = [slot(&pod, Now::Running { since: at(50) })];
    let status = translate(&view(&pod, &slots));
    assert_eq!(ready(&status).reason.as_deref(), Some("ReadinessGatesNotReady"));
}

#[test]
fn a_status_that_is_already_there_makes_no_patch() {
    let mut pod = pod();
    let slots = [slot(&pod, Now::Running { since: at(50) })];
    let status = translate(&view(&pod, &slots));
    let body = patch(&pod, &status).unwrap();
    assert_eq!(body["metadata"]["uid"], "u1");
    let mut written = status.clone();
    // Conditions that others own stay where they are.
    written.conditions.as_mut().unwrap().push(PodCondition {
        type_: "PodScheduled".into(),
        status: "True".into(),
        ..Default::default()
    });
    pod.status = Some(written);
    assert_eq!(patch(&pod, &translate(&view(&pod, &slots))), None);
}

#[test]
fn an_address_that_changed_is_taken_out_by_name() {
    let mut pod = pod();
    let slots = [slot(&pod, Now::Running { since: at(50) })];
    pod.status = Some(translate(&view(&pod, &slots)));
    let moved = View { address: Some(Ipv4Addr::new(10, 42, 0, 10)), ..view(&pod, &slots) };
    let body = patch(&pod, &translate(&moved)).unwrap();
    assert_eq!(
        body["status"]["podIPs"],
        json!([{"ip": "10.42.0.10"}, {"$patch": "delete", "ip": "10.42.0.9"}])
    );
}

#[test]
fn a_resize_is_told_while_it_is_not_done() {
    let mut pod = pod();
    let slots = [slot(&pod, Now::Running { since: at(50) })];
    let message = "Node didn't have enough capacity: cpu, requested: 9000, capacity: 2000";
    let resize = Resize {
        pending: Some(Pending { reason: "Infeasible", message: message.to_owned() }),
        progress: Some("no".to_owned()),
        whole: None,
    };
    let told = translate(&View { resize: &resize, ..view(&pod, &slots) });
    let of = |kind: &str| {
        let found = told.conditions.iter().flatten().find(|own| own.type_ == kind).unwrap();
        (found.reason.clone().unwrap(), found.message.clone().unwrap())
    };
    assert_eq!(of("PodResizePending"), ("Infeasible".to_owned(), message.to_owned()));
    assert_eq!(of("PodResizeInProgress"), ("Error".to_owned(), "no".to_owned()));
    // Done: it is taken out by name.
    pod.status = Some(told);
    let change = patch(&pod, &translate(&view(&pod, &slots))).unwrap();
    let gone = |kind: &str| json!({"$patch": "delete", "type": kind});
    let conditions = change["status"]["conditions"].as_array().unwrap();
    let expected = [gone("PodResizePending"), gone("PodResizeInProgress")];
    assert!(conditions.ends_with(&expected), "{conditions:?}");
}
