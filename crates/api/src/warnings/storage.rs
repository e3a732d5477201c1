//! Volumes, claims and classes of storage.

use serde_json::Value;

use super::node_label;
use crate::{Quantity, meta, read};

const CLASS: &str = "volume.beta.kubernetes.io/storage-class";
/// Sources that nothing makes any more.
const OLD: [(&str, &str); 7] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
];

pub(super) fn volume(object: &Value, found: &mut Vec<String>) {
    let spec = &object["spec"];
    class_annotation(object, found);
    let options = "volume.beta.kubernetes.io/mount-options";
    if meta::annotation(object, options).is_some() {
        found.push(format!(
            "metadata.annotations[{options}]: deprecated since v1.31; use \"mountOptions\" \
             attribute instead"
        ));
    }
    if read::text(spec, "persistentVolumeReclaimPolicy") == "Recycle" {
        found.push(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. \
             Instead, the recommended approach is to use dynamic provisioning."
                .to_owned(),
        );
    }
    let terms = read::list(read::at(spec, &["nodeAffinity", "required"]), "nodeSelectorTerms");
    for (index, term) in terms.iter().enumerate() {
        let at = format!("spec.nodeAffinity.required.nodeSelectorTerms[{index}]");
        node_label::of_term(&at, term, found);
    }
    for (source, text) in OLD {
        if !spec[source].is_null() {
            found.push(format!("spec.{source}: {text}"));
        }
    }
    let capacity = read::at(spec, &["capacity", "storage"]);
    fraction("spec.capacity[storage]", capacity, found);
}

pub(super) fn claim(object: &Value, found: &mut Vec<String>) {
    class_annotation(object, found);
    claim_spec("spec", &object["spec"], found);
}

/// The spec of a claim, at `path`.
pub(super) fn claim_spec(path: &str, spec: &Value, found: &mut Vec<String>) {
    for side in ["requests", "limits"] {
        let amount = read::at(spec, &["resources", side, "storage"]);
        fraction(&format!("{path}.resources.{side}[storage]"), amount, found);
    }
}

pub(super) fn class(object: &Value, found: &mut Vec<String>) {
    for (index, topology) in read::list(object, "allowedTopologies").iter().enumerate() {
        for (inner, one) in read::list(topology, "matchLabelExpressions").iter().enumerate() {
            let key = read::text(one, "key");
            if let Some(text) = node_label::replaced(key) {
                found.push(format!(
                    "allowedTopologies[{index}].matchLabelExpressions[{inner}].key: {key} is {text}"
                ));
            }
        }
    }
}

fn class_annotation(object: &Value, found: &mut Vec<String>) {
    if meta::annotation(object, CLASS).is_some() {
        found.push(format!(
            "metadata.annotations[{CLASS}]: deprecated since v1.8; use \"storageClassName\" \
             attribute instead"
        ));
    }
}

fn fraction(path: &str, amount: &Value, found: &mut Vec<String>) {
    if amount.is_null() {
        return;
    }
    if let Some(amount) = Quantity::from_value(amount).ok().filter(|amount| !amount.is_whole()) {
        let shown = amount.to_string();
        found.push(format!(
            "{path}: fractional byte value {shown:?} is invalid, must be an integer"
        ));
    }
}
