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
    let labels = spec.at("template").at("metadata").at("labels");
    let no_match = || {
        let shown = if labels.is_some() { labels.value.clone() } else { serde_json::json!({}) };
        labels.invalid_as(shown, "`selector` does not match template `labels`");
    };
    if !selector.is_some() {
        selector.required("");
        // What selects nothing does not select these.
        return no_match();
    }
    check(&selector);
    if ["matchLabels", "matchExpressions"].iter().all(|field| selector.at(field).is_empty()) {
        // Upstream says so for ReplicaSets as well.
        selector.invalid("empty selector is invalid for deployment");
        return;
    }
    match LabelSelector::from_object(selector.value) {
        Ok(made) if made.matches(|key| labels.value.get(key)?.as_str()) => {}
        Ok(_) => no_match(),
        Err(_) => selector.invalid("invalid label selector"),
    }
}
