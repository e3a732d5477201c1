//! PodDisruptionBudgets, ResourceQuotas and LimitRanges.

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::{Field, NOT_NEGATIVE};
use super::{selector, workload};
use crate::quantity::Quantity;
use crate::{names, read};

const SCOPES: [&str; 7] = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];

pub(super) fn disruption(object: &Field<'_>) {
    let spec = object.at("spec");
    let (least, most) = (spec.at("minAvailable"), spec.at("maxUnavailable"));
    if least.is_some() && most.is_some() {
        spec.invalid("minAvailable and maxUnavailable cannot be both set");
    }
    for bound in [least, most].iter().filter(|bound| bound.is_some()) {
        workload::int_or_percent(bound);
        if workload::percent(bound).is_some_and(|percent| percent > 100) {
            bound.invalid("must not be greater than 100%");
        }
    }
    if spec.at("selector").is_some() {
        selector::check(&spec.at("selector"));
    }
    let policy = spec.at("unhealthyPodEvictionPolicy");
    if policy.is_some() {
        policy.one_of(&["AlwaysAllow", "IfHealthyBudget"]);
    }
}

pub(super) fn quota(object: &Field<'_>) {
    let spec = object.at("spec");
    for (name, amount) in spec.at("hard").entries() {
        for problem in names::qualified_name(name) {
            amount.invalid_as(name, problem);
        }
        quantity(&amount);
    }
    for scope in spec.at("scopes").items() {
        if !SCOPES.contains(&scope.text()) {
            spec.at("scopes").invalid("unsupported scope");
            continue;
        }
        let fits = |name: &str| scope_fits(scope.text(), name);
        if spec.at("hard").entries().any(|(name, _)| !fits(name)) {
            spec.at("scopes").invalid("unsupported scope applied to resource");
        }
    }
}

/// May a scope be set on the quota of a resource? Those of pods are about pods and what these take, and
/// best-effort pods take nothing.
fn scope_fits(scope: &str, resource: &str) -> bool {
    const TAKEN: [&str; 6] =
        ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
    let pods = resource == "pods";
    match scope {
        "BestEffort" => pods,
        "NotBestEffort"
        | "Terminating"
        | "NotTerminating"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => pods || TAKEN.contains(&resource),
        _ => true,
    }
}

/// The scopes say which objects were counted.
pub(super) fn update_quota(object: &Field<'_>, old: &Value) {
    let set = |value: &Value| -> BTreeSet<String> {
        value.as_array().into_iter().flatten().map(ToString::to_string).collect()
    };
    let scopes = object.at("spec").at("scopes");
    if set(scopes.value) != set(read::at(old, &["spec", "scopes"])) {
        scopes.invalid("field is immutable");
    }
}

pub(super) fn limits(object: &Field<'_>) {
    let mut seen = BTreeSet::new();
    for limit in object.at("spec").at("limits").items() {
        let kind = limit.at("type");
        for problem in names::qualified_name(kind.text()) {
            kind.invalid_text(problem);
        }
        if !seen.insert(kind.text()) {
            kind.duplicate();
        }
        for field in ["min", "max", "default", "defaultRequest", "maxLimitRequestRatio"] {
            for (_, amount) in limit.at(field).entries() {
                quantity(&amount);
            }
        }
        for side in ["default", "defaultRequest"] {
            if kind.text() == "Pod" && !limit.at(side).is_empty() {
                limit.at(side).forbidden("may not be specified when `type` is 'Pod'");
            }
        }
        ordered(&limit);
    }
}

/// min ≤ defaultRequest ≤ default ≤ max, for each resource.
fn ordered(limit: &Field<'_>) {
    let pairs = [
        ("min", "min", "max"),
        ("defaultRequest", "min", "defaultRequest"),
        ("defaultRequest", "defaultRequest", "max"),
        ("defaultRequest", "defaultRequest", "default"),
        ("default", "min", "default"),
        ("default", "default", "max"),
    ];
    for (blamed, low, high) in pairs {
        for (name, value) in limit.at(low).entries() {
            let amounts =
                [value.value, read::at(limit.value, &[high, name])].map(Quantity::from_value);
            let [Ok(low_amount), Ok(high_amount)] = amounts else { continue };
            if low_amount > high_amount {
                let words = |side: &str| match side {
                    "default" => "default".to_owned(),
                    "defaultRequest" => "default request".to_owned(),
                    other => other.to_owned(),
                };
                limit.at(blamed).key(name).invalid(format!(
                    "{} value {low_amount} is greater than {} value {high_amount}",
                    words(low),
                    words(high)
                ));
            }
        }
    }
}

fn quantity(amount: &Field<'_>) {
    match Quantity::from_value(amount.value) {
        Ok(value) if value.is_negative() => amount.invalid_as(value.to_string(), NOT_NEGATIVE),
        Ok(_) => {}
        Err(error) => amount.invalid(error.to_string()),
    }
}
