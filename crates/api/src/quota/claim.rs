//! What a PersistentVolumeClaim takes.

use serde_json::Value;

use super::list::ResourceList;
use crate::{Quantity, meta, read};

/// The part of a name that limits the claims of one storage class.
const BY_CLASS: &str = ".storageclass.storage.k8s.io/";
const COUNT: &str = "persistentvolumeclaims";
const STORAGE: &str = "requests.storage";

pub(super) fn tracks(entry: &str) -> bool {
    let name = entry.split_once(BY_CLASS).map_or(entry, |(_, name)| name);
    matches!(name, COUNT | STORAGE)
}

pub(super) fn usage(claim: &Value) -> ResourceList {
    let mut usage = ResourceList::default();
    let class = class(claim);
    let mut charge = |name: &str, amount: Quantity| {
        usage.set(name, amount);
        if !class.is_empty() {
            usage.set(format!("{class}{BY_CLASS}{name}"), amount);
        }
    };
    charge(COUNT, Quantity::units(1));
    if let Some(storage) = storage(claim) {
        charge(STORAGE, storage);
    }
    usage
}

/// What is asked for, or what it has been given where that is more.
fn storage(claim: &Value) -> Option<Quantity> {
    let amount = |list: &Value| Quantity::from_value(list.get("storage")?).ok();
    let asked = amount(&claim["spec"]["resources"]["requests"])?;
    let given = amount(&claim["status"]["allocatedResources"]);
    let most = given.filter(|given| *given > asked).unwrap_or(asked);
    Some(if most.is_whole() { most } else { Quantity::bytes(most.value()) })
}

fn class(claim: &Value) -> &str {
    let annotated = meta::annotation(claim, "volume.beta.kubernetes.io/storage-class");
    annotated.unwrap_or_else(|| read::text(&claim["spec"], "storageClassName"))
}

/// The names of all VolumeAttributesClasses that the claim has or is to have.
pub(super) fn attribute_classes(claim: &Value) -> Vec<&str> {
    let status = &claim["status"];
    let names = [
        read::text(&claim["spec"], "volumeAttributesClassName"),
        read::text(status, "currentVolumeAttributesClassName"),
        read::text(&status["modifyVolumeStatus"], "targetVolumeAttributesClassName"),
    ];
    names.into_iter().filter(|name| !name.is_empty()).collect()
}
