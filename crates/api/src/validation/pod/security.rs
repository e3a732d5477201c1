//! Who a pod's processes are and what they may do.

use super::Seen;
use crate::names;
use crate::validation::field::Field;
use crate::validation::source::descending;

const ID_RANGE: &str = "must be between 0 and 2147483647, inclusive";

/// `securityContext` of a pod, and its shares in the host's namespaces.
pub(super) fn of_pod(spec: &Field<'_>) {
    let context = spec.at("securityContext");
    ids(&context, &["fsGroup", "runAsUser", "runAsGroup"]);
    context.at("supplementalGroups").items().for_each(|group| id(&group));
    let share = spec.at("shareProcessNamespace");
    if share.flag() && spec.at("hostPID").flag() {
        // Upstream's path.
        context
            .at("shareProcessNamespace")
            .showing(share.value)
            .invalid("ShareProcessNamespace and HostPID cannot both be enabled");
    }
    sysctls(&context.at("sysctls"), spec);
    optional(&context.at("fsGroupChangePolicy"), &["Always", "OnRootMismatch"]);
    seccomp(&context.at("seccompProfile"));
    app_armor(&context.at("appArmorProfile"));
    optional(&context.at("supplementalGroupsPolicy"), &["Merge", "Strict"]);
    optional(&context.at("seLinuxChangePolicy"), &["MountOption", "Recursive"]);
}

/// `securityContext` of a container, whose pod has the host's users or its own.
pub(super) fn of_container(context: &Field<'_>, host_users: bool) {
    ids(context, &["runAsUser", "runAsGroup"]);
    let proc = context.at("procMount");
    optional(&proc, &["Default", "Unmasked"]);
    if host_users && proc.text() == "Unmasked" {
        proc.invalid("`hostUsers` must be false to use `Unmasked`");
    }
    seccomp(&context.at("seccompProfile"));
    escalation(context);
    app_armor(&context.at("appArmorProfile"));
}

fn escalation(context: &Field<'_>) {
    let escalation = context.at("allowPrivilegeEscalation");
    if !escalation.is_some() || escalation.flag() {
        return;
    }
    if context.at("privileged").flag() {
        context.invalid("cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    for name in context.at("capabilities").at("add").items() {
        if name.text() == "CAP_SYS_ADMIN" {
            context.invalid(
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` \
                 CAP_SYS_ADMIN",
            );
        }
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
        "Localhost" => descending(&file),
        "RuntimeDefault" | "Unconfined" => {}
        "" => kind.required("type is required when seccompProfile is set"),
        _ => kind.unsupported(&["Localhost", "RuntimeDefault", "Unconfined"]),
    }
    if kind.text() != "Localhost" && file.is_some() {
        file.showing(profile.value).invalid("can only be set when seccomp type is Localhost");
    }
}

fn app_armor(profile: &Field<'_>) {
    const LEN_MAX: usize = 4095;
    const MISSING: &str = "must be set when AppArmor type is Localhost";
    if !profile.is_some() {
        return;
    }
    let (kind, name) = (profile.at("type"), profile.at("localhostProfile"));
    match kind.text() {
        "Localhost" if !name.is_some() => name.required(MISSING),
        "Localhost" => {
            if name.text().trim() != name.text() {
                name.invalid("must not be padded with whitespace");
            } else if name.is_empty() {
                name.required(MISSING);
            }
            if name.text().len() > LEN_MAX {
                name.too_long(LEN_MAX);
            }
        }
        "RuntimeDefault" | "Unconfined" if name.is_some() => {
            name.invalid("can only be set when AppArmor type is Localhost");
        }
        "RuntimeDefault" | "Unconfined" => {}
        "" => kind.required("type is required when appArmorProfile is set"),
        _ => kind.unsupported(&["Localhost", "RuntimeDefault", "Unconfined"]),
    }
}

fn sysctls(sysctls: &Field<'_>, spec: &Field<'_>) {
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
        for (share, namespace) in [("hostNetwork", "net"), ("hostIPC", "ipc")] {
            if spec.at(share).flag() && namespace_of(name.text()) == Some(namespace) {
                name.invalid(format!("may not be specified when '{share}' is true"));
            }
        }
    }
}

/// The namespace that a setting of the kernel is in.
fn namespace_of(sysctl: &str) -> Option<&'static str> {
    const IPC: [&str; 4] = ["kernel.sem", "kernel.shm", "kernel.msg", "fs.mqueue."];
    let name = sysctl.replace('/', ".");
    match () {
        () if name.starts_with("net.") => Some("net"),
        () if name == IPC[0] || IPC[1..].iter().any(|start| name.starts_with(start)) => Some("ipc"),
        () => None,
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
pub(super) fn host_ports(spec: &Field<'_>, in_pod: bool) {
    if !spec.at("hostNetwork").flag() {
        return;
    }
    for port in spec.at("containers").items().flat_map(|container| container.at("ports").items()) {
        let host = port.at("hostPort");
        let matches = host.number() == port.at("containerPort").number();
        if (in_pod || host.number() != 0) && !matches {
            host.invalid_number("must match `containerPort` when `hostNetwork` is true");
        }
    }
}
