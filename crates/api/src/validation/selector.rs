//! LabelSelector objects, and the labels of what they are to select.

use super::field::Field;
use super::metadata;
use crate::names;
use crate::selector::label::LabelSelector;

/// The selector's own form.
pub(super) fn check(selector: &Field<'_>) {
    metadata::labels(&selector.at("matchLabels"));
    for expression in selector.at("matchExpressions").items() {
        requirement(&expression);
    }
}

fn requirement(expression: &Field<'_>) {
    let (operator, values) = (expression.at("operator"), expression.at("values"));
    match operator.text() {
        "In" | "NotIn" if values.is_empty() => {
            values.required("must be specified when `operator` is 'In' or 'NotIn'");
        }
        "In" | "NotIn" => {}
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        "Exists" | "DoesNotExist" => {}
        _ => operator.invalid_text("not a valid selector operator"),
    }
    let key = expression.at("key");
    metadata::label_key(&key, key.text());
    for value in values.items() {
        value.well_formed(names::label_value);
    }
}

/// A selector that a workload must have and that must select the pods of its template.
pub(super) fn of_template(spec: &Field<'_>) {
    let selector = spec.at("selector");
    if !selector.is_some() {
        selector.required("");
        // What selects nothing does not select these.
        matches_template(spec);
        return;
    }
    check(&selector);
    if ["matchLabels", "matchExpressions"].iter().all(|field| selector.at(field).is_empty()) {
        // Upstream says so for ReplicaSets as well.
        selector.invalid("empty selector is invalid for deployment");
        return;
    }
    if !matches_template(spec) {
        selector.invalid("invalid label selector");
    }
}

/// The pods of the template are among those selected. `false`: the selector is none.
pub(super) fn matches_template(spec: &Field<'_>) -> bool {
    let selector = spec.at("selector");
    let labels = spec.at("template").at("metadata").at("labels");
    let Ok(made) = LabelSelector::from_object(selector.value) else { return false };
    if !made.matches(|key| labels.value.get(key)?.as_str()) {
        labels.invalid("`selector` does not match template `labels`");
    }
    true
}
