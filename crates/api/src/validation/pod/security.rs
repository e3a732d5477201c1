//! Who a pod's processes are and what they may do.

use super::Seen;
use crate::names;
use crate::validation::field::Field;

const ID_RANGE: &str = "must be between 0 and 2147483647, inclusive";

/// `securityContext` of a pod, and its shares in the host's namespaces.
pub(super) fn of_pod(spec: &Field<'_>) {
    let context = spec.at("securityContext");
    ids(&context, &["runAsUser", "runAsGroup", "fsGroup"]);
    context.at("supplementalGroups").items().for_each(|group| id(&group));
    seccomp(&context.at("seccompProfile"));
    sysctls(&context.at("sysctls"));
    optional(&context.at("fsGroupChangePolicy"), &["Always", "OnRootMismatch"]);
    optional(&context.at("supplementalGroupsPolicy"), &["Merge", "Strict"]);
    let share = spec.at("shareProcessNamespace");
    if share.flag() && spec.at("hostPID").flag() {
        share.invalid("ShareProcessNamespace and HostPID cannot both be enabled");
    }
    if spec.at("hostNetwork").flag() {
        spec.at("containers").items().for_each(|container| host_ports(&container));
    }
}

/// `securityContext` of a container.
pub(super) fn of_container(context: &Field<'_>) {
    ids(context, &["runAsUser", "runAsGroup"]);
    seccomp(&context.at("seccompProfile"));
    optional(&context.at("procMount"), &["Default", "Unmasked"]);
    let escalation = context.at("allowPrivilegeEscalation");
    if !escalation.is_some() || escalation.flag() {
        return;
    }
    if context.at("privileged").flag() {
        context.invalid("cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    let mut added = context.at("capabilities").at("add").items();
    if added.any(|name| name.text() == "CAP_SYS_ADMIN") {
        context.invalid(
            "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
        );
    }
}

fn ids(context: &Field<'_>, fields: &[&str]) {
    for field in fields {
        id(&context.at(field));
    }
}

fn id(field: &Field<'_>) {
    if !(0..=i64::from(i32::MAX)).contains(&field.number()) {
        field.invalid(ID_RANGE);
    }
}

fn optional(field: &Field<'_>, known: &[&str]) {
    if field.is_some() && !known.contains(&field.text()) {
        field.unsupported(known);
    }
}

fn seccomp(profile: &Field<'_>) {
    if !profile.is_some() {
        return;
    }
    let (kind, file) = (profile.at("type"), profile.at("localhostProfile"));
    match kind.text() {
        "Localhost" if !file.is_some() => {
            file.required("must be set when seccomp type is Localhost");
        }
        "Localhost" => {}
        "RuntimeDefault" | "Unconfined" if file.is_some() => {
            file.invalid("can only be set when seccomp type is Localhost");
        }
        "RuntimeDefault" | "Unconfined" => {}
        "" => kind.required("type is required when seccompProfile is set"),
        _ => kind.unsupported(&["Localhost", "RuntimeDefault", "Unconfined"]),
    }
}

fn sysctls(sysctls: &Field<'_>) {
    let mut seen = Seen::default();
    for name in sysctls.items().map(|sysctl| sysctl.at("name")) {
        if name.is_empty() {
            name.required("");
        } else if !is_sysctl(name.text()) {
            name.invalid(
                "must have at most 253 characters and match regex \
                 ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
            );
        } else {
            seen.check(&name);
        }
    }
}

fn is_sysctl(name: &str) -> bool {
    let edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        bytes.first().is_some_and(|&c| edge(c))
            && bytes.last().is_some_and(|&c| edge(c))
            && bytes.iter().all(|&c| edge(c) || c == b'-' || c == b'_')
    };
    name.len() <= names::SUBDOMAIN_LEN_MAX && name.split(['.', '/']).all(is_part)
}

/// In the host's network a container's port is the host's port; a template may leave it open.
fn host_ports(container: &Field<'_>) {
    for port in container.at("ports").items() {
        let host = port.at("hostPort");
        if host.number() != 0 && host.number() != port.at("containerPort").number() {
            host.invalid("must match `containerPort` when `hostNetwork` is true");
        }
    }
}
