//! What a pod takes: its containers' requests and limits, as long as it is not over.

use serde_json::Value;

use super::list::ResourceList;
use crate::{Quantity, meta, read};

/// Resources that count by what is requested, under two names.
const COMPUTE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const HUGE_PAGES: &str = "hugepages-";
const REQUESTS: &str = "requests.";
const LIMITS: &str = "limits.";
/// What every container must say where a quota limits it. Upstream calls that a mistake, and adds no
/// more.
const DEMANDED: [&str; 6] =
    ["cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"];

pub(super) fn tracks(entry: &str) -> bool {
    if let Some(limited) = entry.strip_prefix(LIMITS) {
        return COMPUTE.contains(&limited);
    }
    let requested = entry.strip_prefix(REQUESTS);
    let name = requested.unwrap_or(entry);
    entry == "pods"
        || COMPUTE.contains(&name)
        || name.starts_with(HUGE_PAGES)
        || requested.is_some_and(is_extended)
}

/// A resource of somebody's own, such as `example.com/dongle`.
fn is_extended(name: &str) -> bool {
    name.split_once('/').is_some_and(|(domain, _)| !domain.ends_with("kubernetes.io"))
}

/// What the pod takes, beside its count.
pub(super) fn usage(pod: &Value, now: i64) -> ResourceList {
    if is_over(pod, now) {
        return ResourceList::default();
    }
    let mut usage = named(&requests(pod), &limits(pod));
    usage.set("pods", Quantity::units(1));
    usage
}

/// Finished, or stuck in its end for longer than that may take.
fn is_over(pod: &Value, now: i64) -> bool {
    if matches!(read::text(&pod["status"], "phase"), "Succeeded" | "Failed") {
        return true;
    }
    let ends = meta::deletion_timestamp(pod).and_then(|at| at.parse::<jiff::Timestamp>().ok());
    match (ends, meta::deletion_grace_period_seconds(pod)) {
        (Some(ends), Some(grace)) => now > ends.as_second() + grace,
        _ => false,
    }
}

/// Requests and limits under the names that quotas know.
fn named(requests: &ResourceList, limits: &ResourceList) -> ResourceList {
    let mut all = ResourceList::default();
    for (name, amount) in requests.iter() {
        if COMPUTE.contains(&name) || name.starts_with(HUGE_PAGES) {
            all.set(name, amount);
            all.set(format!("{REQUESTS}{name}"), amount);
        } else if is_extended(name) {
            all.set(format!("{REQUESTS}{name}"), amount);
        }
    }
    for (name, amount) in limits.iter().filter(|(name, _)| COMPUTE.contains(name)) {
        all.set(format!("{LIMITS}{name}"), amount);
    }
    all
}

/// What the containers leave unsaid of these entries of a quota: `limits.cpu for: a,b`, joined by
/// `; `. `None` where all is said.
pub fn missing<'a>(pod: &Value, entries: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let spec = &pod["spec"];
    let of = |holder: &Value| {
        let resources = &holder["resources"];
        let read = |side: &str| ResourceList::read(&resources[side]);
        named(&read("requests"), &read("limits"))
    };
    let whole = of(spec);
    let mut texts = Vec::new();
    let mut demanded: Vec<&str> =
        entries.into_iter().filter(|entry| DEMANDED.contains(entry)).collect();
    demanded.sort_unstable();
    for entry in demanded.into_iter().filter(|entry| whole.get(entry).is_none()) {
        let containers = ["containers", "initContainers"];
        let containers = containers.iter().flat_map(|list| read::list(spec, list));
        let mut silent: Vec<&str> = containers
            .filter(|container| of(container).get(entry).is_none())
            .map(|container| read::text(container, "name"))
            .collect();
        silent.sort_unstable();
        silent.dedup();
        if !silent.is_empty() {
            texts.push(format!("{entry} for: {}", silent.join(",")));
        }
    }
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// What the pod requests: of all its containers together, or the most that its start needs.
pub fn requests(pod: &Value) -> ResourceList {
    let mut all = sum(pod, "requests");
    all.add(&ResourceList::read(&pod["spec"]["overhead"]));
    all
}

/// What the pod is limited to.
pub fn limits(pod: &Value) -> ResourceList {
    let mut all = sum(pod, "limits");
    let overhead = ResourceList::read(&pod["spec"]["overhead"]);
    // Where there is no limit, overhead does not make one.
    let added = overhead.filter(|name, _| all.get(name).is_some());
    all.add(&added);
    all
}

fn sum(pod: &Value, side: &str) -> ResourceList {
    let spec = &pod["spec"];
    let mut all = ResourceList::default();
    for container in read::list(spec, "containers") {
        all.add(&of_container(pod, "containerStatuses", container, side));
    }
    // Sidecars run on beside all that starts after them.
    let (mut sidecars, mut peak) = (ResourceList::default(), ResourceList::default());
    for container in read::list(spec, "initContainers") {
        let own = of_container(pod, "initContainerStatuses", container, side);
        let mut then = sidecars.clone();
        then.add(&own);
        if container["restartPolicy"] == "Always" {
            all.add(&own);
            sidecars = then.clone();
        }
        peak.raise(&then);
    }
    all.raise(&peak);
    // What is said of the pod as a whole has the last word.
    for (name, amount) in ResourceList::read(&spec["resources"][side]).iter() {
        all.set(name, amount);
    }
    all
}

/// What the container asks for, or has while it is being made smaller.
fn of_container(pod: &Value, statuses: &str, container: &Value, side: &str) -> ResourceList {
    let mut own = ResourceList::read(&container["resources"][side]);
    let statuses = read::list(&pod["status"], statuses);
    let Some(status) = statuses.iter().find(|status| status["name"] == container["name"]) else {
        return own;
    };
    own.raise(&ResourceList::read(&status["resources"][side]));
    if side == "requests" {
        own.raise(&ResourceList::read(&status["allocatedResources"]));
    }
    own
}
