//! The pods that a node makes are mirrors of files of its own, and use nothing of the API; of other
//! pods it writes the status, where they are on it.

use serde_json::Value;

use super::Write;
use crate::authz::node::uses::{What, of_spec};
use crate::error::ApiResult;
use crate::kinds::Subresource;
use crate::object::{meta, text};
use crate::strategy::pod::MIRROR;

/// May the node make this pod?
pub(super) fn check_mirror(write: &Write<'_>, pod: &Value) -> ApiResult<()> {
    let node = write.node;
    write.unless(pod["metadata"]["annotations"].get(MIRROR).is_none(), || {
        format!(
            "pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods"
        )
    })?;
    write.unless(text(pod, "/spec/nodeName") != node, || {
        format!("node {node:?} can only create pods with spec.nodeName set to itself")
    })?;
    check_owner(write, pod)?;
    match used(pod) {
        None => Ok(()),
        Some(what) => write.no(&format!("node {node:?} can not create pods that reference {what}")),
    }
}

/// The node owns it, as what controls it.
fn check_owner(write: &Write<'_>, pod: &Value) -> ApiResult<()> {
    let node = write.node;
    let owners = pod["metadata"]["ownerReferences"].as_array().map(Vec::as_slice);
    let owner = match owners.unwrap_or_default() {
        [] => {
            let why =
                format!("node {node:?} can only create pods with an owner reference set to itself");
            return write.no(&why);
        }
        [owner] => owner,
        _ => {
            let why = format!(
                "node {node:?} can only create pods with a single owner reference set to itself"
            );
            return write.no(&why);
        }
    };
    let is = |field: &str, value: &str| text(owner, field) == value;
    let itself = is("/apiVersion", "v1") && is("/kind", "Node") && is("/name", node);
    write.unless(!itself, || {
        format!("node {node:?} can only create pods with an owner reference set to itself")
    })?;
    write.unless(owner["controller"] != true, || {
        format!(
            "node {node:?} can only create pods with a controller owner reference set to itself"
        )
    })?;
    write.unless(owner["blockOwnerDeletion"] == true, || {
        format!("node {node:?} must not set blockOwnerDeletion on an owner reference")
    })?;
    let known = write.read("nodes", "", node)?;
    let (uid, given) = (meta(&known, "uid"), text(owner, "/uid"));
    write.unless(uid != given, || format!("node {node} UID mismatch: expected {given} got {uid}"))
}

/// The first sort of objects of the API that the pod names, in upstream's words and order.
fn used(pod: &Value) -> Option<&'static str> {
    let spec = &pod["spec"];
    let uses = of_spec(meta(pod, "name"), spec);
    for (sort, what) in [
        (What::Account, "serviceaccounts"),
        (What::Secret, "secrets"),
        (What::ConfigMap, "configmaps"),
    ] {
        if uses.iter().any(|(used, _)| *used == sort) {
            return Some(what);
        }
    }
    if list(spec, "/resourceClaims").next().is_some() {
        return Some("resourceclaims");
    }
    list(spec, "/volumes").find_map(used_by_volume)
}

fn used_by_volume(volume: &Value) -> Option<&'static str> {
    const SORTS: [(&str, &str); 6] = [
        ("configMap", "configmaps (via configmap volumes)"),
        ("secret", "secrets (via secret volumes)"),
        ("csi", "csidrivers (via CSI volumes)"),
        ("glusterfs", "endpoints (via glusterFS volumes)"),
        ("persistentVolumeClaim", "persistentvolumeclaims"),
        ("ephemeral", "persistentvolumeclaims (via ephemeral volumes)"),
    ];
    const PROJECTED: [(&str, &str); 5] = [
        ("configMap", "configmaps (via projected volumes)"),
        ("secret", "secrets (via projected volumes)"),
        ("serviceAccountToken", "serviceaccounts (via projected volumes)"),
        ("clusterTrustBundle", "clustertrustbundles"),
        ("podCertificate", "podcertificates"),
    ];
    let first = |of: &Value, sorts: &[(&str, &'static str)]| {
        sorts.iter().find(|(field, _)| !of[*field].is_null()).map(|(_, what)| *what)
    };
    let projected = || list(volume, "/projected/sources").find_map(|from| first(from, &PROJECTED));
    first(volume, &SORTS).or_else(projected)
}

fn list<'a>(of: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    of.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// May the node write this change of a pod?
pub(super) fn check_status(write: &Write<'_>, old: &Value, new: &Value) -> ApiResult<()> {
    let node = write.node;
    match write.call.subresource {
        Some(Subresource::Status) => {}
        None => {
            let why = format!(
                "unexpected operation \"UPDATE\", node {node:?} can only create and delete mirror pods"
            );
            return write.no(&why);
        }
        Some(other) => {
            let why = format!(
                "unexpected pod subresource {:?}, only 'status' and 'eviction' are allowed",
                other.name()
            );
            return write.no(&why);
        }
    }
    write.unless(text(old, "/spec/nodeName") != node, || {
        format!(
            "node {node:?} can only update pod status for pods with spec.nodeName set to itself"
        )
    })?;
    let part = |object: &Value, pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    let differ = |pointer: &str| part(old, pointer) != part(new, pointer);
    write.unless(differ("/metadata/labels"), || {
        format!("node {node:?} cannot update labels through pod status")
    })?;
    write.unless(differ("/status/resourceClaimStatuses"), || {
        format!("node {node:?} cannot update resource claim statues")
    })?;
    write.unless(differ("/status/extendedResourceClaimStatus"), || {
        format!("node {node:?} cannot update extended resource claim status")
    })
}
