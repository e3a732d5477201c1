//! Namespaces, Nodes and Leases.

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::{Field, NOT_NEGATIVE};
use super::{metadata, pod, resource_name};
use crate::{names, read};

/// How candidates for a Lease are chosen, where the cluster chooses.
const OLDEST: &str = "OldestEmulationVersion";
const TAINT_EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// `changed`: it is not new, and upstream says which finalizer is wrong.
pub(super) fn namespace(object: &Field<'_>, changed: bool) {
    let finalizers = object.at("spec").at("finalizers");
    for item in finalizers.items() {
        let name = if changed { item } else { finalizers.showing(item.value) };
        name.well_formed(names::qualified_name);
        if name.text() != "kubernetes" && !name.text().contains('/') {
            name.invalid_text(
                "name is neither a standard finalizer name nor is it fully qualified",
            );
        }
    }
}

pub(super) fn lease(object: &Field<'_>) {
    let spec = object.at("spec");
    spec.at("leaseDurationSeconds").positive();
    spec.at("leaseTransitions").not_negative();
    let (strategy, preferred) = (spec.at("strategy"), spec.at("preferredHolder"));
    if strategy.is_some() {
        // Upstream has the field in the path twice.
        let at = strategy.at("strategy").showing(strategy.value);
        if strategy.text().contains('/') {
            at.well_formed(names::qualified_name);
        } else if strategy.text() != OLDEST {
            at.unsupported(&[OLDEST]);
        }
    }
    if !preferred.is_empty() && strategy.is_empty() {
        preferred.forbidden("may only be specified if `strategy` is defined");
    }
}

pub(super) fn node(object: &Field<'_>, old: Option<&Value>) {
    taints(object);
    node_status(object);
    if old.is_none() {
        ranges(&object.at("spec").at("podCIDRs"));
    }
}

fn taints(object: &Field<'_>) {
    let mut seen = BTreeSet::new();
    // Upstream's path is that of the metadata.
    let taints = object.at("metadata").at("taints").showing(object.at("spec").at("taints").value);
    for taint in taints.items() {
        let [key, value, effect] = ["key", "value", "effect"].map(|field| taint.at(field));
        metadata::label_key(&key, key.text());
        let problems = names::label_value(value.text());
        if !problems.is_empty() {
            value.invalid(problems.join(";"));
        }
        effect.one_of(&TAINT_EFFECTS);
        if !seen.insert((key.text(), effect.text())) {
            taint.duplicate_because("taints must be unique by key and effect pair");
        }
    }
}

/// What a Node says that it has.
pub(super) fn node_status(object: &Field<'_>) {
    for side in ["capacity", "allocatable"] {
        let amounts = object.at("status").at(side);
        amounts.entries().for_each(|(name, _)| of_node(name, &amounts.at(name)));
    }
}

/// The addresses of a Node's pods: a range of each family.
fn ranges(ranges: &Field<'_>) {
    for range in ranges.items() {
        if !is_range(range.text()) {
            range.invalid("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        }
    }
    if ranges.len() < 2 {
        return;
    }
    let new = ranges.items().filter(|range| range.text().contains(':')).count();
    if ranges.len() > 2 || new != 1 {
        ranges.invalid("may specify no more than one CIDR for each IP family");
    }
    let mut seen = BTreeSet::new();
    for range in ranges.items() {
        if !seen.insert(range.text()) {
            range.duplicate();
        }
    }
}

fn of_node(name: &str, amount: &Field<'_>) {
    let Some(quantity) = pod::quantity(amount) else { return };
    if quantity.is_negative() {
        amount.invalid_as(quantity.to_string(), NOT_NEGATIVE);
    }
    if resource_name::is_whole(name) && !quantity.is_whole() {
        amount.invalid("must be an integer");
    }
}

fn is_range(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let bits = match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|length| length <= bits)
}

/// What a Node was once given it keeps.
pub(super) fn update_node(object: &Field<'_>, old: &Value) {
    let spec = object.at("spec");
    let old = read::at(old, &["spec"]);
    let ranges = spec.at("podCIDRs");
    let had = read::list(old, "podCIDRs");
    if !had.is_empty() && ranges.value.as_array().map(Vec::as_slice) != Some(had) {
        ranges.forbidden("node updates may not change podCIDR except from \"\" to valid");
    }
    let id = read::text(old, "providerID");
    if !id.is_empty() && spec.at("providerID").text() != id {
        spec.at("providerID")
            .forbidden("node updates may not change providerID except from \"\" to valid");
    }
    let mut seen = BTreeSet::new();
    for address in object.at("status").at("addresses").items() {
        if !seen.insert((address.at("type").text(), address.at("address").text())) {
            address.duplicate();
        }
    }
}
