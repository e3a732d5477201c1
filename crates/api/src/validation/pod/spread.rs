//! How the pods of a group are spread over the cluster.

use std::collections::BTreeSet;

use crate::validation::field::Field;
use crate::validation::{metadata, selector};

const POSITIVE: &str = "must be greater than zero";

/// `topologySpreadConstraints` of a pod.
pub(super) fn check(constraints: &Field<'_>) {
    let all: Vec<_> = constraints.items().collect();
    for (index, constraint) in all.iter().enumerate() {
        let [skew, key, action] =
            ["maxSkew", "topologyKey", "whenUnsatisfiable"].map(|field| constraint.at(field));
        if skew.number() <= 0 {
            skew.invalid_number(POSITIVE);
        }
        if key.is_empty() {
            key.required("can not be empty");
        }
        let actions = ["DoNotSchedule", "ScheduleAnyway"];
        if !actions.contains(&action.text()) {
            action.unsupported(&actions);
        }
        let same = |other: &Field<'_>| {
            other.at("topologyKey").text() == key.text()
                && other.at("whenUnsatisfiable").text() == action.text()
        };
        if all.iter().skip(index + 1).any(same) {
            let pair = format!("{{{}, {}}}", key.text(), action.text());
            constraint
                .at("{topologyKey, whenUnsatisfiable}")
                .showing(&pair.as_str().into())
                .duplicate();
        }
        details(constraint, action.text());
    }
}

fn details(constraint: &Field<'_>, action: &str) {
    let domains = constraint.at("minDomains");
    if domains.is_some() && domains.number() <= 0 {
        domains.invalid(POSITIVE);
    }
    if domains.is_some() && action != "DoNotSchedule" {
        domains.invalid(format!(
            "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        ));
    }
    for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"].map(|field| constraint.at(field)) {
        let known = ["Honor", "Ignore"];
        if policy.is_some() && !known.contains(&policy.text()) {
            policy.unsupported(&known);
        }
    }
    label_keys(&constraint.at("matchLabelKeys"), &constraint.at("labelSelector"));
    selector::check(&constraint.at("labelSelector"));
}

/// Labels whose values are the pod's own.
fn label_keys(keys: &Field<'_>, wanted: &Field<'_>) {
    if keys.is_empty() {
        return;
    }
    if !wanted.is_some() {
        keys.forbidden("must not be specified when labelSelector is not set");
    }
    let selected = selected_keys(wanted);
    for key in keys.items() {
        metadata::label_key(&key, key.text());
        if selected.contains(key.text()) {
            key.invalid("exists in both matchLabelKeys and labelSelector");
        }
    }
}

/// The labels that a selector is about.
fn selected_keys<'a>(selector: &Field<'a>) -> BTreeSet<&'a str> {
    let labels = selector.at("matchLabels").entries().map(|(key, _)| key);
    let expressions = selector.at("matchExpressions").items().map(|item| item.at("key").text());
    labels.chain(expressions).collect()
}
