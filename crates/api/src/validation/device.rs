//! What requests, classes and offers of devices have in common.

mod allocation;
mod claim;
mod names;
mod request;
mod slice;

use std::collections::BTreeSet;

use super::field::Field;
use super::{metadata, storage_names};
use crate::names::{dns_subdomain, label_value};

pub(super) use self::allocation::update_status;
pub(super) use self::claim::{claim, class, template};
pub(super) use self::slice::slice;

/// Whatever a driver is told, as JSON.
const PARAMETERS_LEN_MAX: usize = 10 * 1024;
const EXPRESSION_LEN_MAX: usize = 10 * 1024;
const SELECTORS_MAX: usize = 32;
const CONFIGS_MAX: usize = 32;
const CONDITIONS_MAX: usize = 4;
const EFFECTS: [&str; 3] = ["NoExecute", "NoSchedule", "None"];

/// The items of a list that is not too long.
fn bounded<'a>(list: &Field<'a>, max: usize) -> Vec<Field<'a>> {
    if list.len() > max {
        list.too_many(max);
        return Vec::new();
    }
    list.items().collect()
}

/// The same where each item has a key of its own; items are judged before their keys.
fn unique(list: &Field<'_>, max: usize, key: fn(&Field<'_>) -> String, check: impl Fn(&Field<'_>)) {
    let items = bounded(list, max);
    items.iter().for_each(check);
    let mut seen = BTreeSet::new();
    for item in &items {
        let key = key(item);
        if !seen.insert(key.clone()) {
            item.showing(&key.into()).duplicate();
        }
    }
}

/// Names that each are there once.
fn unique_names(list: &Field<'_>, max: usize, check: impl Fn(&Field<'_>)) {
    unique(list, max, |item| item.text().to_owned(), check);
}

fn by_name(item: &Field<'_>) -> String {
    item.at("name").text().to_owned()
}

/// Expressions that devices must fit.
fn selectors(list: &Field<'_>) {
    for selector in bounded(list, SELECTORS_MAX) {
        let cel = selector.at("cel");
        if !cel.is_some() {
            cel.required("");
            continue;
        }
        let expression = cel.at("expression");
        if expression.text().len() > EXPRESSION_LEN_MAX {
            expression.too_long(EXPRESSION_LEN_MAX);
        } else if let Some(problem) = crate::policy::device::problem(expression.text()) {
            expression.invalid_text(problem);
        }
    }
}

/// What a driver is told.
fn configuration(config: &Field<'_>) {
    let opaque = config.at("opaque");
    if !opaque.is_some() {
        return opaque.required("");
    }
    storage_names::driver(&opaque.at("driver"));
    raw(&opaque.at("parameters"), PARAMETERS_LEN_MAX);
}

/// An object of any form.
fn raw(value: &Field<'_>, max: usize) {
    if !value.is_some() {
        value.required("");
    } else if value.value.to_string().len() > max {
        value.too_long(max);
    } else if !value.value.is_object() {
        value.invalid_as("<value omitted>", "must be a valid JSON object");
    }
}

/// Nodes by their name.
fn node_name(name: &Field<'_>) {
    name.well_formed(dns_subdomain);
}

fn taint(taint: &Field<'_>) {
    let [key, value, effect] = ["key", "value", "effect"].map(|field| taint.at(field));
    metadata::label_key(&key, key.text());
    if !value.is_empty() {
        value.well_formed(label_value);
    }
    effect.one_of(&EFFECTS);
}

fn toleration(toleration: &Field<'_>) {
    let [key, operator, value, effect] =
        ["key", "operator", "value", "effect"].map(|field| toleration.at(field));
    if !key.is_empty() {
        metadata::label_key(&key, key.text());
    }
    match operator.text() {
        "Exists" if !value.is_empty() => value.invalid("must be empty for operator `Exists`"),
        "Exists" => {}
        "Equal" => value.well_formed(label_value),
        "" => operator.required(""),
        _ => operator.unsupported(&["Equal", "Exists"]),
    }
    if !effect.is_empty() && !EFFECTS.contains(&effect.text()) {
        effect.unsupported(&EFFECTS);
    }
}

/// What must become true of a device before its pod goes on, and what ends the wait.
fn binding_conditions(device: &Field<'_>) {
    let [good, bad] =
        ["bindingConditions", "bindingFailureConditions"].map(|field| device.at(field));
    for list in [&good, &bad] {
        for name in bounded(list, CONDITIONS_MAX) {
            metadata::label_key(&name, name.text());
        }
    }
    for list in [&good, &bad] {
        let mut seen = BTreeSet::new();
        for name in list.items() {
            if !seen.insert(name.text().to_owned()) {
                name.duplicate();
            }
            let both = std::ptr::eq(list, &bad) && good.items().any(|one| one.value == name.value);
            if both {
                name.invalid("bindingFailureConditions must not overlap with bindingConditions");
            }
        }
    }
    match (good.is_empty(), bad.is_empty()) {
        (true, false) => {
            good.invalid("bindingConditions are required to use bindingFailureConditions");
        }
        (false, true) => {
            bad.invalid("bindingFailureConditions are required to use bindingConditions");
        }
        _ => {}
    }
}
