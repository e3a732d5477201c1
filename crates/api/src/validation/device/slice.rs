//! ResourceSlices: what a driver has to offer.

use serde_json::Value;

use super::{binding_conditions, bounded, by_name, names, node_name, taint, unique};
use crate::names::dns_label;
use crate::read;
use crate::validation::field::{Field, same};
use crate::validation::{pod, storage_names};

const DEVICES_MAX: usize = 128;
/// Where any device has taints, or takes from counters.
const SPECIAL_DEVICES_MAX: usize = 64;
const PROPERTIES_MAX: usize = 32;
const PROPERTY_KEY_MAX: usize = 63 + 1 + 32;
const LABEL_LEN_MAX: usize = 63;
const TAINTS_MAX: usize = 16;
const COUNTER_SETS_MAX: usize = 8;
const COUNTERS_MAX: usize = 32;
const CONSUMPTIONS_MAX: usize = 2;
const VALUE_LEN_MAX: usize = 64;
const ON_NODES: &str = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, \
    `perDeviceNodeSelection` is required";
const DEVICE_ON_NODES: &str = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required \
    when `perDeviceNodeSelection` is set to true in the ResourceSlice spec";

pub(in crate::validation) fn slice(object: &Field<'_>, old: Option<&Value>) {
    let spec = object.at("spec");
    storage_names::driver(&spec.at("driver"));
    pool(&spec.at("pool"));
    if let Some(old) = old {
        update_slice(object, old);
    }
    on_nodes(&spec);
    let (devices, counters) = (spec.at("devices"), spec.at("sharedCounters"));
    if devices.is_some() && counters.is_some() {
        spec.invalid_as("", "only one of `sharedCounters` or `devices` is allowed");
    }
    let special = devices
        .items()
        .any(|one| ["taints", "consumesCounters"].iter().any(|field| !one.at(field).is_empty()));
    let max = if special { SPECIAL_DEVICES_MAX } else { DEVICES_MAX };
    let per_device = spec.at("perDeviceNodeSelection").flag();
    unique(&devices, max, by_name, |one| device(one, per_device, old));
    unique(&counters, COUNTER_SETS_MAX, by_name, counter_set);
}

/// Whose devices they are stays.
fn update_slice(object: &Field<'_>, old: &Value) {
    let (spec, was) = (object.at("spec"), |path: &[&str]| read::at(read::at(old, &["spec"]), path));
    spec.at("pool").at("name").immutable(was(&["pool", "name"]));
    spec.at("driver").immutable(was(&["driver"]));
    spec.at("nodeName").immutable(was(&["nodeName"]));
}

fn pool(pool: &Field<'_>) {
    names::pool(&pool.at("name"));
    let (count, generation) = (pool.at("resourceSliceCount"), pool.at("generation"));
    if count.number() <= 0 {
        count.invalid_number("must be greater than zero");
    }
    if generation.number() < 0 {
        generation.invalid("must be greater than or equal to zero");
    }
}

/// A flag that is either not there or true.
fn is_set(flag: &Field<'_>) -> bool {
    if flag.is_some() && !flag.flag() {
        flag.invalid("must be either unset or set to true");
    }
    flag.flag()
}

/// Which of the fields are given, as upstream lists them.
fn listed(given: &[(bool, &str)]) -> Vec<String> {
    given.iter().filter(|(given, _)| *given).map(|(_, name)| format!("`{name}`")).collect()
}

fn on_nodes(spec: &Field<'_>) {
    let [name, selector, all, each] =
        ["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"]
            .map(|field| spec.at(field));
    if name.is_some() && name.is_empty() {
        name.invalid("must be either unset or set to a non-empty string");
    } else if name.is_some() {
        node_name(&name);
    }
    if selector.is_some() {
        pod::node_selector(&selector);
        let terms = selector.at("nodeSelectorTerms");
        if terms.len() != 1 {
            terms.invalid("must have exactly one node selector term");
        }
    }
    let given = listed(&[
        (!name.is_empty(), "nodeName"),
        (selector.is_some(), "nodeSelector"),
        (is_set(&all), "allNodes"),
        (is_set(&each), "perDeviceNodeSelection"),
    ]);
    match given.len() {
        0 => spec.required(ON_NODES),
        1 => {}
        _ => spec.invalid_as(
            format!("{{{}}}", given.join(", ")),
            format!("{ON_NODES}, but multiple fields are set"),
        ),
    }
}

fn device(device: &Field<'_>, per_device: bool, old: Option<&Value>) {
    let name = device.at("name");
    name.well_formed(dns_label);
    let (attributes, capacity) = (device.at("attributes"), device.at("capacity"));
    let count = attributes.len() + capacity.len();
    if count > PROPERTIES_MAX {
        device.invalid_as(
            count,
            format!(
                "the total number of attributes and capacities must not exceed {PROPERTIES_MAX}"
            ),
        );
    }
    for (key, value) in attributes.entries() {
        let at = attributes.key(&names::shown(key, PROPERTY_KEY_MAX)).showing(value.value);
        names::qualified(key, &at);
        attribute(&at);
    }
    let shared = device.at("allowMultipleAllocations").flag();
    for (key, value) in capacity.entries() {
        let at = capacity.key(&names::shown(key, PROPERTY_KEY_MAX)).showing(value.value);
        names::qualified(key, &at);
        if !shared && at.at("requestPolicy").is_some() {
            at.at("requestPolicy").forbidden("allowMultipleAllocations must be true");
        }
    }
    let taints = device.at("taints");
    if !same(taints.value, old_taints(old, name.text())) {
        bounded(&taints, TAINTS_MAX).iter().for_each(taint);
    }
    let set = |one: &Field<'_>| one.at("counterSet").text().to_owned();
    unique(&device.at("consumesCounters"), CONSUMPTIONS_MAX, set, consumption);
    device_on_nodes(device, per_device);
    binding_conditions(device);
}

/// The taints that a device had.
fn old_taints<'a>(old: Option<&'a Value>, name: &str) -> &'a Value {
    let devices = old.map_or(&[][..], |old| read::list(read::at(old, &["spec"]), "devices"));
    let had = devices.iter().find(|device| read::text(device, "name") == name);
    had.map_or(&Value::Null, |device| read::at(device, &["taints"]))
}

fn attribute(attribute: &Field<'_>) {
    let (text, version) = (attribute.at("string"), attribute.at("version"));
    if text.text().len() > VALUE_LEN_MAX {
        text.too_long(VALUE_LEN_MAX);
    }
    if version.is_some() && !names::is_version(version.text()) {
        version.invalid("must be a string compatible with semver.org spec 2.0.0");
    }
    if version.text().len() > VALUE_LEN_MAX {
        version.too_long(VALUE_LEN_MAX);
    }
    let fields = ["bool", "int", "string", "version"];
    match fields.iter().filter(|field| attribute.at(field).is_some()).count() {
        0 => attribute.invalid_as("", "exactly one value must be specified"),
        1 => {}
        _ => attribute.invalid("exactly one value must be specified"),
    }
}

fn counter_set(set: &Field<'_>) {
    counters(&set.at("name"), &set.at("counters"));
}

fn consumption(consumption: &Field<'_>) {
    counters(&consumption.at("counterSet"), &consumption.at("counters"));
}

fn counters(name: &Field<'_>, counters: &Field<'_>) {
    match name.is_empty() {
        true => name.required(""),
        false => name.well_formed(dns_label),
    }
    match counters.len() {
        0 => return counters.required(""),
        1..=COUNTERS_MAX => {}
        _ => return counters.too_many(COUNTERS_MAX),
    }
    for (key, _) in counters.entries() {
        let at = counters.key(&names::shown(key, LABEL_LEN_MAX));
        dns_label(key).into_iter().for_each(|problem| at.invalid_as(key, problem));
    }
}

fn device_on_nodes(device: &Field<'_>, per_device: bool) {
    let [name, selector, all] =
        ["nodeName", "nodeSelector", "allNodes"].map(|field| device.at(field));
    if !per_device {
        if [&name, &selector, &all].iter().any(|field| field.is_some()) {
            device.showing(&Value::Null).invalid(
                "`nodeName`, `nodeSelector` and `allNodes` can only be set if \
                 `perDeviceNodeSelection` is set to true in the ResourceSlice spec",
            );
        }
        return;
    }
    if name.is_some() && name.is_empty() {
        name.invalid("must not be empty");
    } else if name.is_some() {
        node_name(&name);
    }
    if selector.is_some() {
        pod::node_selector(&selector);
    }
    let given = listed(&[
        (!name.is_empty(), "nodeName"),
        (selector.is_some(), "nodeSelector"),
        (is_set(&all), "allNodes"),
    ]);
    match given.len() {
        0 => device.required(DEVICE_ON_NODES),
        1 => {}
        _ => device.invalid_as(format!("{{{}}}", given.join(", ")), DEVICE_ON_NODES),
    }
}
