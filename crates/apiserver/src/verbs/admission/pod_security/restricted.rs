//! What the restricted level demands beyond the baseline: good habits.

use std::collections::BTreeSet;

use serde_json::Value;

use super::baseline;
use super::checks::Violation;
use super::pod::{Pod, containers, plural, quoted, setters};

/// The version since which pods for Windows are not asked for what only Linux has.
const NO_WINDOWS: u32 = 25;
/// The version since which a pod with users of its own may be its own root.
const OWN_USERS: u32 = 35;

/// What may be in a volume.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// The other types that upstream has a name for.
const OTHER_VOLUMES: [&str; 21] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

fn is_exempt(pod: &Pod<'_>, minor: u32) -> bool {
    minor >= NO_WINDOWS && pod.is_windows()
}

pub(super) fn privilege_escalation(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    if is_exempt(pod, minor) {
        return None;
    }
    let names =
        pod.names_where(|container| container.context()["allowPrivilegeEscalation"] != false);
    let detail =
        format!("{} must set securityContext.allowPrivilegeEscalation=false", containers(&names));
    (!names.is_empty()).then(|| Violation::new("allowPrivilegeEscalation != false", detail))
}

pub(super) fn capabilities(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    if is_exempt(pod, minor) {
        return None;
    }
    let drops_all = |context: &Value| {
        let dropped = context["capabilities"]["drop"].as_array();
        dropped.into_iter().flatten().any(|name| name == "ALL")
    };
    let keeping = pod.names_where(|container| !drops_all(container.context()));
    let mut details = Vec::new();
    if !keeping.is_empty() {
        let who = containers(&keeping);
        details.push(format!("{who} must set securityContext.capabilities.drop=[\"ALL\"]"));
    }
    details.extend(baseline::added_beyond(pod, &["NET_BIND_SERVICE"]));
    (!details.is_empty()).then(|| Violation::new("unrestricted capabilities", details.join("; ")))
}

pub(super) fn proc_mount(pod: &Pod<'_>, _: u32) -> Option<Violation> {
    baseline::any_proc_mount(pod)
}

pub(super) fn volumes(pod: &Pod<'_>, _: u32) -> Option<Violation> {
    let is = |volume: &Value, kind: &str| volume.get(kind).is_some_and(|source| !source.is_null());
    let bad: Vec<&Value> =
        pod.volumes().filter(|volume| !VOLUMES.iter().any(|kind| is(volume, kind))).collect();
    if bad.is_empty() {
        return None;
    }
    let kind = |volume: &&Value| {
        OTHER_VOLUMES.into_iter().find(|kind| is(volume, kind)).unwrap_or("unknown")
    };
    let kinds: BTreeSet<&str> = bad.iter().map(kind).collect();
    let detail = format!(
        "{} {} {} {} {}",
        plural("volume", "volumes", bad.len()),
        quoted(bad.iter().map(|volume| volume["name"].as_str().unwrap_or(""))),
        plural("uses", "use", bad.len()),
        plural("restricted volume type", "restricted volume types", kinds.len()),
        quoted(kinds)
    );
    Some(Violation::new("restricted volume types", detail))
}

pub(super) fn run_as_non_root(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    if minor >= OWN_USERS && pod.has_own_users() {
        return None;
    }
    let said = |context: &Value| context["runAsNonRoot"].as_bool();
    let of_pod = said(pod.context());
    let explicit = pod.names_where(|container| said(container.context()) == Some(false));
    let reason = "runAsNonRoot != true";
    if let Some(who) = setters(of_pod == Some(false), &explicit) {
        let detail = format!("{who} must not set securityContext.runAsNonRoot=false");
        return Some(Violation::new(reason, detail));
    }
    let silent = pod.names_where(|container| said(container.context()).is_none());
    let detail =
        format!("pod or {} must set securityContext.runAsNonRoot=true", containers(&silent));
    (of_pod != Some(true) && !silent.is_empty()).then(|| Violation::new(reason, detail))
}

pub(super) fn run_as_user(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    if minor >= OWN_USERS && pod.has_own_users() {
        return None;
    }
    let is_root = |context: &Value| context["runAsUser"].as_i64() == Some(0);
    let names = pod.names_where(|container| is_root(container.context()));
    let who = setters(is_root(pod.context()), &names)?;
    Some(Violation::new("runAsUser=0", format!("{who} must not set runAsUser=0")))
}

pub(super) fn seccomp(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    if is_exempt(pod, minor) {
        return None;
    }
    if let Some(found) = baseline::seccomp_fields(pod) {
        return Some(found);
    }
    let is_silent = |context: &Value| !context["seccompProfile"].is_object();
    let silent = pod.names_where(|container| is_silent(container.context()));
    let detail = format!(
        "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
        containers(&silent)
    );
    (is_silent(pod.context()) && !silent.is_empty())
        .then(|| Violation::new("seccompProfile", detail))
}
