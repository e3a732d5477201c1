//! More or less for containers that run: what the node grants of a resize, and what that means for
//! each container. Pure.

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, ResourceRequirements};

use super::state::{Role, Slot};
use crate::quantities::{cpu_millis, memory_bytes};

/// What does not fit now may fit when another pod has gone.
pub(crate) const DEFERRED: &str = "Deferred";
/// What will never fit.
pub(crate) const INFEASIBLE: &str = "Infeasible";

/// Why a resize is not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    /// [`DEFERRED`] or [`INFEASIBLE`].
    pub reason: &'static str,
    pub message: String,
}

/// How far the resize of a pod is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Resize {
    /// Wanted, and not granted.
    pub pending: Option<Pending>,
    /// Granted, and not yet true of every container; with what went wrong.
    pub progress: Option<String>,
    /// What the pod as a whole is granted, where it asks so.
    pub whole: Option<ResourceRequirements>,
}

impl Resize {
    /// As the pod's last status has it.
    pub(crate) fn of(pod: &Pod) -> Self {
        let told = pod.status.as_ref().and_then(|status| status.resources.clone());
        Self { whole: told.or_else(|| whole(pod)), ..Self::default() }
    }
}

/// Cpu, in thousandths of a core, and memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amounts {
    pub cpu_millis: u64,
    pub memory_bytes: u64,
}

impl Amounts {
    pub(crate) fn requested(resources: &ResourceRequirements) -> Self {
        let (requests, limits) = (resources.requests.as_ref(), resources.limits.as_ref());
        Self {
            cpu_millis: cpu_millis(requests).or(cpu_millis(limits)).unwrap_or(0),
            memory_bytes: memory_bytes(requests).or(memory_bytes(limits)).unwrap_or(0),
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            cpu_millis: self.cpu_millis.saturating_add(other.cpu_millis),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            cpu_millis: self.cpu_millis.max(other.cpu_millis),
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
        }
    }
}

/// What a container asks for, without what is not an amount.
pub(crate) fn of_container(container: &Container) -> ResourceRequirements {
    container.resources.as_ref().map(plain).unwrap_or_default()
}

/// What the pod as a whole asks for.
pub(crate) fn whole(pod: &Pod) -> Option<ResourceRequirements> {
    pod.spec.as_ref()?.resources.as_ref().map(plain)
}

fn plain(resources: &ResourceRequirements) -> ResourceRequirements {
    let some = |list: &Option<_>| {
        list.clone().filter(|list: &std::collections::BTreeMap<_, _>| !list.is_empty())
    };
    ResourceRequirements {
        limits: some(&resources.limits),
        requests: some(&resources.requests),
        claims: None,
    }
}

/// What a container was granted before this server started, as its status tells; all that it asks
/// for where it has no status.
pub(crate) fn granted_before(
    wanted: &ResourceRequirements,
    status: Option<&ContainerStatus>,
) -> ResourceRequirements {
    let Some(status) = status else { return wanted.clone() };
    let Some(told) = &status.resources else { return wanted.clone() };
    let requests = ResourceRequirements {
        requests: status.allocated_resources.clone(),
        ..ResourceRequirements::default()
    };
    let same =
        requests.requests.is_some() && Amounts::requested(&requests) == Amounts::requested(wanted);
    if same { wanted.clone() } else { plain(told) }
}

/// What a pod requests, given what each container is counted for.
pub(crate) fn requested(
    slots: &[Slot],
    whole: Option<&ResourceRequirements>,
    counted: impl Fn(&Slot) -> ResourceRequirements,
) -> Amounts {
    let (mut together, mut beginning) = (Amounts::default(), Amounts::default());
    for slot in slots {
        let own = Amounts::requested(&counted(slot));
        match slot.role {
            Role::Main | Role::Sidecar => together = together.plus(own),
            Role::Init => beginning = beginning.max(own),
            Role::Ephemeral => {}
        }
    }
    let sum = together.max(beginning);
    let Some(whole) = whole else { return sum };
    let (own, stated) = (Amounts::requested(whole), |name: &str| {
        [&whole.requests, &whole.limits].into_iter().flatten().any(|list| list.contains_key(name))
    });
    Amounts {
        cpu_millis: if stated("cpu") { own.cpu_millis } else { sum.cpu_millis },
        memory_bytes: if stated("memory") { own.memory_bytes } else { sum.memory_bytes },
    }
}

/// Whether what is wanted fits into `capacity` beside what the other pods have.
pub(crate) fn judge(wanted: Amounts, others: Amounts, capacity: Amounts) -> Result<(), Pending> {
    let rows = [
        ("cpu", wanted.cpu_millis, others.cpu_millis, capacity.cpu_millis),
        ("memory", wanted.memory_bytes, others.memory_bytes, capacity.memory_bytes),
    ];
    for (name, wanted, _, capacity) in rows {
        if wanted > capacity {
            let message = format!(
                "Node didn't have enough capacity: {name}, requested: {wanted}, capacity: {capacity}"
            );
            return Err(Pending { reason: INFEASIBLE, message });
        }
    }
    for (name, wanted, used, capacity) in rows {
        if wanted.saturating_add(used) > capacity {
            let message = format!(
                "Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, \
                 capacity: {capacity}"
            );
            return Err(Pending { reason: DEFERRED, message });
        }
    }
    Ok(())
}

/// Whether the container wants to be started anew for this change.
pub(crate) fn needs_restart(
    container: &Container,
    from: &ResourceRequirements,
    to: &ResourceRequirements,
) -> bool {
    let changed = |name: &str| {
        let amounts = |resources: &ResourceRequirements| match name {
            "cpu" => {
                [cpu_millis(resources.requests.as_ref()), cpu_millis(resources.limits.as_ref())]
            }
            _ => {
                [memory_bytes(resources.requests.as_ref()), memory_bytes(resources.limits.as_ref())]
            }
        };
        amounts(from) != amounts(to)
    };
    container.resize_policy.iter().flatten().any(|policy| {
        policy.restart_policy == "RestartContainer" && changed(policy.resource_name.as_str())
    })
}

/// The pod with what its containers are granted instead of what they ask for.
pub(crate) fn granted(pod: &Pod, slots: &[Slot], whole: Option<&ResourceRequirements>) -> Pod {
    let mut pod = pod.clone();
    let Some(spec) = pod.spec.as_mut() else { return pod };
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        if let Some(slot) = slots.iter().find(|slot| slot.name == container.name) {
            grant(container, &slot.granted);
        }
    }
    if spec.resources.is_some() {
        spec.resources = whole.cloned();
    }
    pod
}

/// The container with what it is granted.
pub(crate) fn grant(container: &mut Container, granted: &ResourceRequirements) {
    let claims = container.resources.take().and_then(|resources| resources.claims);
    container.resources = Some(ResourceRequirements { claims, ..granted.clone() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::state::slots;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    const GIB: u64 = 1 << 30;

    fn amounts(cpu_millis: u64, memory_bytes: u64) -> Amounts {
        Amounts { cpu_millis, memory_bytes }
    }

    #[track_caller]
    fn check_judged(wanted: Amounts, others: Amounts, expected: Option<(&str, &str)>) {
        let judged = judge(wanted, others, amounts(2000, GIB)).err();
        let judged = judged.as_ref().map(|pending| (pending.reason, pending.message.as_str()));
        assert_eq!(judged, expected);
    }

    #[test]
    fn a_resize_is_granted_deferred_or_never_possible() {
        check_judged(amounts(2000, GIB), Amounts::default(), None);
        let message = "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000";
        check_judged(amounts(3000, 1), Amounts::default(), Some((INFEASIBLE, message)));
        let message = "Node didn't have enough resource: memory, requested: 1073741824, used: 1, \
                       capacity: 1073741824";
        check_judged(amounts(1, GIB), amounts(0, 1), Some((DEFERRED, message)));
    }

    fn resources(value: Value) -> ResourceRequirements {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_container_is_restarted_for_what_its_policy_names() {
        let container: Container = serde_json::from_value(json!({"name": "c", "resizePolicy": [
            {"resourceName": "cpu", "restartPolicy": "NotRequired"},
            {"resourceName": "memory", "restartPolicy": "RestartContainer"}]}))
        .unwrap();
        let from = resources(json!({"requests": {"cpu": "1", "memory": "64Mi"}}));
        let check = |to: Value, expected| {
            assert_eq!(needs_restart(&container, &from, &resources(to)), expected);
        };
        check(json!({"requests": {"cpu": "2", "memory": "64Mi"}}), false);
        check(json!({"requests": {"cpu": "1", "memory": "65536Ki"}}), false);
        check(json!({"requests": {"cpu": "1", "memory": "32Mi"}}), true);
        check(json!({"requests": from.requests, "limits": {"memory": "64Mi"}}), true);
    }

    #[test]
    fn a_pod_requests_what_runs_together_or_what_its_beginning_takes() {
        let pod: Pod = serde_json::from_value(json!({"spec": {
            "initContainers": [{"name": "i", "resources": {"requests": {"cpu": "3"}}},
                {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "500m"}}}],
            "containers": [{"name": "a", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}}))
        .unwrap();
        let slots = slots(&pod, Timestamp::UNIX_EPOCH);
        let counted = |slot: &Slot| slot.granted.clone();
        assert_eq!(requested(&slots, None, counted), amounts(3000, GIB));
        let whole = resources(json!({"requests": {"cpu": "200m"}}));
        assert_eq!(requested(&slots, Some(&whole), counted), amounts(200, GIB));
    }

    #[test]
    fn what_was_granted_is_known_after_a_restart() {
        let wanted = resources(json!({"requests": {"cpu": "2"}, "limits": {"cpu": "2"}}));
        let had = json!({"requests": {"cpu": "1"}, "limits": {"cpu": "1"}});
        let status = |allocated: &str| -> ContainerStatus {
            serde_json::from_value(json!({"name": "c", "image": "", "imageID": "", "ready": true,
                "restartCount": 0, "resources": had, "allocatedResources": {"cpu": allocated}}))
            .unwrap()
        };
        assert_eq!(granted_before(&wanted, None), wanted);
        assert_eq!(granted_before(&wanted, Some(&status("1"))), resources(had.clone()));
        assert_eq!(granted_before(&wanted, Some(&status("2000m"))), wanted);
    }
}
