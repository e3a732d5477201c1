//! What the API is told of a pod: a pure translation of what the node knows.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateWaiting, ContainerStatus, HostIP, Pod,
    PodCondition, PodIP, PodStatus, ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value, json};

use super::qos;
use super::resize::{Pending, Resize};
use super::restart::until;
use super::state::{Now, Role, Slot};

/// What the node knows of a pod.
pub(crate) struct View<'a> {
    pub pod: &'a Pod,
    pub slots: &'a [Slot],
    pub address: Option<Ipv4Addr>,
    pub host_address: Ipv4Addr,
    /// The pod's shim lives and its network is set up.
    pub sandbox: bool,
    pub initialized: bool,
    /// It is on its way out and must get no more traffic.
    pub terminating: bool,
    /// It is over, with reason and message where the node ended it.
    pub outcome: Option<&'a Outcome>,
    /// How far a change of its resources is.
    pub resize: &'a Resize,
    pub start_time: Timestamp,
    pub now: Timestamp,
}

/// How a pod ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub succeeded: bool,
    pub reason: Option<String>,
    pub message: Option<String>,
}

/// The status of the pod. Conditions that others own are not in it.
pub(crate) fn translate(view: &View<'_>) -> PodStatus {
    let status = |slot: &Slot| container_status(view, slot);
    let mains = view.slots.iter().filter(|slot| slot.role == Role::Main);
    let init = |slot: &&Slot| matches!(slot.role, Role::Init | Role::Sidecar);
    let inits: Vec<ContainerStatus> = view.slots.iter().filter(init).map(status).collect();
    let ephemerals = view.slots.iter().filter(|slot| slot.role == Role::Ephemeral);
    let ephemerals: Vec<ContainerStatus> = ephemerals.map(status).collect();
    let class = view.pod.status.as_ref().and_then(|status| status.qos_class.clone());
    PodStatus {
        phase: Some(phase(view).to_owned()),
        reason: view.outcome.and_then(|outcome| outcome.reason.clone()),
        message: view.outcome.and_then(|outcome| outcome.message.clone()),
        conditions: Some(conditions(view)),
        container_statuses: Some(mains.map(status).collect()),
        init_container_statuses: (!inits.is_empty()).then_some(inits),
        ephemeral_container_statuses: (!ephemerals.is_empty()).then_some(ephemerals),
        host_ip: Some(view.host_address.to_string()),
        host_ips: Some(vec![HostIP { ip: view.host_address.to_string() }]),
        pod_ip: view.address.map(|address| address.to_string()),
        pod_ips: view.address.map(|address| vec![PodIP { ip: address.to_string() }]),
        start_time: Some(Time(view.start_time)),
        qos_class: Some(class.unwrap_or_else(|| qos::Class::of(view.pod).word().to_owned())),
        observed_generation: view.pod.metadata.generation,
        resources: view.resize.whole.clone(),
        allocated_resources: view.resize.whole.as_ref().and_then(|whole| whole.requests.clone()),
        ..PodStatus::default()
    }
}

fn phase(view: &View<'_>) -> &'static str {
    match view.outcome {
        Some(Outcome { succeeded: true, .. }) => return "Succeeded",
        Some(_) => return "Failed",
        None => {}
    }
    let begun =
        |slot: &Slot| slot.is_running() || matches!(slot.now, Now::Ended(_)) || slot.last.is_some();
    let mut mains = view.slots.iter().filter(|slot| slot.role == Role::Main).peekable();
    if view.initialized && mains.peek().is_some() && mains.all(begun) {
        "Running"
    } else {
        "Pending"
    }
}

fn is_ready(view: &View<'_>, slot: &Slot) -> bool {
    match slot.role {
        Role::Init => matches!(&slot.now, Now::Ended(end) if end.exit_code == 0),
        // Nobody is served by one.
        Role::Ephemeral => false,
        Role::Main | Role::Sidecar => {
            slot.is_running()
                && slot.started
                && slot.ready
                && !slot.hooking
                && !view.terminating
                && view.outcome.is_none()
        }
    }
}

fn container_status(view: &View<'_>, slot: &Slot) -> ContainerStatus {
    let (state, last) = states(view, slot);
    let wanted = super::fields::named(view.pod, &slot.name).and_then(|c| c.into_owned().image);
    let made = Some(slot.image.clone()).filter(|image| slot.attempt.is_some() && !image.is_empty());
    let image = made.or(wanted);
    let uid = view.pod.metadata.uid.as_deref().unwrap_or_default();
    ContainerStatus {
        name: slot.name.clone(),
        image: image.unwrap_or_default(),
        image_id: slot.image_id.clone(),
        container_id: slot.id().map(|id| format!("sampan://{uid}.{id}")),
        ready: is_ready(view, slot),
        started: (slot.role != Role::Ephemeral).then(|| slot.is_running() && slot.started),
        restart_count: i32::try_from(slot.restart_count()).unwrap_or(i32::MAX),
        state: Some(state),
        last_state: last,
        resources: resources(slot),
        allocated_resources: slot.granted.requests.clone(),
        ..ContainerStatus::default()
    }
}

/// What the container has while it runs, and what it will have otherwise.
fn resources(slot: &Slot) -> Option<ResourceRequirements> {
    if slot.role == Role::Ephemeral {
        return None;
    }
    let has = slot.applied.as_ref().filter(|_| slot.is_running());
    Some(has.unwrap_or(&slot.granted).clone())
}

/// `state` and `lastState`.
fn states(view: &View<'_>, slot: &Slot) -> (ContainerState, Option<ContainerState>) {
    let last =
        slot.last.clone().map(|end| ContainerState { terminated: Some(end), ..Default::default() });
    match &slot.now {
        Now::Running { since } => {
            let running = ContainerStateRunning { started_at: Some(Time(*since)) };
            (ContainerState { running: Some(running), ..Default::default() }, last)
        }
        Now::Ended(end) => {
            let terminated = ContainerState { terminated: Some(end.clone()), ..Default::default() };
            match crash_loop(view, slot) {
                Some(waiting) => (waiting, Some(terminated)),
                None => (terminated, last),
            }
        }
        Now::Absent | Now::Created => {
            let (reason, message) = match &slot.problem {
                Some(problem) => (problem.reason, Some(problem.message.clone())),
                None if matches!(slot.role, Role::Init | Role::Sidecar) => {
                    ("PodInitializing", None)
                }
                None if !view.initialized => ("PodInitializing", None),
                None => ("ContainerCreating", None),
            };
            (waiting(reason, message), last)
        }
    }
}

/// The waiting state of a container that will be started again, or cannot be.
fn crash_loop(view: &View<'_>, slot: &Slot) -> Option<ContainerState> {
    if slot.is_over() || view.outcome.is_some() || view.terminating {
        return None;
    }
    if let Some(problem) = &slot.problem {
        return Some(waiting(problem.reason, Some(problem.message.clone())));
    }
    let left = until(view.now, slot.restart_at()?);
    if left.is_zero() {
        return None;
    }
    let Now::Ended(end) = &slot.now else { return None };
    let wait = slot.backoff.wait(
        end.started_at.as_ref().map(|time| time.0),
        end.finished_at.as_ref().map_or(view.now, |time| time.0),
    );
    let meta = &view.pod.metadata;
    let message = format!(
        "back-off {}s restarting failed container={} pod={}_{}({})",
        wait.as_secs(),
        slot.name,
        meta.name.as_deref().unwrap_or_default(),
        meta.namespace.as_deref().unwrap_or_default(),
        meta.uid.as_deref().unwrap_or_default(),
    );
    Some(waiting("CrashLoopBackOff", Some(message)))
}

fn waiting(reason: &str, message: Option<String>) -> ContainerState {
    let waiting = ContainerStateWaiting { reason: Some(reason.to_owned()), message };
    ContainerState { waiting: Some(waiting), ..Default::default() }
}

/// The conditions this node owns, each with the time of its last change.
fn conditions(view: &View<'_>) -> Vec<PodCondition> {
    let containers = containers_ready(view);
    let ready = match gates(view) {
        Some(message) if containers.0 => (false, "ReadinessGatesNotReady", message),
        _ => containers.clone(),
    };
    let mut all = vec![
        condition(view, "PodReadyToStartContainers", (view.sandbox, "", String::new())),
        condition(view, "Initialized", initialized(view)),
        condition(view, "Ready", ready),
        condition(view, "ContainersReady", containers),
    ];
    if previous(view.pod, "PodScheduled").is_none() {
        all.push(condition(view, "PodScheduled", (true, "", String::new())));
    }
    if view.outcome.is_none() && !view.terminating {
        all.extend(resize_conditions(view));
    }
    all
}

/// Conditions that are there only while a resize is not done.
const RESIZE_PENDING: &str = "PodResizePending";
const RESIZE_IN_PROGRESS: &str = "PodResizeInProgress";

fn resize_conditions(view: &View<'_>) -> Vec<PodCondition> {
    let mut found = Vec::new();
    if let Some(Pending { reason, message }) = &view.resize.pending {
        found.push(condition(view, RESIZE_PENDING, (true, reason, message.clone())));
    }
    if let Some(error) = &view.resize.progress {
        let reason = if error.is_empty() { "" } else { "Error" };
        found.push(condition(view, RESIZE_IN_PROGRESS, (true, reason, error.clone())));
    }
    found
}

type Verdict = (bool, &'static str, String);

fn initialized(view: &View<'_>) -> Verdict {
    if view.outcome.is_some_and(|outcome| outcome.succeeded) {
        return (true, "PodCompleted", String::new());
    }
    let open: Vec<&str> = (view.slots.iter())
        .filter(|slot| matches!(slot.role, Role::Init | Role::Sidecar))
        .filter(|slot| !view.initialized && !is_ready(view, slot))
        .map(|slot| slot.name.as_str())
        .collect();
    if open.is_empty() {
        return (true, "", String::new());
    }
    let message = format!("containers with incomplete status: [{}]", open.join(" "));
    (false, "ContainersNotInitialized", message)
}

fn containers_ready(view: &View<'_>) -> Verdict {
    match view.outcome {
        Some(Outcome { succeeded: true, .. }) => return (false, "PodCompleted", String::new()),
        Some(_) => return (false, "PodFailed", String::new()),
        None => {}
    }
    let unready: Vec<&str> = (view.slots.iter())
        .filter(|slot| matches!(slot.role, Role::Main | Role::Sidecar) && !is_ready(view, slot))
        .map(|slot| slot.name.as_str())
        .collect();
    if unready.is_empty() {
        return (true, "", String::new());
    }
    let message = format!("containers with unready status: [{}]", unready.join(" "));
    (false, "ContainersNotReady", message)
}

/// What the pod's readiness gates still wait for.
fn gates(view: &View<'_>) -> Option<String> {
    let gates = view.pod.spec.as_ref()?.readiness_gates.as_ref()?;
    let open = gates.iter().find(|gate| {
        previous(view.pod, &gate.condition_type).is_none_or(|condition| condition.status != "True")
    })?;
    Some(format!("the status of pod readiness gate {:?} is not \"True\"", open.condition_type))
}

fn previous<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == kind)
}

fn condition(view: &View<'_>, kind: &str, (holds, reason, message): Verdict) -> PodCondition {
    let status = if holds { "True" } else { "False" };
    let since = previous(view.pod, kind)
        .filter(|condition| condition.status == status)
        .and_then(|condition| condition.last_transition_time.clone());
    PodCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
        message: (!message.is_empty()).then_some(message),
        last_transition_time: Some(since.unwrap_or(Time(view.now))),
        observed_generation: view.pod.metadata.generation,
        ..PodCondition::default()
    }
}

/// The strategic merge patch from the status in `old` to `new`; None when nothing changes.
pub(crate) fn patch(old: &Pod, new: &PodStatus) -> Option<Value> {
    let before = to_map(old.status.as_ref().unwrap_or(&PodStatus::default()));
    let mut changes = Map::new();
    let after = to_map(new);
    for (key, value) in &after {
        let same = match key.as_str() {
            "conditions" => conditions_same(before.get(key), value),
            _ => before.get(key) == Some(value),
        };
        if !same {
            changes.insert(key.clone(), value.clone());
        }
    }
    for key in ["reason", "message", "podIP"] {
        if before.contains_key(key) && !after.contains_key(key) {
            changes.insert(key.to_owned(), Value::Null);
        }
    }
    let over = resize_over(old, new);
    if !over.is_empty() {
        let list = changes.entry("conditions").or_insert_with(|| json!([]));
        list.as_array_mut().expect("conditions are a list").extend(over);
    }
    // Addresses merge by value: one that is gone must be taken out by name.
    let gone = before.get("podIPs").and_then(Value::as_array).into_iter().flatten().filter(|ip| {
        !after.get("podIPs").and_then(Value::as_array).is_some_and(|now| now.contains(ip))
    });
    let gone: Vec<Value> = gone.map(|ip| json!({"$patch": "delete", "ip": ip["ip"]})).collect();
    if !gone.is_empty() {
        let list = changes.entry("podIPs").or_insert_with(|| json!([]));
        list.as_array_mut().expect("podIPs is a list").extend(gone);
    }
    if changes.is_empty() {
        return None;
    }
    Some(json!({"metadata": {"uid": old.metadata.uid}, "status": changes}))
}

/// What takes out the conditions of a resize that is done: they merge by their type.
fn resize_over(old: &Pod, new: &PodStatus) -> Vec<Value> {
    let conditions = |kind: &str| new.conditions.iter().flatten().any(|own| own.type_ == kind);
    let over = |kind: &&str| previous(old, kind).is_some() && !conditions(kind);
    let kinds = [RESIZE_PENDING, RESIZE_IN_PROGRESS].into_iter();
    kinds.filter(over).map(|kind| json!({"$patch": "delete", "type": kind})).collect()
}

/// Whether all of `new` stands in `old`; others' conditions do not count.
fn conditions_same(old: Option<&Value>, new: &Value) -> bool {
    let old = old.and_then(Value::as_array);
    let new = new.as_array();
    new.into_iter().flatten().all(|condition| old.is_some_and(|old| old.contains(condition)))
}

fn to_map(status: &PodStatus) -> Map<String, Value> {
    match serde_json::to_value(status) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
