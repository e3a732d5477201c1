//! What a pod may say by the system it is for, and whose users it has.

use crate::validation::field::Field;

const LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
const OTHER_SYSTEM: &str = "cannot be set for a windows pod";
/// What pods of Windows have not.
const NOT_OF_PODS: [&str; 4] = ["hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"];
const NOT_OF_CONTEXTS: [&str; 11] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
];
const NOT_OF_CONTAINERS: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];

/// `os` of a pod, and what does not go with it.
pub(super) fn os(spec: &Field<'_>) {
    let (os, name) = (spec.at("os"), spec.at("os").at("name"));
    if !os.is_some() {
        return;
    }
    match name.text() {
        "" => name.required("cannot be empty"),
        "linux" => linux(spec),
        "windows" => windows(spec),
        _ => os.showing(name.value).unsupported(&["linux", "windows"]),
    }
}

fn contexts<'a>(spec: &Field<'a>) -> impl Iterator<Item = Field<'a>> {
    let lists = LISTS.map(|list| spec.at(list));
    lists.into_iter().flat_map(|list| list.items()).map(|item| item.at("securityContext"))
}

fn linux(spec: &Field<'_>) {
    for context in [spec.at("securityContext")].into_iter().chain(contexts(spec)) {
        let options = context.at("windowsOptions");
        if options.is_some() {
            options.forbidden("windows options cannot be set for a linux pod");
        }
    }
}

fn windows(spec: &Field<'_>) {
    let forbid = |field: Field<'_>| {
        let given = match field.value {
            serde_json::Value::Array(items) => !items.is_empty(),
            value => !value.is_null(),
        };
        if given {
            field.forbidden(OTHER_SYSTEM);
        }
    };
    let context = spec.at("securityContext");
    NOT_OF_PODS.iter().map(|field| spec.at(field)).for_each(forbid);
    NOT_OF_CONTEXTS.iter().map(|field| context.at(field)).for_each(forbid);
    for context in contexts(spec) {
        NOT_OF_CONTAINERS.iter().map(|field| context.at(field)).for_each(forbid);
    }
}

/// Users of its own do not go with the host's other namespaces.
pub(super) fn host_users(spec: &Field<'_>) {
    if spec.at("hostUsers").value != &serde_json::Value::Bool(false) {
        return;
    }
    // Upstream's paths.
    for (field, path) in
        [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")]
    {
        if spec.at(field).flag() {
            spec.at(path).forbidden("when `pod.Spec.HostUsers` is false");
        }
    }
}
