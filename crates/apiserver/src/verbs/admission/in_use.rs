//! Claims and volumes are protected from their creation on: controllers let them go when nothing uses
//! them. Upstream's admission plugin StorageObjectInUseProtection.

use serde_json::{Value, json};

use crate::object::metadata_mut;

/// The finalizer of a new object of this storage; none for most.
fn finalizer(storage: &str) -> Option<&'static str> {
    match storage {
        "persistentvolumeclaims" => Some("kubernetes.io/pvc-protection"),
        "persistentvolumes" => Some("kubernetes.io/pv-protection"),
        _ => None,
    }
}

/// Protects a new claim or volume.
pub(super) fn protect(storage: &str, object: &mut Value) {
    let Some(finalizer) = finalizer(storage) else { return };
    let finalizers = metadata_mut(object).entry("finalizers").or_insert(Value::Null);
    match finalizers.as_array_mut() {
        Some(list) if list.iter().any(|have| have == finalizer) => {}
        Some(list) => list.push(finalizer.into()),
        None => *finalizers = json!([finalizer]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(storage: &str, finalizers: Value, expected: Value) {
        let mut object = json!({"metadata": {"finalizers": finalizers}});
        protect(storage, &mut object);
        assert_eq!(object["metadata"]["finalizers"], expected);
    }

    #[test]
    fn claims_and_volumes_are_protected_once() {
        let claim = "kubernetes.io/pvc-protection";
        check("persistentvolumeclaims", json!(null), json!([claim]));
        check("persistentvolumeclaims", json!(["a", claim]), json!(["a", claim]));
        check("persistentvolumes", json!(["a"]), json!(["a", "kubernetes.io/pv-protection"]));
        check("pods", json!(null), json!(null));
    }
}
