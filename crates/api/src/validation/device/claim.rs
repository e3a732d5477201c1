//! ResourceClaims, what they are made from, and DeviceClasses.

use super::request::{Names, REQUESTS_MAX, request};
use super::{CONFIGS_MAX, bounded, by_name, configuration, names, selectors, unique, unique_names};
use crate::validation::field::Field;
use crate::validation::metadata;

const CONSTRAINTS_MAX: usize = 32;

pub(in crate::validation) fn claim(object: &Field<'_>) {
    devices(&object.at("spec").at("devices"));
}

pub(in crate::validation) fn template(object: &Field<'_>) {
    let spec = object.at("spec");
    metadata::labels(&spec.at("metadata").at("labels"));
    metadata::annotations(&spec.at("metadata").at("annotations"));
    devices(&spec.at("spec").at("devices"));
}

fn devices(devices: &Field<'_>) {
    let known = Names::of(devices);
    unique(&devices.at("requests"), REQUESTS_MAX, by_name, request);
    for constraint in bounded(&devices.at("constraints"), CONSTRAINTS_MAX) {
        self::constraint(&constraint, &known);
    }
    for config in bounded(&devices.at("config"), CONFIGS_MAX) {
        unique_names(&config.at("requests"), REQUESTS_MAX, |name| known.check(name));
        configuration(&config);
    }
}

/// In what the devices must be the same, or not.
fn constraint(constraint: &Field<'_>, known: &Names<'_>) {
    unique_names(&constraint.at("requests"), REQUESTS_MAX, |name| known.check(name));
    let (same, distinct) = (constraint.at("matchAttribute"), constraint.at("distinctAttribute"));
    if same.is_some() {
        names::fully_qualified(&same);
    } else if distinct.is_some() {
        names::fully_qualified(&distinct);
    } else {
        constraint.required(
            "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple \
             fields are set",
        );
    }
}

pub(in crate::validation) fn class(object: &Field<'_>) {
    let spec = object.at("spec");
    selectors(&spec.at("selectors"));
    bounded(&spec.at("config"), CONFIGS_MAX).iter().for_each(configuration);
    let name = spec.at("extendedResourceName");
    if name.is_some() && !crate::validation::resource_name::is_extended(name.text()) {
        name.invalid("must be a valid extended resource name");
    }
}
