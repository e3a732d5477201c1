//! Names of what is measured: processors, memory, storage, devices, and objects in quotas.

use super::field::Field;
use crate::names;

const OF_CONTAINERS: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const OBJECTS: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
const OF_QUOTAS: [&str; 7] = [
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];
const HUGE: &str = "hugepages-";

pub(super) fn is_huge_page(name: &str) -> bool {
    name.starts_with(HUGE)
}

fn is_huge_page_of_quota(name: &str) -> bool {
    is_huge_page(name) || name.starts_with("requests.hugepages-")
}

/// Names without a domain, and those of Kubernetes' own.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// A device or the like, which somebody else counts.
pub(super) fn is_extended(name: &str) -> bool {
    let requested = format!("requests.{name}");
    !is_native(name)
        && !name.starts_with("requests.")
        && names::qualified_name(&requested).is_empty()
}

fn is_quota_name(name: &str) -> bool {
    [&OF_CONTAINERS[..], &OBJECTS, &OF_QUOTAS].iter().any(|list| list.contains(&name))
        || is_huge_page_of_quota(name)
}

fn is_standard(name: &str) -> bool {
    is_quota_name(name) || name == "storage"
}

/// Is there no half of it?
pub(super) fn is_whole(name: &str) -> bool {
    OBJECTS.contains(&name) || is_extended(name)
}

/// May a limit be above the request? Whole devices and huge pages cannot be shared.
pub(super) fn may_exceed(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

/// Any name; answers whether it is one.
pub(super) fn any(name: &str, field: &Field<'_>) -> bool {
    let problems = names::qualified_name(name);
    let fine = problems.is_empty();
    problems.into_iter().for_each(|problem| field.invalid_as(name, problem));
    if fine && !name.contains('/') && !is_standard(name) {
        field.invalid_as(name, "must be a standard resource type or fully qualified");
        return false;
    }
    fine
}

/// A name in `resources` of a container.
pub(super) fn of_container(name: &str, field: &Field<'_>) {
    any(name, field);
    if name.contains('/') {
        if !is_native(name) && !is_extended(name) {
            field.invalid_as(name, "doesn't follow extended resource name standard");
        }
    } else if !OF_CONTAINERS.contains(&name) && !is_huge_page(name) {
        field.invalid_as(name, "must be a standard resource for containers");
    }
}

/// A name in `resources` of a pod as a whole.
pub(super) fn of_pod(name: &str, field: &Field<'_>) {
    if any(name, field) && !["cpu", "memory"].contains(&name) && !is_huge_page(name) {
        field.showing(&name.into()).unsupported(&["cpu", "memory"]);
    }
}

/// A name in a ResourceQuota.
pub(super) fn of_quota(name: &str, field: &Field<'_>) {
    any(name, field);
    if !name.contains('/') && !is_quota_name(name) {
        field.invalid_as(name, "must be a standard resource for quota");
    }
}

/// Is it one that scopes of quotas are about?
pub(super) fn is_of_quota(name: &str) -> bool {
    is_quota_name(name)
}
