//! Volumes, claims, storage classes, drivers and attachments.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::field::{Field, changes, same};
use super::source::{self, Owner};
use super::{pod, selector};
use crate::quantity::Quantity;
use crate::{names, read};

const ACCESS_MODES: [&str; 4] =
    ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];
/// In upstream's order: the first one given counts, the others are too many.
const SOURCES: [&str; 22] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];
const CSI_SECRETS: [&str; 4] = [
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
    "nodePublishSecretRef",
    "nodeExpandSecretRef",
];

pub(super) fn volume(object: &Field<'_>) {
    let spec = object.at("spec");
    access_modes(&spec.at("accessModes"), "");
    capacity_of(&spec.at("capacity"));
    let policy = spec.at("persistentVolumeReclaimPolicy");
    if !policy.is_empty() {
        policy.one_of(&["Delete", "Recycle", "Retain"]);
    }
    let nodes = spec.at("nodeAffinity");
    if nodes.is_some() && !nodes.at("required").is_some() {
        nodes.at("required").required("must specify required node constraints");
    } else if nodes.is_some() {
        pod::node_selector(&nodes.at("required"));
    }
    let kind = source::one_of(&spec, &SOURCES, self::source);
    if kind == Some("local") && !nodes.is_some() {
        nodes.required("Local volume requires node affinity");
    }
    let name = object.at("metadata").at("name").text();
    if kind == Some("iscsi") {
        initiator(&spec.at("iscsi"), name);
    }
    let path = spec.at("hostPath").at("path").text();
    let is_root = !path.is_empty() && path.split('/').all(|step| step.is_empty() || step == ".");
    if is_root && policy.text() == "Recycle" {
        policy.forbidden("may not be 'recycle' for a hostPath mount of '/'");
    }
    class_and_mode(&spec);
    let attributes = spec.at("volumeAttributesClassName");
    if attributes.is_some() && attributes.is_empty() {
        attributes.required("an empty string is disallowed");
    } else if attributes.is_some() {
        attributes.well_formed(names::dns_subdomain);
    }
    if attributes.is_some() && !spec.at("csi").is_some() {
        spec.at("csi").required("has to be specified when using volumeAttributesClassName");
    }
}

fn capacity_of(capacity: &Field<'_>) {
    if capacity.is_empty() {
        capacity.required("");
    }
    if capacity.at("storage").value.is_null() || capacity.len() > 1 {
        let shown = if capacity.is_some() { capacity.value.clone() } else { json!({}) };
        capacity.showing(&shown).unsupported(&["storage"]);
    }
    for (_, amount) in capacity.entries() {
        let Some(quantity) = pod::quantity(&amount) else { continue };
        if quantity.is_negative() {
            amount.invalid("must be a valid resource quantity");
        }
        positive(&amount, quantity);
    }
}

fn positive(at: &Field<'_>, amount: Quantity) {
    if amount.is_zero() || amount.is_negative() {
        at.invalid_as(amount.to_string(), "must be greater than zero");
    }
}

fn source(kind: &str, source: &Field<'_>) {
    match kind {
        "local" if source.at("path").is_empty() => source.at("path").required(""),
        "local" => source::no_backsteps(&source.at("path")),
        "csi" => {
            source::check(kind, source, Owner::Persistent);
            source.at("volumeHandle").must_be_given();
            for secret in CSI_SECRETS.map(|field| source.at(field)) {
                if secret.is_some() {
                    of_secret(&secret.at("name"), names::dns_subdomain);
                    of_secret(&secret.at("namespace"), names::dns_label);
                }
            }
        }
        _ => source::check(kind, source, Owner::Persistent),
    }
}

fn of_secret(name: &Field<'_>, rule: fn(&str) -> Vec<String>) {
    match name.is_empty() {
        true => name.required(""),
        false => name.well_formed(rule),
    }
}

fn initiator(disk: &Field<'_>, volume: &str) {
    const LEN_MAX: usize = 64;
    let portal = disk.at("targetPortal");
    if disk.at("initiatorName").is_some() && volume.len() + 1 + portal.text().len() > LEN_MAX {
        disk.at("targetportal").showing(portal.value).invalid_text(
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if \
             iscsi.initiatorName is specified.",
        );
    }
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
    let old = read::at(old, &["spec"]);
    let mut new = spec.value.clone();
    // The secret for growing may come later.
    if read::at(old, &["csi", "controllerExpandSecretRef"]).is_null()
        && let Some(csi) = new.get_mut("csi").and_then(Value::as_object_mut)
    {
        csi.remove("controllerExpandSecretRef");
    }
    if SOURCES.iter().any(|source| !same(&new[*source], &old[*source])) {
        let why = "spec.persistentvolumesource is immutable after creation";
        spec.at("persistentvolumesource").forbidden(why);
    }
    // Upstream leaves the spec out of these paths.
    object.at("volumeMode").showing(spec.at("volumeMode").value).immutable(&old["volumeMode"]);
    let nodes = spec.at("nodeAffinity");
    if !old["nodeAffinity"].is_null() && !same(nodes.value, &old["nodeAffinity"]) {
        object
            .at("nodeAffinity")
            .showing(nodes.value)
            .invalid("field is immutable, except for updating from beta label to GA");
    }
    let class = "volumeAttributesClassName";
    if !old[class].is_null() && !spec.at(class).is_some() {
        spec.at(class).forbidden("update from non-nil value to nil is forbidden");
    }
}

pub(super) fn claim(object: &Field<'_>) {
    claim_spec(&object.at("spec"));
}

/// The spec of a claim, or of one that is made with a pod.
pub(super) fn claim_spec(spec: &Field<'_>) {
    if spec.at("selector").is_some() {
        selector::check(&spec.at("selector"));
    }
    access_modes(&spec.at("accessModes"), "at least 1 access mode is required");
    // Upstream leaves the requests out of the path.
    let asked = spec.at("resources").at("requests").at("storage");
    let at = spec.at("resources").key("storage");
    match pod::quantity(&at.showing(asked.value)) {
        Some(amount) => positive(&at, amount),
        None if !asked.is_some() => at.required(""),
        None => {}
    }
    class_and_mode(spec);
    data_source(spec);
    let attributes = spec.at("volumeAttributesClassName");
    if !attributes.is_empty() {
        attributes.well_formed(names::dns_subdomain);
    }
}

/// What a claim's volume is to be filled with, in its old and its new form.
fn data_source(spec: &Field<'_>) {
    let (old, new) = (spec.at("dataSource"), spec.at("dataSourceRef"));
    for reference in [&old, &new].into_iter().filter(|reference| reference.is_some()) {
        let [name, kind, group] = ["name", "kind", "apiGroup"].map(|field| reference.at(field));
        name.must_be_given();
        kind.must_be_given();
        if group.is_empty() && kind.text() != "PersistentVolumeClaim" {
            reference.invalid_as(
                kind.text(),
                "must be 'PersistentVolumeClaim' when referencing the default apiGroup",
            );
        } else if !group.is_empty() {
            group.well_formed(names::dns_subdomain);
        }
    }
    let space = new.at("namespace");
    if !space.is_empty() {
        space.well_formed(names::dns_label);
    }
    let shown = || Value::from(old.path());
    if !space.is_empty() && old.is_some() {
        spec.invalid_as(shown(), "may not be specified when dataSourceRef.namespace is specified");
    } else if old.is_some() && new.is_some() {
        let equal = |field: &str| old.at(field).value == new.at(field).value;
        if !["apiGroup", "kind", "name"].into_iter().all(equal) {
            spec.invalid_as(shown(), "must match dataSourceRef");
        }
    }
}

/// A claim may be bound and grow, and else it stays as it is.
pub(super) fn update_claim(object: &Field<'_>, old: &Value) {
    let (spec, was) = (object.at("spec"), read::at(old, &["spec"]));
    let bound = read::at(object.value, &["status", "phase"]) == "Bound";
    let unbound_before = read::text(was, "volumeName").is_empty();
    let unclassed = was.get("storageClassName").is_none_or(Value::is_null);
    let fixed = |value: &Value| {
        let mut fields = value.clone();
        let Some(map) = fields.as_object_mut() else { return fields };
        if bound {
            map.remove("volumeAttributesClassName");
            let requests = map.get_mut("resources").and_then(|all| all.get_mut("requests"));
            requests.and_then(Value::as_object_mut).map(|amounts| amounts.remove("storage"));
        }
        if unbound_before {
            map.remove("volumeName");
        }
        if unclassed {
            map.remove("storageClassName");
        }
        fields
    };
    if !changes("", &fixed(spec.value), &fixed(was)).is_empty() {
        spec.forbidden(
            "spec is immutable after creation except resources.requests and \
             volumeAttributesClassName for bound claims",
        );
    }
    smaller(&spec, old);
    object.at("volumeMode").showing(spec.at("volumeMode").value).immutable(&was["volumeMode"]);
    let class = spec.at("volumeAttributesClassName");
    if !was["volumeAttributesClassName"].is_null() && !class.is_some() {
        class.forbidden("update from non-nil value to nil is forbidden");
    } else if !read::is_empty(was, "volumeAttributesClassName") && class.is_empty() {
        class.forbidden("update from non-nil value to an empty string is forbidden");
    }
}

/// What was asked for may be less again while the volume has not grown so far.
fn smaller(spec: &Field<'_>, old: &Value) {
    let asked = spec.at("resources").at("requests").at("storage");
    let amount =
        |path: &[&str]| Quantity::from_value(read::at(old, path)).unwrap_or(Quantity::ZERO);
    let Ok(new) = Quantity::from_value(asked.value) else { return };
    let before = amount(&["spec", "resources", "requests", "storage"]);
    if new < before && new <= amount(&["status", "capacity", "storage"]) {
        asked.forbidden("field can not be less than status.capacity");
    }
}
