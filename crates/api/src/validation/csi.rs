//! CSIDrivers, CSINodes and CSIStorageCapacities.

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::Field;
use super::{pod, selector, storage_names};
use crate::{names, read};

pub(super) fn driver(object: &Field<'_>) {
    let modes = object.at("spec").at("volumeLifecycleModes");
    let spec = object.at("spec");
    for field in ["attachRequired", "podInfoOnMount", "storageCapacity"] {
        if !spec.at(field).is_some() {
            spec.at(field).required("");
        }
    }
    let policies = ["File", "None", "ReadWriteOnceWithFSType"];
    let policy = spec.at("fsGroupPolicy");
    if policy.is_some() && !policies.contains(&policy.text()) {
        policy.unsupported(&policies);
    }
    let mut seen = BTreeSet::new();
    for (index, token) in spec.at("tokenRequests").items().enumerate() {
        let (audience, seconds) = (token.at("audience"), token.at("expirationSeconds"));
        if !seen.insert(audience.text()) {
            audience.duplicate();
        }
        let at = spec.at(&format!("tokenRequests[{index}]")).at("expirationSeconds");
        if seconds.is_some() && seconds.number() < 10 * 60 {
            at.showing(seconds.value).invalid("may not specify a duration less than 10 minutes");
        }
        if seconds.number() > 1 << 32 {
            at.showing(seconds.value)
                .invalid("may not specify a duration larger than 2^32 seconds");
        }
    }
    for mode in modes.items() {
        if !["Ephemeral", "Persistent"].contains(&mode.text()) {
            modes.showing(mode.value).unsupported(&["Ephemeral", "Persistent"]);
        }
    }
}

pub(super) fn update_driver(object: &Field<'_>, old: &Value) {
    let spec = object.at("spec");
    for field in ["attachRequired", "volumeLifecycleModes"] {
        spec.at(field).immutable(read::at(old, &["spec", field]));
    }
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
        topology(&driver.at("topologyKeys"));
        if !seen.insert(driver.at("name").text()) {
            driver.at("name").duplicate();
        }
    }
}

/// Keys of labels, each once.
fn topology(keys: &Field<'_>) {
    let mut seen = BTreeSet::new();
    for key in keys.items() {
        if key.is_empty() {
            key.required("");
        } else {
            key.well_formed(names::qualified_name);
        }
        if !seen.insert(key.text()) {
            key.duplicate();
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
