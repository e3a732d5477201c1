//! CSIDrivers, CSINodes and CSIStorageCapacities.

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::Field;
use super::{pod, selector, storage_names};
use crate::{names, read};

pub(super) fn driver(object: &Field<'_>) {
    let modes = object.at("spec").at("volumeLifecycleModes");
    let spec = object.at("spec");
    // Upstream calls the first one so.
    for (field, path) in [
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
    ] {
        if !spec.at(field).is_some() {
            spec.at(path).required("");
        }
    }
    let policies = ["File", "None", "ReadWriteOnceWithFSType"];
    let policy = spec.at("fsGroupPolicy");
    if policy.is_some() && !policies.contains(&policy.text()) {
        policy.unsupported(&policies);
    }
    let mut seen = BTreeSet::new();
    for token in spec.at("tokenRequests").items() {
        let (audience, seconds) = (token.at("audience"), token.at("expirationSeconds"));
        if !seen.insert(audience.text()) {
            audience.showing(&audience.text().into()).duplicate();
            continue;
        }
        if seconds.is_some() && seconds.number() < 10 * 60 {
            seconds.invalid("may not specify a duration less than 10 minutes");
        }
        if seconds.number() > 1 << 32 {
            seconds.invalid("may not specify a duration larger than 2^32 seconds");
        }
    }
    for mode in modes.items() {
        if !["Ephemeral", "Persistent"].contains(&mode.text()) {
            modes.showing(mode.value).unsupported(&["Persistent", "Ephemeral"]);
        }
    }
    let period = spec.at("nodeAllocatableUpdatePeriodSeconds");
    if period.is_some() && period.number() < 10 {
        period.invalid("must be greater than or equal to 10 seconds");
    }
}

pub(super) fn update_driver(object: &Field<'_>, old: &Value) {
    let spec = object.at("spec");
    let attaches = spec.at("attachRequired");
    spec.at("attachedRequired")
        .showing(attaches.value)
        .immutable(read::at(old, &["spec", "attachRequired"]));
    let modes = "volumeLifecycleModes";
    spec.at(modes).immutable(read::at(old, &["spec", modes]));
}

pub(super) fn node(object: &Field<'_>) {
    let drivers = object.at("spec").at("drivers");
    let mut seen = BTreeSet::new();
    for driver in drivers.items() {
        const ID_LEN_MAX: usize = 192;
        let id = driver.at("nodeID");
        storage_names::driver(&driver.at("name"));
        id.must_be_given();
        if id.text().len() > ID_LEN_MAX {
            id.invalid(format!("must be {ID_LEN_MAX} characters or less"));
        }
        driver.at("allocatable").at("count").not_negative();
        if !seen.insert(driver.at("name").text()) {
            driver.at("name").duplicate();
        }
        topology(&driver);
    }
}

/// Keys of labels, each once. Upstream's paths are those of the driver.
fn topology(driver: &Field<'_>) {
    let mut seen = BTreeSet::new();
    for key in driver.at("topologyKeys").items().map(|key| driver.showing(key.value)) {
        key.must_be_given();
        if !seen.insert(key.text().to_owned()) {
            key.duplicate();
        }
        key.well_formed(names::qualified_name);
    }
}

/// What a driver once said of a node stays, but for how many volumes this takes.
pub(super) fn update_node(object: &Field<'_>, old: &Value) {
    let drivers = object.at("spec").at("drivers");
    let fixed = |driver: &Value| {
        let mut fields = driver.clone();
        fields.as_object_mut().map(|fields| fields.remove("allocatable"));
        fields
    };
    for old in read::list(read::at(old, &["spec"]), "drivers") {
        let same_name = |driver: &Field<'_>| driver.at("name").value == read::at(old, &["name"]);
        for new in drivers.items().filter(same_name) {
            drivers.showing(&fixed(new.value)).immutable(&fixed(old));
        }
    }
}

pub(super) fn capacity(object: &Field<'_>) {
    let class = object.at("storageClassName");
    class.well_formed(names::dns_subdomain);
    if object.at("nodeTopology").is_some() {
        selector::check(&object.at("nodeTopology"));
    }
    for amount in ["capacity", "maximumVolumeSize"].map(|field| object.at(field)) {
        if pod::quantity(&amount).is_some_and(|quantity| quantity.is_negative()) {
            amount.invalid("must be greater than or equal to 0");
        }
    }
}

pub(super) fn update_capacity(object: &Field<'_>, old: &Value) {
    for field in ["nodeTopology", "storageClassName"] {
        object.at(field).immutable(read::at(old, &[field]));
    }
}
