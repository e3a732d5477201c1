//! PodDisruptionBudgets, ResourceQuotas and LimitRanges.

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::{Field, NOT_NEGATIVE};
use super::{resource_name, selector, workload};
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
        workload::at_most_all(bound);
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
        resource_name::of_quota(name, &amount);
        whole_quantity(name, &amount);
    }
    let scopes = spec.at("scopes");
    let names: Vec<_> = scopes.items().map(|scope| scope.text()).collect();
    names.iter().for_each(|scope| self::scope(scope, &spec, &scopes, &scopes));
    conflicts(&names, &scopes, &scopes);
    let wanted = spec.at("scopeSelector").at("matchExpressions");
    let names: Vec<_> = wanted.items().map(|item| item.at("scopeName").text()).collect();
    for item in wanted.items() {
        let name = item.at("scopeName");
        // Upstream leaves the index out of these paths.
        let at = wanted.at("scopeName").showing(name.value);
        let whole = wanted.showing(spec.at("scopeSelector").value);
        scope(name.text(), &spec, &at, &whole);
        scope_values(&wanted, &item);
    }
    conflicts(&names, &wanted.showing(scopes.value), &wanted);
}

fn scope(name: &str, spec: &Field<'_>, unknown: &Field<'_>, unfit: &Field<'_>) {
    if !SCOPES.contains(&name) {
        unknown.invalid("unsupported scope");
    }
    for (resource, _) in spec.at("hard").entries() {
        if resource_name::is_of_quota(resource) && !scope_fits(name, resource) {
            unfit.invalid("unsupported scope applied to resource");
        }
    }
}

fn scope_values(wanted: &Field<'_>, item: &Field<'_>) {
    const PLAIN: [&str; 5] = [
        "BestEffort",
        "NotBestEffort",
        "Terminating",
        "NotTerminating",
        "CrossNamespacePodAffinity",
    ];
    let operator = wanted.at("operator").showing(item.at("operator").value);
    let values = wanted.at("values").showing(item.at("values").value);
    if PLAIN.contains(&item.at("scopeName").text()) && operator.text() != "Exists" {
        operator.invalid_text(
            "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
             ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, \
             ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
        );
    }
    match operator.text() {
        "In" | "NotIn" if values.is_empty() => values.required(
            "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        ),
        "Exists" | "DoesNotExist" if !values.is_empty() => values.invalid(
            "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        ),
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        _ => operator.invalid_text("not a valid selector operator"),
    }
}

fn conflicts(names: &[&str], shown: &Field<'_>, at: &Field<'_>) {
    for pair in [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]] {
        if pair.iter().all(|name| names.contains(name)) {
            at.showing(shown.value).invalid("conflicting scopes");
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
        "VolumeAttributesClass" => {
            ["persistentvolumeclaims", "requests.storage"].contains(&resource)
        }
        _ => true,
    }
}

/// An amount of something that a quota counts.
pub(super) fn whole_quantity(name: &str, amount: &Field<'_>) {
    quantity(amount);
    let whole = Quantity::from_value(amount.value).is_ok_and(|quantity| !quantity.is_whole());
    if resource_name::is_whole(name) && whole {
        amount.invalid("must be an integer");
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
        of_type(&kind);
        if !seen.insert(kind.text()) {
            kind.duplicate();
        }
        let defaults = ["default", "defaultRequest"];
        for field in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            if kind.text() == "Pod" && defaults.contains(&field) {
                if !limit.at(field).is_empty() {
                    limit.at(field).forbidden("may not be specified when `type` is 'Pod'");
                }
                continue;
            }
            for (name, amount) in limit.at(field).entries() {
                of_limit(kind.text(), name, &amount);
            }
        }
        let bounded = ["min", "max"].iter().any(|side| limit.at(side).at("storage").is_some());
        if kind.text() == "PersistentVolumeClaim" && !bounded {
            limit.at("limits").required(
                "either minimum or maximum storage value is required, but neither was provided",
            );
        }
        ordered(&limit);
        ratios(&limit);
    }
}

/// What has limits: pods, containers and claims, or something of somebody's own.
fn of_type(kind: &Field<'_>) {
    let problems = names::qualified_name(kind.text());
    let standard = ["Pod", "Container", "PersistentVolumeClaim"].contains(&kind.text());
    if problems.is_empty() && !kind.text().contains('/') && !standard {
        kind.invalid("must be a standard limit type or fully qualified");
    }
    problems.into_iter().for_each(|problem| kind.invalid_text(problem));
}

fn of_limit(kind: &str, name: &str, amount: &Field<'_>) {
    match kind {
        "Pod" | "Container" => resource_name::of_container(name, amount),
        _ => {
            resource_name::any(name, amount);
        }
    }
    if let Err(error) = Quantity::from_value(amount.value) {
        amount.invalid(error.to_string());
    }
}

/// min ≤ defaultRequest ≤ default ≤ max, for each resource. Each with what is blamed, what is shown,
/// and the two that are compared.
fn ordered(limit: &Field<'_>) {
    let pairs = [
        ("min", "min", "min", "max"),
        ("defaultRequest", "defaultRequest", "min", "defaultRequest"),
        ("defaultRequest", "defaultRequest", "defaultRequest", "max"),
        ("defaultRequest", "defaultRequest", "defaultRequest", "default"),
        ("default", "min", "min", "default"),
        ("default", "max", "default", "max"),
    ];
    for (blamed, shown, low, high) in pairs {
        for (name, value) in limit.at(low).entries() {
            let amounts =
                [value.value, read::at(limit.value, &[high, name])].map(Quantity::from_value);
            let [Ok(low_amount), Ok(high_amount)] = amounts else { continue };
            if low_amount > high_amount {
                let words = |side: &str| match (side, low) {
                    ("default", "defaultRequest") => "default limit".to_owned(),
                    ("defaultRequest", _) => "default request".to_owned(),
                    (other, _) => other.to_owned(),
                };
                let shown = limit.at(shown).at(name);
                limit.at(blamed).key(name).showing(shown.value).invalid(format!(
                    "{} value {low_amount} is greater than {} value {high_amount}",
                    words(low),
                    words(high)
                ));
            }
        }
    }
}

/// A limit is at least its request, and no more above it than the bounds allow.
fn ratios(limit: &Field<'_>) {
    let amount =
        |side: &str, name: &str| Quantity::from_value(read::at(limit.value, &[side, name])).ok();
    for (name, ratio) in limit.at("maxLimitRequestRatio").entries() {
        let Ok(value) = Quantity::from_value(ratio.value) else { continue };
        if value < Quantity::units(1) {
            ratio.invalid(format!("ratio {value} is less than 1"));
        }
        if let (Some(min), Some(max)) = (amount("min", name), amount("max", name)) {
            let most = max.as_f64() / min.as_f64();
            if value.as_f64() > most {
                ratio.invalid(format!("ratio {value} is greater than max/min = {most:.6}"));
            }
        }
    }
    for (name, request) in limit.at("defaultRequest").entries() {
        let (asked, given) = (amount("defaultRequest", name), amount("default", name));
        if let (Some(asked), Some(given)) = (asked, given)
            && !resource_name::may_exceed(name)
            && asked != given
        {
            request.invalid(format!(
                "default value {given} must equal to defaultRequest value {asked} in {name}"
            ));
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
