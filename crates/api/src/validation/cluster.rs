//! Namespaces, Nodes and Leases.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::field::Field;
use super::metadata;
use crate::{names, read};

const TAINT_EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(super) fn namespace(object: &Field<'_>) {
    for name in object.at("spec").at("finalizers").items() {
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
}

pub(super) fn node(object: &Field<'_>) {
    let mut seen = BTreeSet::new();
    for taint in object.at("spec").at("taints").items() {
        let [key, value, effect] = ["key", "value", "effect"].map(|field| taint.at(field));
        metadata::label_key(&key, key.text());
        let problems = names::label_value(value.text());
        if !problems.is_empty() {
            value.invalid(problems.join(";"));
        }
        effect.one_of(&TAINT_EFFECTS);
        if !seen.insert((key.text(), effect.text())) {
            let shown = json!({"key": key.text(), "effect": effect.text()});
            taint.showing(&shown).duplicate();
        }
    }
    for range in object.at("spec").at("podCIDRs").items() {
        if !is_range(range.text()) {
            range.invalid("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        }
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
    for field in ["podCIDR", "providerID"] {
        let had = read::text(read::at(old, &["spec"]), field);
        if !had.is_empty() && spec.at(field).text() != had {
            spec.at(field).forbidden(format!(
                "node updates may not change {field} except from \"\" to valid"
            ));
        }
    }
}
