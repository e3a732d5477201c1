//! Classes of storage, and volumes that are attached to nodes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::field::{Field, same};
use super::{metadata, storage_names};
use crate::{names, read};

/// How many parameters a driver may be given, and how much in all.
const PARAMETERS_MAX: usize = 512;
const PARAMETERS_LEN_MAX: usize = 256 * 1024;

pub(super) fn class(object: &Field<'_>) {
    let provisioner = object.at("provisioner");
    provisioner.must_be_given();
    for problem in names::qualified_name(&provisioner.text().to_lowercase()) {
        if !provisioner.is_empty() {
            provisioner.invalid_as(provisioner.text().to_lowercase(), problem);
        }
    }
    parameters(&object.at("parameters"), true);
    let (policy, mode) = (object.at("reclaimPolicy"), object.at("volumeBindingMode"));
    if !policy.is_empty() && !["Delete", "Retain"].contains(&policy.text()) {
        policy.unsupported(&["Delete", "Retain"]);
    }
    mode.one_of(&["Immediate", "WaitForFirstConsumer"]);
    topologies(&object.at("allowedTopologies"));
}

/// What a driver is told.
fn parameters(parameters: &Field<'_>, may_be_empty: bool) {
    let mut size = 0;
    if parameters.len() > PARAMETERS_MAX {
        return parameters.too_long(PARAMETERS_MAX);
    }
    for (key, value) in parameters.entries() {
        if key.is_empty() {
            parameters.invalid_as(key, "field can not be empty.");
        }
        size += key.len() + value.text().len();
    }
    if size > PARAMETERS_LEN_MAX {
        parameters.too_long(PARAMETERS_LEN_MAX);
    }
    if !may_be_empty && parameters.is_empty() {
        parameters.required("must contain at least one key/value pair");
    }
}

/// Where volumes may be made: terms of labels, each other than the rest.
fn topologies(terms: &Field<'_>) {
    let mut seen: Vec<BTreeMap<String, BTreeSet<String>>> = Vec::new();
    for term in terms.items() {
        let made = topology(&term);
        if seen.contains(&made) {
            term.at("matchLabelExpressions").showing(&"".into()).duplicate();
        }
        seen.push(made);
    }
}

fn topology(term: &Field<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let mut made = BTreeMap::new();
    let rules = term.at("matchLabelExpressions");
    for rule in rules.items() {
        let (key, values) = (rule.at("key"), rule.at("values"));
        values.must_be_given();
        let mut of_key = BTreeSet::new();
        for value in values.items() {
            if !of_key.insert(value.text().to_owned()) {
                value.duplicate();
            }
        }
        metadata::label_key(&key, key.text());
        if made.insert(key.text().to_owned(), of_key).is_some() {
            key.duplicate();
        }
    }
    made
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
    let driver = object.at("driverName");
    driver.must_be_given();
    if !driver.is_empty() {
        for problem in names::qualified_name(&driver.text().to_lowercase()) {
            driver.invalid_as(driver.text().to_lowercase(), problem);
        }
    }
    parameters(&object.at("parameters"), false);
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
    let source = spec.at("source");
    let volumes =
        ["inlineVolumeSpec", "persistentVolumeName"].map(|field| source.at(field).is_some());
    match volumes {
        [false, false] => {
            source.required("must specify exactly one of inlineVolumeSpec and persistentVolumeName")
        }
        [true, true] => source
            .forbidden("must specify exactly one of inlineVolumeSpec and persistentVolumeName"),
        [false, true] => {
            let name = source.at("persistentVolumeName");
            match name.is_empty() {
                true => name.required("must specify non empty persistentVolumeName"),
                false => name.well_formed(names::dns_subdomain),
            }
        }
        [true, false] => {}
    }
    spec.at("nodeName").well_formed(names::dns_subdomain);
    if !spec.at("attacher").is_empty() {
        storage_names::driver(&spec.at("attacher"));
    }
    attachment_status(&object.at("status"));
}

/// How far the attachment is.
pub(super) fn attachment_status(status: &Field<'_>) {
    const METADATA_LEN_MAX: usize = 256 * 1024;
    const MESSAGE_LEN_MAX: usize = 1024;
    let metadata = status.at("attachmentMetadata");
    let size: usize = metadata.entries().map(|(key, value)| key.len() + value.text().len()).sum();
    if size > METADATA_LEN_MAX {
        metadata.too_long(METADATA_LEN_MAX);
    }
    for error in ["attachError", "detachError"].map(|field| status.at(field)) {
        if error.at("message").text().len() > MESSAGE_LEN_MAX {
            // Upstream names the other bound.
            error.at("message").too_long(METADATA_LEN_MAX);
        }
        let code = error.at("errorCode");
        if code.number() < 0 {
            code.invalid("must be between 0 and 2147483647, inclusive");
        }
    }
}

pub(super) fn update_attachment(object: &Field<'_>, old: &Value) {
    object.at("spec").immutable(read::at(old, &["spec"]));
}
