//! What ResourceQuotas count: how much an object takes, and which quotas it concerns.
//! Source: Kubernetes, "Resource Quotas", <https://kubernetes.io/docs/concepts/policy/resource-quotas/>.
//!
//! Admission and the quota controller both ask here, so that what is let in and what is counted
//! agree. A resource is named as its objects are stored: `pods`, `deployments.apps`.

mod claim;
mod list;
mod pod;
mod scope;

use serde_json::Value;

pub use self::list::ResourceList;
pub use self::pod::{limits as pod_limits, missing as missing_in_pod, requests as pod_requests};
use crate::Quantity;
use crate::read;

const PODS: &str = "pods";
const SERVICES: &str = "services";
const CLAIMS: &str = "persistentvolumeclaims";
/// Kinds that can be counted by their bare name, as before `count/` was there.
const COUNTED: [&str; 4] = ["configmaps", "replicationcontrollers", "resourcequotas", "secrets"];
const COUNT: &str = "count/";

/// The resource whose objects an entry of `spec.hard` limits, if we know one.
///
/// `requests.cpu` is of `pods`, `count/jobs.batch` of `jobs.batch`.
pub fn resource_of(entry: &str) -> Option<&str> {
    if let Some(resource) = entry.strip_prefix(COUNT) {
        return Some(resource);
    }
    if COUNTED.contains(&entry) {
        return Some(entry);
    }
    if entry == SERVICES || entry.starts_with("services.") {
        return Some(SERVICES);
    }
    if claim::tracks(entry) {
        return Some(CLAIMS);
    }
    pod::tracks(entry).then_some(PODS)
}

/// What an object takes of everything that quotas can limit. `now` is a second of the epoch.
pub fn usage(resource: &str, object: &Value, now: i64) -> ResourceList {
    let mut usage = match resource {
        PODS => pod::usage(object, now),
        SERVICES => service(object),
        CLAIMS => claim::usage(object),
        _ => ResourceList::default(),
    };
    usage.set(format!("{COUNT}{resource}"), Quantity::units(1));
    if COUNTED.contains(&resource) {
        usage.set(resource, Quantity::units(1));
    }
    usage
}

/// Are objects like this one counted by the quota: is it within all the quota's scopes?
pub fn in_scope(quota: &Value, resource: &str, object: &Value) -> bool {
    scope::all_match(quota, resource, object)
}

/// What all these objects of one resource take together, of those that are within the quota's scopes.
pub fn total<'a>(
    quota: &Value,
    resource: &str,
    objects: impl IntoIterator<Item = &'a Value>,
    now: i64,
) -> ResourceList {
    let mut sum = ResourceList::default();
    for object in objects {
        if in_scope(quota, resource, object) {
            sum.add(&usage(resource, object, now));
        }
    }
    sum
}

fn service(service: &Value) -> ResourceList {
    let spec = &service["spec"];
    let ports = read::list(spec, "ports");
    let kind = read::text(spec, "type");
    let balanced = kind == "LoadBalancer";
    let node_ports = match kind {
        "LoadBalancer" if spec["allocateLoadBalancerNodePorts"] == false => {
            ports.iter().filter(|port| port["nodePort"].as_i64().is_some_and(|n| n != 0)).count()
        }
        "NodePort" | "LoadBalancer" => ports.len(),
        _ => 0,
    };
    let mut usage = ResourceList::default();
    usage.set(SERVICES, Quantity::units(1));
    usage.set("services.loadbalancers", Quantity::units(balanced.into()));
    usage.set("services.nodeports", Quantity::units(i64::try_from(node_ports).unwrap_or(i64::MAX)));
    usage
}

#[cfg(test)]
mod tests;
