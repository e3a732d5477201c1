//! Which writes a policy or a binding is about, and with which parameters.

use std::collections::BTreeSet;

use super::super::admission::{known, with_operations};
use super::super::field::Field;
use super::super::selector;
use crate::names;

const MATCH_POLICIES: [&str; 2] = ["Equivalent", "Exact"];
const ACTIONS: [&str; 3] = ["Audit", "Deny", "Warn"];
const NOT_FOUND_ACTIONS: [&str; 2] = ["Deny", "Allow"];
const EXCLUSIVE: &str = "name and selector are mutually exclusive";

/// A binding of either kind of policy.
pub(in super::super) fn binding(binding: &Field<'_>, validating: bool) {
    let spec = binding.at("spec");
    let name = spec.at("policyName");
    match name.is_empty() {
        true => name.required(""),
        false => name.well_formed(names::dns_subdomain),
    }
    let reference = spec.at("paramRef");
    if reference.is_some() {
        param_ref(&reference);
    }
    let resources = spec.at("matchResources");
    if resources.is_some() {
        match_resources(&resources);
    }
    if validating {
        actions(&spec.at("validationActions"));
    }
}

pub(super) fn match_resources(resources: &Field<'_>) {
    resources.at("matchPolicy").one_of(&MATCH_POLICIES);
    for selected in ["namespaceSelector", "objectSelector"] {
        let selector = resources.at(selected);
        match selector.is_some() {
            true => selector::check(&selector),
            false => selector.required(""),
        }
    }
    for rules in ["resourceRules", "excludeResourceRules"] {
        resources.at(rules).items().for_each(|rule| named_rule(&rule));
    }
}

fn named_rule(rule: &Field<'_>) {
    let mut seen = BTreeSet::new();
    for name in rule.at("resourceNames").items() {
        name.well_formed(names::path_segment);
        if !seen.insert(name.text().to_owned()) {
            name.duplicate();
        }
    }
    with_operations(rule);
}

fn param_ref(reference: &Field<'_>) {
    let (name, selector) = (reference.at("name"), reference.at("selector"));
    if !name.is_empty() {
        name.well_formed(names::path_segment);
        if selector.is_some() {
            name.forbidden(EXCLUSIVE);
        }
    }
    if selector.is_some() {
        selector::check(&selector);
        if !name.is_empty() {
            selector.forbidden(EXCLUSIVE);
        }
    }
    if name.is_empty() && !selector.is_some() {
        reference.required("one of name or selector must be specified");
    }
    reference.at("parameterNotFoundAction").one_of(&NOT_FOUND_ACTIONS);
}

fn actions(list: &Field<'_>) {
    let mut seen = BTreeSet::new();
    for action in list.items() {
        known(&action, &ACTIONS);
        if !seen.insert(action.text().to_owned()) {
            action.duplicate();
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        list.invalid("must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)");
    }
    if seen.is_empty() {
        list.required("at least one validation action is required");
    }
}
