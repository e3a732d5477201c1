//! Volumes, claims, storage classes and CSI drivers.

use serde_json::Value;

use super::{
    Column, age_of, boolean, list, name, named, number, or, or_none, quantity, text, wide,
};
use crate::object::{meta, text as at};

pub(crate) const PERSISTENT_VOLUME: &[Column] = &[
    name(),
    text("Capacity"),
    text("Access Modes"),
    text("Reclaim Policy"),
    text("Status"),
    text("Claim"),
    text("StorageClass"),
    text("VolumeAttributesClass"),
    text("Reason"),
    text("Age"),
    wide("VolumeMode"),
];

pub(crate) fn persistent_volume(object: &Value) -> Vec<Value> {
    let claim = &object["spec"]["claimRef"];
    let claim = match claim {
        Value::Null => String::new(),
        claim => format!("{}/{}", at(claim, "/namespace"), at(claim, "/name")),
    };
    vec![
        meta(object, "name").into(),
        quantity(&object["spec"]["capacity"]["storage"]).into(),
        access_modes(&object["spec"]["accessModes"]).into(),
        at(object, "/spec/persistentVolumeReclaimPolicy").into(),
        phase(object).into(),
        claim.into(),
        class(object).into(),
        or(at(object, "/spec/volumeAttributesClassName"), "<unset>"),
        at(object, "/status/reason").into(),
        age_of(object),
        or(at(object, "/spec/volumeMode"), "<unset>"),
    ]
}

pub(crate) const PERSISTENT_VOLUME_CLAIM: &[Column] = &[
    name(),
    text("Status"),
    text("Volume"),
    text("Capacity"),
    text("Access Modes"),
    text("StorageClass"),
    text("VolumeAttributesClass"),
    text("Age"),
    wide("VolumeMode"),
];

pub(crate) fn persistent_volume_claim(object: &Value) -> Vec<Value> {
    let volume = at(object, "/spec/volumeName");
    // Until it is bound there is nothing to tell.
    let (capacity, modes) = match volume {
        "" => (String::new(), String::new()),
        _ => (
            quantity(&object["status"]["capacity"]["storage"]),
            access_modes(&object["status"]["accessModes"]),
        ),
    };
    vec![
        meta(object, "name").into(),
        phase(object).into(),
        volume.into(),
        capacity.into(),
        modes.into(),
        class(object).into(),
        or(at(object, "/spec/volumeAttributesClassName"), "<unset>"),
        age_of(object),
        or(at(object, "/spec/volumeMode"), "<unset>"),
    ]
}

fn phase(object: &Value) -> &str {
    match meta(object, "deletionTimestamp") {
        "" => at(object, "/status/phase"),
        _ => "Terminating",
    }
}

/// The field, or the annotation that was before it.
fn class(object: &Value) -> &str {
    let old = object["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"].as_str();
    old.unwrap_or_else(|| at(object, "/spec/storageClassName"))
}

fn access_modes(modes: &Value) -> String {
    const SHORT: [(&str, &str); 4] = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let has = |mode: &str| modes.as_array().into_iter().flatten().any(|have| have == mode);
    let short = SHORT.into_iter().filter(|(mode, _)| has(mode)).map(|(_, short)| short);
    short.collect::<Vec<_>>().join(",")
}

pub(crate) const STORAGE_CLASS: &[Column] = &[
    name(),
    text("Provisioner"),
    text("ReclaimPolicy"),
    text("VolumeBindingMode"),
    text("AllowVolumeExpansion"),
    text("Age"),
];

pub(crate) fn storage_class(object: &Value) -> Vec<Value> {
    let mut shown = meta(object, "name").to_owned();
    let annotations = &object["metadata"]["annotations"];
    let prefixes = ["storageclass", "storageclass.beta"];
    let is_default =
        |prefix: &str| annotations[format!("{prefix}.kubernetes.io/is-default-class")] == "true";
    if prefixes.into_iter().any(is_default) {
        shown.push_str(" (default)");
    }
    vec![
        shown.into(),
        at(object, "/provisioner").into(),
        or(at(object, "/reclaimPolicy"), "Delete"),
        or(at(object, "/volumeBindingMode"), "Immediate"),
        flag(object, "/allowVolumeExpansion", false),
        age_of(object),
    ]
}

pub(crate) const VOLUME_ATTRIBUTES_CLASS: &[Column] = &[name(), text("DriverName"), text("Age")];

pub(crate) fn volume_attributes_class(object: &Value) -> Vec<Value> {
    vec![meta(object, "name").into(), at(object, "/driverName").into(), age_of(object)]
}

pub(crate) const VOLUME_ATTACHMENT: &[Column] =
    &[name(), named("Attacher"), text("PV"), text("Node"), boolean("Attached"), text("Age")];

pub(crate) fn volume_attachment(object: &Value) -> Vec<Value> {
    vec![
        meta(object, "name").into(),
        at(object, "/spec/attacher").into(),
        at(object, "/spec/source/persistentVolumeName").into(),
        at(object, "/spec/nodeName").into(),
        flag(object, "/status/attached", false),
        age_of(object),
    ]
}

pub(crate) const CSI_DRIVER: &[Column] = &[
    name(),
    boolean("AttachRequired"),
    boolean("PodInfoOnMount"),
    boolean("StorageCapacity"),
    text("TokenRequests"),
    boolean("RequiresRepublish"),
    text("Modes"),
    text("Age"),
];

pub(crate) fn csi_driver(object: &Value) -> Vec<Value> {
    let texts = |pointer: &str, field: &str| {
        let items = list(object, pointer).iter().map(|item| match field {
            "" => item.as_str().unwrap_or(""),
            field => at(item, field),
        });
        items.collect::<Vec<_>>().join(",")
    };
    vec![
        meta(object, "name").into(),
        flag(object, "/spec/attachRequired", true),
        flag(object, "/spec/podInfoOnMount", false),
        flag(object, "/spec/storageCapacity", false),
        match &object["spec"]["tokenRequests"] {
            Value::Null => "<unset>".into(),
            _ => texts("/spec/tokenRequests", "/audience").into(),
        },
        flag(object, "/spec/requiresRepublish", false),
        or_none(&texts("/spec/volumeLifecycleModes", "")),
        age_of(object),
    ]
}

fn flag(object: &Value, pointer: &str, otherwise: bool) -> Value {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(otherwise).into()
}

pub(crate) const CSI_NODE: &[Column] = &[name(), number("Drivers"), text("Age")];

pub(crate) fn csi_node(object: &Value) -> Vec<Value> {
    vec![meta(object, "name").into(), list(object, "/spec/drivers").len().into(), age_of(object)]
}

pub(crate) const CSI_STORAGE_CAPACITY: &[Column] =
    &[name(), text("StorageClassName"), text("Capacity")];

pub(crate) fn csi_storage_capacity(object: &Value) -> Vec<Value> {
    let capacity = match &object["capacity"] {
        Value::Null => "<unset>".to_owned(),
        amount => quantity(amount),
    };
    vec![meta(object, "name").into(), at(object, "/storageClassName").into(), capacity.into()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_volume_shows_its_size_modes_and_claim() {
        let row = persistent_volume(&json!({
            "metadata": {"name": "pv"},
            "spec": {"capacity": {"storage": "1024Mi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "slow",
                "claimRef": {"namespace": "a", "name": "b"}, "volumeMode": "Filesystem"},
            "status": {"phase": "Available"},
        }));
        let shown: Vec<&str> = row[..8].iter().map(|cell| cell.as_str().unwrap()).collect();
        assert_eq!(
            shown,
            ["pv", "1Gi", "RWO,RWX", "Retain", "Available", "a/b", "slow", "<unset>"]
        );
        assert_eq!(row[10], "Filesystem");
    }

    #[test]
    fn a_claim_shows_its_capacity_once_it_is_bound() {
        let mut claim = json!({
            "metadata": {"name": "c"}, "spec": {}, "status": {"phase": "Pending",
                "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOncePod"]},
        });
        assert_eq!(persistent_volume_claim(&claim)[3..5], [json!(""), json!("")]);
        claim["spec"]["volumeName"] = "pv".into();
        assert_eq!(
            persistent_volume_claim(&claim)[2..5],
            [json!("pv"), json!("2Gi"), json!("RWOP")]
        );
    }

    #[test]
    fn the_default_class_is_marked() {
        let row = storage_class(&json!({"metadata": {"name": "s", "annotations":
            {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "p"}));
        let expected =
            [json!("s (default)"), json!("p"), json!("Delete"), json!("Immediate"), json!(false)];
        assert_eq!(row[..5], expected);
    }
}
