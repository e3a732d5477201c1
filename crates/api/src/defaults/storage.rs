//! Volumes, claims, storage classes and CSI drivers.

use serde_json::{Value, json};

use super::volume::network_disks;
use super::{fill, in_made, in_object, set};

pub(super) fn claim(object: &mut Value) {
    in_made(object, "spec", |spec| {
        set(spec, "volumeMode", "Filesystem");
        fill(spec, "resources", json!({}));
    });
    in_made(object, "status", |status| set(status, "phase", "Pending"));
}

pub(super) fn volume(object: &mut Value) {
    in_made(object, "spec", |spec| {
        set(spec, "persistentVolumeReclaimPolicy", "Retain");
        set(spec, "volumeMode", "Filesystem");
        in_object(spec, "hostPath", |path| fill(path, "type", json!("")));
        network_disks(spec);
    });
    in_made(object, "status", |status| set(status, "phase", "Pending"));
}

pub(super) fn class(object: &mut Value) {
    set(object, "reclaimPolicy", "Delete");
    set(object, "volumeBindingMode", "Immediate");
}

pub(super) fn csi_driver(object: &mut Value) {
    in_made(object, "spec", |spec| {
        fill(spec, "attachRequired", json!(true));
        for field in ["podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"] {
            fill(spec, field, json!(false));
        }
        set(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
        set(spec, "volumeLifecycleModes", json!(["Persistent"]));
    });
}
