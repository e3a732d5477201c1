//! Volumes of pods.

use serde_json::{Value, json};

use super::{each, fill, in_made, in_object, set};
use crate::read;

/// Readable by all, written by the owner.
const FILE_MODE: i64 = 0o644;

const SOURCES: [&str; 30] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "persistentVolumeClaim",
    "photonPersistentDisk",
    "portworxVolume",
    "projected",
    "quobyte",
    "rbd",
    "scaleIO",
    "secret",
    "storageos",
    "vsphereVolume",
];

pub(super) fn apply(volume: &mut Value) {
    if SOURCES.iter().all(|source| read::some(volume, source).is_none()) {
        volume["emptyDir"] = json!({});
    }
    for source in ["configMap", "secret", "downwardAPI"] {
        in_object(volume, source, mode);
    }
    in_object(volume, "downwardAPI", |source| each(source, "items", field_reference));
    in_object(volume, "hostPath", |path| fill(path, "type", json!("")));
    in_object(volume, "projected", projected);
    network_disks(volume);
    in_object(volume, "ephemeral", |source| {
        in_object(source, "volumeClaimTemplate", |claim| {
            in_made(claim, "spec", |spec| set(spec, "volumeMode", "Filesystem"));
        });
    });
    in_object(volume, "image", image);
}

/// Disks that come over a network, of pods and of PersistentVolumes.
pub(super) fn network_disks(volume: &mut Value) {
    in_object(volume, "iscsi", |disk| set(disk, "iscsiInterface", "default"));
    in_object(volume, "rbd", |disk| {
        set(disk, "pool", "rbd");
        set(disk, "user", "admin");
        set(disk, "keyring", "/etc/ceph/keyring");
    });
    in_object(volume, "azureDisk", |disk| {
        fill(disk, "cachingMode", json!("ReadWrite"));
        fill(disk, "kind", json!("Shared"));
        fill(disk, "fsType", json!("ext4"));
        fill(disk, "readOnly", json!(false));
    });
    in_object(volume, "scaleIO", |disk| {
        set(disk, "storageMode", "ThinProvisioned");
        set(disk, "fsType", "xfs");
    });
}

fn mode(source: &mut Value) {
    fill(source, "defaultMode", json!(FILE_MODE));
}

fn field_reference(item: &mut Value) {
    in_object(item, "fieldRef", |field| set(field, "apiVersion", "v1"));
    in_object(item, "resourceFieldRef", resource_field);
}

/// A divisor that nobody gave is written as the zero that it is.
pub(super) fn resource_field(field: &mut Value) {
    set(field, "divisor", "0");
}

fn projected(volume: &mut Value) {
    const TOKEN_SECONDS: i64 = 60 * 60;
    mode(volume);
    each(volume, "sources", |source| {
        in_object(source, "serviceAccountToken", |token| {
            fill(token, "expirationSeconds", json!(TOKEN_SECONDS));
        });
        in_object(source, "downwardAPI", |api| each(api, "items", field_reference));
    });
}

fn image(image: &mut Value) {
    let reference = read::text(image, "reference").to_owned();
    set(image, "pullPolicy", super::pod::pull_policy(&reference));
}
