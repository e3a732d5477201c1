//! Quality of service: a pod's class, its cgroup shares and limits, and its OOM score.

use container::Resources;
use k8s_openapi::api::core::v1::{Container, Pod, ResourceRequirements};

use crate::quantities::{cpu_millis, memory_bytes};

/// The period that cpu quotas are given in.
const PERIOD_US: u64 = 100_000;
/// The smallest quota the kernel takes.
const QUOTA_MIN_US: u64 = 1000;
/// The fewest cpu shares the kernel takes; what a container without a request gets.
const SHARES_MIN: u64 = 2;
/// The most cpu shares the kernel takes.
const SHARES_MAX: u64 = 262_144;

/// A pod's quality of service class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Guaranteed,
    Burstable,
    BestEffort,
}

impl Class {
    /// The class that the requests and limits of all containers make.
    pub(crate) fn of(pod: &Pod) -> Self {
        let Some(spec) = &pod.spec else { return Self::BestEffort };
        if let Some(whole) = spec.resources.as_ref().filter(|whole| states(whole)) {
            return if equal(whole) { Self::Guaranteed } else { Self::Burstable };
        }
        let containers = || spec.init_containers.iter().flatten().chain(&spec.containers);
        let stated = |container: &Container| container.resources.as_ref().is_some_and(states);
        if !containers().any(stated) {
            Self::BestEffort
        } else if containers().all(guaranteed) {
            Self::Guaranteed
        } else {
            Self::Burstable
        }
    }

    /// The word in `status.qosClass`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// Is anything of cpu or memory asked for?
fn states(resources: &ResourceRequirements) -> bool {
    [&resources.requests, &resources.limits].into_iter().flatten().any(|list| {
        cpu_millis(Some(list)).unwrap_or(0) > 0 || memory_bytes(Some(list)).unwrap_or(0) > 0
    })
}

fn guaranteed(container: &Container) -> bool {
    container.resources.as_ref().is_some_and(equal)
}

/// Both limits are set, and requests, where given, equal them.
fn equal(resources: &ResourceRequirements) -> bool {
    let (limits, requests) = (resources.limits.as_ref(), resources.requests.as_ref());
    let same = |limit: Option<u64>, request: Option<u64>| {
        limit.is_some_and(|limit| limit > 0 && request.unwrap_or(limit) == limit)
    };
    same(cpu_millis(limits), cpu_millis(requests))
        && same(memory_bytes(limits), memory_bytes(requests))
}

/// The cgroup settings of one container.
pub(crate) fn resources(container: &Container) -> Resources {
    let (limits, requests) = lists(container);
    let request = cpu_millis(requests).or(cpu_millis(limits)).unwrap_or(0);
    Resources {
        cpu_shares: Some(shares(request)),
        cpu_quota_us: cpu_millis(limits).filter(|millis| *millis > 0).map(quota),
        cpu_period_us: cpu_millis(limits).filter(|millis| *millis > 0).map(|_| PERIOD_US),
        memory_limit_bytes: memory_bytes(limits).filter(|bytes| *bytes > 0),
        pids_limit: None,
    }
}

/// The cgroup settings of a whole pod: shares always, limits when every container has one.
pub(crate) fn pod_resources(pod: &Pod) -> Resources {
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let request = |c: &Container| {
        let (limits, requests) = lists(c);
        cpu_millis(requests).or(cpu_millis(limits)).unwrap_or(0)
    };
    let shares_sum = shares(containers.iter().map(request).sum());
    // Init containers run in the same cgroup, so a pod with any has no limit of its own.
    let bounded = pod.spec.as_ref().is_none_or(|spec| spec.init_containers.is_none());
    let sum = |limit: fn(&Container) -> Option<u64>| -> Option<u64> {
        if bounded { containers.iter().map(limit).sum() } else { None }
    };
    // What is said of the pod as a whole has the last word.
    let whole = pod.spec.as_ref().and_then(|spec| spec.resources.as_ref());
    let limits = whole.and_then(|whole| whole.limits.as_ref());
    let requests = whole.and_then(|whole| whole.requests.as_ref()).or(limits);
    let cpu = cpu_millis(limits).or(sum(|c| cpu_millis(lists(c).0))).filter(|millis| *millis > 0);
    let memory = memory_bytes(limits).or(sum(|c| memory_bytes(lists(c).0)));
    Resources {
        cpu_shares: Some(cpu_millis(requests).map_or(shares_sum, shares)),
        cpu_quota_us: cpu.map(quota),
        cpu_period_us: cpu.map(|_| PERIOD_US),
        memory_limit_bytes: memory.filter(|bytes| *bytes > 0),
        pids_limit: None,
    }
}

type List<'a> = Option<
    &'a std::collections::BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>,
>;

fn lists(container: &Container) -> (List<'_>, List<'_>) {
    let resources = container.resources.as_ref();
    (resources.and_then(|r| r.limits.as_ref()), resources.and_then(|r| r.requests.as_ref()))
}

fn shares(millis: u64) -> u64 {
    (millis * 1024 / 1000).clamp(SHARES_MIN, SHARES_MAX)
}

fn quota(millis: u64) -> i64 {
    let quota = (millis * PERIOD_US / 1000).max(QUOTA_MIN_US);
    i64::try_from(quota).unwrap_or(i64::MAX)
}

/// How willingly the kernel kills the container, as upstream scores it.
pub(crate) fn oom_score_adj(class: Class, container: &Container, node_memory: u64) -> i32 {
    let (limits, requests) = lists(container);
    let request = memory_bytes(requests).or(memory_bytes(limits)).unwrap_or(0);
    match class {
        Class::Guaranteed => -997,
        Class::BestEffort => 1000,
        Class::Burstable => {
            let share = u128::from(request) * 1000 / u128::from(node_memory.max(1));
            1000 - i32::try_from(share.clamp(1, 997)).unwrap_or(997)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(resources: &[Value]) -> Pod {
        let containers: Vec<Value> =
            resources.iter().map(|r| json!({"name": "c", "resources": r})).collect();
        serde_json::from_value(json!({"spec": {"containers": containers}})).unwrap()
    }

    fn check_class(resources: &[Value], expected: Class) {
        assert_eq!(Class::of(&pod(resources)), expected, "{resources:?}");
    }

    #[test]
    fn classes_follow_requests_and_limits() {
        let both = json!({"cpu": "1", "memory": "1Gi"});
        check_class(&[json!({})], Class::BestEffort);
        check_class(&[json!({"limits": both})], Class::Guaranteed);
        check_class(&[json!({"limits": both, "requests": both})], Class::Guaranteed);
        check_class(&[json!({"limits": both}), json!({})], Class::Burstable);
        check_class(&[json!({"requests": {"cpu": "1m"}})], Class::Burstable);
        check_class(&[json!({"limits": both, "requests": {"cpu": "500m"}})], Class::Burstable);
    }

    #[test]
    fn limits_become_quota_and_bytes() {
        let pod = pod(&[json!({"limits": {"cpu": "500m", "memory": "64Mi"},
            "requests": {"cpu": "100m"}})]);
        let made = resources(&pod.spec.as_ref().unwrap().containers[0]);
        assert_eq!(made.cpu_shares, Some(102));
        assert_eq!(made.cpu_quota_us, Some(50_000));
        assert_eq!(made.memory_limit_bytes, Some(64 << 20));
        assert_eq!(pod_resources(&pod).memory_limit_bytes, Some(64 << 20));
    }

    #[test]
    fn one_container_without_a_limit_lifts_the_pods() {
        let pod = pod(&[json!({"limits": {"memory": "64Mi"}}), json!({})]);
        assert_eq!(pod_resources(&pod).memory_limit_bytes, None);
        assert_eq!(resources(&pod.spec.as_ref().unwrap().containers[1]).cpu_shares, Some(2));
    }

    #[test]
    fn a_pod_as_a_whole_has_limits_of_its_own() {
        let mut pod = pod(&[json!({}), json!({"limits": {"cpu": "2"}})]);
        let whole = json!({"limits": {"cpu": "1", "memory": "64Mi"}});
        pod.spec.as_mut().unwrap().resources = serde_json::from_value(whole).unwrap();
        let made = pod_resources(&pod);
        assert_eq!((made.cpu_shares, made.cpu_quota_us), (Some(1024), Some(100_000)));
        assert_eq!(made.memory_limit_bytes, Some(64 << 20));
        assert_eq!(Class::of(&pod), Class::Guaranteed);
    }

    #[test]
    fn the_oom_killer_takes_best_effort_first() {
        let pod = pod(&[json!({"requests": {"memory": "512Mi"}})]);
        let container = &pod.spec.as_ref().unwrap().containers[0];
        assert_eq!(oom_score_adj(Class::BestEffort, container, 1 << 30), 1000);
        assert_eq!(oom_score_adj(Class::Burstable, container, 1 << 30), 500);
        assert_eq!(oom_score_adj(Class::Guaranteed, container, 1 << 30), -997);
    }
}
