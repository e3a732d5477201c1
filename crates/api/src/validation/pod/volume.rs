//! Volumes: one source each, and names that mounts can refer to.

use std::collections::BTreeMap;

use super::{Seen, files, label};
use crate::names;
use crate::validation::field::Field;
use crate::validation::source::{self, Owner};
use crate::validation::{metadata, storage};

/// In upstream's order: the first one given counts, the others are too many.
const SOURCES: [&str; 30] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];

/// The volumes of a pod by name, each with its kind of source.
pub(super) type Volumes<'a> = BTreeMap<&'a str, &'static str>;

/// Checks the volumes of a pod, or of a template, which has no name yet.
pub(super) fn check<'a>(volumes: &Field<'a>, pod: Option<&str>) -> Volumes<'a> {
    let (mut seen, mut known) = (Seen::default(), Volumes::new());
    for volume in volumes.items() {
        let name = volume.at("name");
        label(&name);
        seen.check(&name);
        let kind =
            source::one_of(&volume, &SOURCES, |kind, source| self::source(kind, source, pod));
        known.insert(name.text(), kind.unwrap_or_default());
        match kind {
            Some("iscsi") => initiator(&volume),
            Some("ephemeral") => name_of_claim(&name, pod.unwrap_or_default()),
            _ => {}
        }
    }
    known
}

fn source(kind: &str, source: &Field<'_>, pod: Option<&str>) {
    match kind {
        "emptyDir" => empty_dir(source),
        "secret" => {
            source.at("secretName").must_be_given();
            files::of_keys(source);
        }
        "configMap" => {
            source.at("name").must_be_given();
            files::of_keys(source);
        }
        "downwardAPI" => files::of_fields(source),
        "projected" => files::projected(source),
        "ephemeral" => claim(&source.at("volumeClaimTemplate")),
        "image" => image(source, pod.is_some()),
        "csi" => csi(source),
        _ => source::check(kind, source, Owner::Pod),
    }
}

fn empty_dir(source: &Field<'_>) {
    let limit = source.at("sizeLimit");
    if super::resources::quantity(&limit).is_some_and(|size| size.is_negative()) {
        limit.forbidden("SizeLimit field must be a valid resource quantity");
    }
}

fn initiator(volume: &Field<'_>) {
    const LEN_MAX: usize = 64;
    let (disk, name) = (volume.at("iscsi"), volume.at("name"));
    let length = name.text().len() + 1 + disk.at("targetPortal").text().len();
    if disk.at("initiatorName").is_some() && length > LEN_MAX {
        name.invalid_text(
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if \
             iscsi.initiatorName is specified.",
        );
    }
}

fn csi(source: &Field<'_>) {
    source::check("csi", source, Owner::Pod);
    let secret = source.at("nodePublishSecretRef");
    let name = secret.at("name");
    if secret.is_some() && name.is_empty() {
        name.required("");
    } else if secret.is_some() {
        // Upstream's path.
        source.at("name").showing(name.value).well_formed(names::dns_subdomain);
    }
}

/// A template may leave the image to whoever makes pods of it.
fn image(source: &Field<'_>, in_pod: bool) {
    if in_pod {
        source.at("reference").must_be_given();
    }
    source.at("pullPolicy").one_of(&["Always", "IfNotPresent", "Never"]);
}

/// A claim that is made with the pod.
fn claim(template: &Field<'_>) {
    if !template.is_some() {
        return template.required("");
    }
    let meta = template.at("metadata");
    metadata::annotations(&meta.at("annotations"));
    metadata::labels(&meta.at("labels"));
    for (field, _) in meta.value.as_object().into_iter().flatten() {
        let other = meta.at(field);
        if field != "annotations" && field != "labels" && !other.is_empty() {
            other.forbidden("cannot be set");
        }
    }
    storage::claim_spec(&template.at("spec"));
}

fn name_of_claim(volume: &Field<'_>, pod: &str) {
    if pod.is_empty() || volume.is_empty() {
        return;
    }
    let claim = format!("{pod}-{}", volume.text());
    for problem in names::dns_subdomain(&claim) {
        volume.invalid(format!("PVC name {claim:?}: {problem}"));
    }
}
