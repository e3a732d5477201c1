//! What is said of Namespaces, claims, quotas, autoscalers and balancers.

use std::net::IpAddr;

use serde_json::Value;

use crate::names;
use crate::validation::field::Field;
use crate::validation::{address, budget, pod, resource_name};

/// What may go on while a claim's volume grows.
const RESIZES: [&str; 5] = [
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizePending",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
];

/// A Namespace is on its way out exactly when it was deleted.
pub(super) fn namespace(object: &Field<'_>) {
    let deleted = object.at("metadata").at("deletionTimestamp").is_some();
    let phase = object.at("status").at("phase");
    // Upstream's path.
    let at = object.at("status").at("Phase").showing(phase.value);
    match (deleted, phase.text()) {
        (false, "Active") | (true, "Terminating") => {}
        (false, _) => at.invalid_text("may only be 'Active' if `deletionTimestamp` is empty"),
        (true, _) => {
            at.invalid_text("may only be 'Terminating' if `deletionTimestamp` is not empty");
        }
    }
}

pub(super) fn claim(object: &Field<'_>) {
    if object.at("spec").at("accessModes").is_empty() {
        object.at("Spec").at("accessModes").required("");
    }
    let status = object.at("status");
    for (_, amount) in status.at("capacity").entries() {
        basic(&amount);
    }
    for (name, state) in status.at("allocatedResourceStatuses").entries() {
        // Upstream's path.
        let at = status.at("allocatedResourceStatus");
        of_claim(name, &at);
        if !RESIZES.contains(&state.text()) {
            at.showing(&name.into()).unsupported(&sorted(RESIZES));
        }
    }
    let allocated = status.at("allocatedResources");
    for (name, amount) in allocated.entries() {
        if of_claim(name, &allocated) && basic(&amount) {
            whole(&amount);
        }
    }
}

fn sorted<const N: usize>(mut words: [&'static str; N]) -> [&'static str; N] {
    words.sort_unstable();
    words
}

/// Is it an amount at all?
fn basic(amount: &Field<'_>) -> bool {
    let Some(quantity) = pod::quantity(amount) else { return false };
    if quantity.is_negative() {
        amount.invalid_as(quantity.to_string(), "must be a valid resource quantity");
    }
    !quantity.is_negative()
}

fn whole(amount: &Field<'_>) {
    if pod::quantity(amount).is_some_and(|quantity| !quantity.is_whole()) {
        amount.invalid("must be an integer");
    }
}

/// Of a claim there is storage, and what somebody else calls by his own name.
fn of_claim(name: &str, at: &Field<'_>) -> bool {
    let problems = names::qualified_name(name);
    for problem in &problems {
        at.invalid_as(name, problem.as_str());
    }
    let native = !name.contains('/') || name.contains("kubernetes.io/");
    if problems.is_empty() && native && name != "storage" {
        at.showing(&name.into()).unsupported(&["storage"]);
        return false;
    }
    problems.is_empty()
}

/// What there may be and is, of a quota.
pub(super) fn quota(status: &Field<'_>) {
    for side in ["hard", "used"] {
        for (name, amount) in status.at(side).entries() {
            resource_name::of_quota(name, &amount);
            budget::whole_quantity(name, &amount);
        }
    }
}

/// Where a Service's balancer can be reached: only one of that type has any.
pub(super) fn service(object: &Field<'_>) {
    let ingress = object.at("status").at("loadBalancer").at("ingress");
    let kind = object.at("spec").at("type");
    if kind.text() != "LoadBalancer" {
        if !ingress.is_empty() {
            ingress.forbidden("may only be used when `spec.type` is 'LoadBalancer'");
        }
        return;
    }
    for entry in ingress.items() {
        let (ip, mode) = (entry.at("ip"), entry.at("ipMode"));
        if !ip.is_empty() {
            address::ip(&ip);
        }
        match (mode.is_some(), ip.is_empty()) {
            (false, false) => mode.required("must be specified when `ip` is set"),
            (true, true) => mode.forbidden("may not be specified when `ip` is not set"),
            (true, false) if !["Proxy", "VIP"].contains(&mode.text()) => {
                mode.unsupported(&["Proxy", "VIP"]);
            }
            _ => {}
        }
        host(&entry.at("hostname"));
    }
}

/// Where an Ingress can be reached.
pub(super) fn ingress(object: &Field<'_>) {
    for entry in object.at("status").at("loadBalancer").at("ingress").items() {
        let ip = entry.at("ip");
        if !ip.is_empty() {
            address::ip(&ip);
        }
        host(&entry.at("hostname"));
    }
}

fn host(host: &Field<'_>) {
    if host.is_empty() {
        return;
    }
    host.well_formed(names::dns_subdomain);
    if host.text().parse::<IpAddr>().is_ok() {
        host.invalid("must be a DNS name, not an IP address");
    }
}

/// Conditions of which no more is asked than to have types of their own.
pub(super) fn typed_conditions(status: &Field<'_>) {
    let mut seen: Vec<&Value> = Vec::new();
    for kind in status.at("conditions").items().map(|condition| condition.at("type")) {
        if seen.contains(&kind.value) {
            kind.duplicate();
        }
        if kind.is_empty() {
            kind.required("must not be empty");
        }
        seen.push(kind.value);
    }
}
