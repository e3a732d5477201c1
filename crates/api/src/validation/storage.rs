//! Volumes, claims, storage classes, drivers and attachments.

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::{Field, changes, same};
use super::selector;
use crate::{names, read};

const ACCESS_MODES: [&str; 4] =
    ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];
const SOURCES: [&str; 22] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

pub(super) fn volume(object: &Field<'_>) {
    let spec = object.at("spec");
    access_modes(&spec.at("accessModes"), "");
    let capacity = spec.at("capacity");
    if capacity.is_empty() {
        capacity.required("");
    } else if capacity.at("storage").value.is_null() || capacity.len() > 1 {
        capacity.unsupported(&["storage"]);
    }
    let given: Vec<_> = SOURCES.iter().filter(|source| spec.at(source).is_some()).collect();
    match given[..] {
        [] => spec.required("must specify a volume type"),
        [_] => {}
        [_, ref more @ ..] => {
            for source in more {
                spec.at(source).forbidden("may not specify more than 1 volume type");
            }
        }
    }
    let path = spec.at("hostPath");
    if path.is_some() {
        path.at("path").must_be_given();
        if path.at("path").text().split('/').any(|part| part == "..") {
            path.at("path").invalid("must not contain '..'");
        }
    }
    let policy = spec.at("persistentVolumeReclaimPolicy");
    if policy.is_some() {
        policy.one_of(&["Delete", "Recycle", "Retain"]);
    }
    class_and_mode(&spec);
}

fn access_modes(modes: &Field<'_>, why: &str) {
    if modes.is_empty() {
        modes.required(why.to_owned());
    }
    let mut all = BTreeSet::new();
    for mode in modes.items() {
        if !ACCESS_MODES.contains(&mode.text()) {
            modes.showing(mode.value).unsupported(&ACCESS_MODES);
        }
        all.insert(mode.text());
    }
    if all.contains("ReadWriteOncePod") && all.len() > 1 {
        modes.forbidden("may not use ReadWriteOncePod with other access modes");
    }
}

fn class_and_mode(spec: &Field<'_>) {
    if !spec.at("storageClassName").is_empty() {
        spec.at("storageClassName").well_formed(names::dns_subdomain);
    }
    let mode = spec.at("volumeMode");
    if mode.is_some() && !VOLUME_MODES.contains(&mode.text()) {
        mode.unsupported(&VOLUME_MODES);
    }
}

/// What a volume is stays.
pub(super) fn update_volume(object: &Field<'_>, old: &Value) {
    let spec = object.at("spec");
    let changed = |source: &&str| !same(spec.at(source).value, read::at(old, &["spec", source]));
    if SOURCES.iter().any(changed) {
        let why = "spec.persistentvolumesource is immutable after creation";
        spec.at("persistentvolumesource").forbidden(why);
    }
    spec.at("volumeMode").immutable(read::at(old, &["spec", "volumeMode"]));
}

pub(super) fn claim(object: &Field<'_>) {
    let spec = object.at("spec");
    access_modes(&spec.at("accessModes"), "at least 1 access mode is required");
    let storage = spec.at("resources").at("requests").key("storage");
    if storage.value.is_null() {
        spec.at("resources").key("storage").required("");
    } else if crate::Quantity::from_value(storage.value)
        .is_ok_and(|q| q.is_zero() || q.is_negative())
    {
        storage.invalid("must be greater than zero");
    }
    if spec.at("selector").is_some() {
        selector::check(&spec.at("selector"));
    }
    class_and_mode(&spec);
}

/// A claim may be bound and grow, and else it stays as it is.
pub(super) fn update_claim(object: &Field<'_>, old: &Value) {
    let spec = object.at("spec");
    let bound_now = read::at(old, &["spec", "volumeName"]).as_str().is_none_or(str::is_empty);
    let fixed = |value: &Value| {
        let mut fields = value.clone();
        let Some(map) = fields.as_object_mut() else { return fields };
        map.remove("volumeAttributesClassName");
        map.remove("resources");
        if bound_now {
            map.remove("volumeName");
        }
        fields
    };
    if !changes("", &fixed(spec.value), &fixed(read::at(old, &["spec"]))).is_empty() {
        spec.forbidden(
            "spec is immutable after creation except resources.requests and \
             volumeAttributesClassName for bound claims",
        );
    }
}

pub(super) fn class(object: &Field<'_>) {
    let provisioner = object.at("provisioner");
    provisioner.must_be_given();
    for problem in names::qualified_name(&provisioner.text().to_lowercase()) {
        if !provisioner.is_empty() {
            provisioner.invalid_text(problem);
        }
    }
    let (policy, mode) = (object.at("reclaimPolicy"), object.at("volumeBindingMode"));
    if policy.is_some() {
        policy.one_of(&["Delete", "Retain"]);
    }
    mode.one_of(&["Immediate", "WaitForFirstConsumer"]);
}

pub(super) fn update_class(object: &Field<'_>, old: &Value) {
    for field in ["parameters", "provisioner", "reclaimPolicy"] {
        if !same(object.at(field).value, read::at(old, &[field])) {
            object.at(field).forbidden(format!("updates to {field} are forbidden."));
        }
    }
    object.at("volumeBindingMode").immutable(read::at(old, &["volumeBindingMode"]));
}

pub(super) fn attributes_class(object: &Field<'_>) {
    object.at("driverName").must_be_given();
    if object.at("parameters").is_empty() {
        object.at("parameters").required("must contain at least one key/value pair");
    }
}

pub(super) fn update_attributes_class(object: &Field<'_>, old: &Value) {
    for field in ["driverName", "parameters"] {
        if !same(object.at(field).value, read::at(old, &[field])) {
            object.at(field).forbidden(format!("updates to {field} are forbidden."));
        }
    }
}

pub(super) fn attachment(object: &Field<'_>) {
    let spec = object.at("spec");
    spec.at("attacher").must_be_given();
    spec.at("nodeName").must_be_given();
    let source = spec.at("source");
    let volumes =
        ["inlineVolumeSpec", "persistentVolumeName"].map(|field| source.at(field).is_some());
    match volumes {
        [false, false] => {
            source.required("must specify exactly one of inlineVolumeSpec and persistentVolumeName")
        }
        [true, true] => source
            .forbidden("must specify exactly one of inlineVolumeSpec and persistentVolumeName"),
        _ => {}
    }
}

pub(super) fn update_attachment(object: &Field<'_>, old: &Value) {
    object.at("spec").immutable(read::at(old, &["spec"]));
}

pub(super) fn driver(object: &Field<'_>) {
    let modes = object.at("spec").at("volumeLifecycleModes");
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
        driver.at("name").must_be_given();
        driver.at("nodeID").must_be_given();
        if !seen.insert(driver.at("name").text()) {
            driver.at("name").duplicate();
        }
        let count = driver.at("allocatable").at("count");
        count.not_negative();
        for key in driver.at("topologyKeys").items() {
            key.well_formed(names::qualified_name);
        }
    }
}

pub(super) fn capacity(object: &Field<'_>) {
    let class = object.at("storageClassName");
    class.must_be_given();
    if !class.is_empty() {
        class.well_formed(names::dns_subdomain);
    }
    if object.at("nodeTopology").is_some() {
        selector::check(&object.at("nodeTopology"));
    }
}

pub(super) fn update_capacity(object: &Field<'_>, old: &Value) {
    for field in ["nodeTopology", "storageClassName"] {
        object.at(field).immutable(read::at(old, &[field]));
    }
}
