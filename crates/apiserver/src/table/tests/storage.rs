//! Volumes, claims and their classes; drivers; devices.

use super::*;

#[test]
fn volumes_show_size_modes_claim_and_class() {
    let volume = |metadata: Value, spec: Value, status: Value| json!({"metadata": metadata, "spec": spec, "status": status});
    let kind = "PersistentVolume";
    let full = json!({"capacity": {"storage": "4096Mi"}, "volumeMode": "Block",
        "accessModes": ["ReadWriteOncePod", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "slow", "volumeAttributesClassName": "gold",
        "claimRef": {"namespace": "n", "name": "c"}});
    let status = json!({"phase": "Bound", "reason": "why"});
    let expected = json!([
        "x",
        "4Gi",
        "RWO,ROX,RWX,RWOP",
        "Retain",
        "Bound",
        "n/c",
        "slow",
        "gold",
        "why",
        OLD,
        "Block"
    ]);
    check(kind, volume(json!({}), full, status), expected);
    let annotated = json!({"deletionTimestamp": ago(1),
        "annotations": {"volume.beta.kubernetes.io/storage-class": "old"}});
    let spec = json!({"storageClassName": "new"});
    let expected =
        json!(["x", "0", "", "", "Terminating", "", "old", "<unset>", "", OLD, "<unset>"]);
    check(kind, volume(annotated, spec, json!({"phase": "Available"})), expected);
}

#[test]
fn claims_show_what_they_got_once_they_are_bound() {
    let kind = "PersistentVolumeClaim";
    let status =
        json!({"phase": "Bound", "accessModes": ["ReadOnlyMany"], "capacity": {"storage": "4Gi"}});
    let bound = json!({"spec": {"volumeName": "pv", "volumeMode": "Filesystem"}, "status": status});
    let expected = json!(["x", "Bound", "pv", "4Gi", "ROX", "", "<unset>", OLD, "Filesystem"]);
    check(kind, bound, expected);
    let lost = json!({"spec": {"storageClassName": "s", "volumeAttributesClassName": "g"},
        "status": {"phase": "Lost", "accessModes": ["ReadOnlyMany"], "capacity": {"storage": "4Gi"}}});
    check(kind, lost, json!(["x", "Lost", "", "", "", "s", "g", OLD, "<unset>"]));
    let going = json!({"metadata": {"deletionTimestamp": ago(1)}, "spec": {}, "status": {"phase": "Bound"}});
    check(kind, going, json!(["x", "Terminating", "", "", "", "", "<unset>", OLD, "<unset>"]));
    let unsized_yet = json!({"spec": {"volumeName": "pv"}, "status": {"phase": "Pending"}});
    check(kind, unsized_yet, json!(["x", "Pending", "pv", "0", "", "", "<unset>", OLD, "<unset>"]));
}

#[test]
fn classes_show_their_defaults() {
    let plain = json!({"provisioner": "p"});
    check("StorageClass", plain, json!(["x", "p", "Delete", "Immediate", false, OLD]));
    for annotation in ["storageclass.kubernetes.io", "storageclass.beta.kubernetes.io"] {
        let annotation = format!("{annotation}/is-default-class");
        let class = json!({"metadata": {"annotations": {annotation: "true"}}, "provisioner": "p",
            "reclaimPolicy": "Retain", "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": true});
        let expected = json!(["x (default)", "p", "Retain", "WaitForFirstConsumer", true, OLD]);
        check("StorageClass", class, expected);
    }
    check("VolumeAttributesClass", json!({"driverName": "d"}), json!(["x", "d", OLD]));
}

#[test]
fn drivers_and_attachments() {
    let row =
        |tokens: &str, modes: &str| json!(["x", true, false, false, tokens, false, modes, OLD]);
    check("CSIDriver", json!({"spec": {}}), row("<unset>", "<none>"));
    let driver = json!({"spec": {"attachRequired": true, "podInfoOnMount": false, "tokenRequests": [
        {"audience": "a"}, {"audience": "b"}], "volumeLifecycleModes": ["Persistent", "Ephemeral"]}});
    check("CSIDriver", driver, row("a,b", "Persistent,Ephemeral"));
    let driver = json!({"spec": {"attachRequired": false, "podInfoOnMount": true, "storageCapacity": true,
        "requiresRepublish": true, "tokenRequests": [{"audience": ""}]}});
    check("CSIDriver", driver, json!(["x", false, true, true, "", true, "<none>", OLD]));
    check("CSINode", json!({"spec": {"drivers": [{}, {}]}}), json!(["x", 2, OLD]));
    let capacity = json!({"storageClassName": "s", "capacity": "1024Mi"});
    check("CSIStorageCapacity", capacity, json!(["x", "s", "1Gi"]));
    check("CSIStorageCapacity", json!({"storageClassName": "s"}), json!(["x", "s", "<unset>"]));
    let attachment = json!({"spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "pv"}},
        "status": {"attached": true}});
    check("VolumeAttachment", attachment, json!(["x", "a", "pv", "n", true, OLD]));
    let inline =
        json!({"spec": {"attacher": "a", "nodeName": "n", "source": {"inlineVolumeSpec": {}}}});
    check("VolumeAttachment", inline, json!(["x", "a", "", "n", false, OLD]));
}

#[test]
fn claims_of_devices_show_how_far_they_are() {
    let claim = |status: Value| json!({"status": status});
    let row = |state: &str| json!(["x", state, OLD]);
    check("ResourceClaim", claim(json!({})), row("pending"));
    check("ResourceClaim", claim(json!({"allocation": {}})), row("allocated"));
    let reserved = || json!({"allocation": {}, "reservedFor": [{"name": "p"}]});
    check("ResourceClaim", claim(reserved()), row("allocated,reserved"));
    check("ResourceClaim", claim(json!({"reservedFor": [{"name": "p"}]})), row("pending"));
    let going =
        |status: Value| json!({"metadata": {"deletionTimestamp": ago(1)}, "status": status});
    check("ResourceClaim", going(json!({})), row("deleted"));
    check("ResourceClaim", going(reserved()), row("deleted,allocated,reserved"));
    let slice = json!({"spec": {"nodeName": "n", "driver": "d", "pool": {"name": "p"}}});
    check("ResourceSlice", slice, json!(["x", "n", "d", "p", OLD]));
    let shared = json!({"spec": {"allNodes": true, "driver": "d", "pool": {"name": "p"}}});
    check("ResourceSlice", shared, json!(["x", "", "d", "p", OLD]));
}
