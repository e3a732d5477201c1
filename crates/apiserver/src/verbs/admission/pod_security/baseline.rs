//! What the baseline level forbids: known ways out of a container.

use std::collections::BTreeSet;

use serde_json::Value;

use super::checks::Violation;
use super::pod::{Container, Pod, containers, plural, quoted, setters};

/// What a container has anyway.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// What a pod may set for itself alone, and since when.
const SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

const SELINUX_TYPES: [(&str, u32); 5] = [
    ("", 0),
    ("container_t", 0),
    ("container_init_t", 0),
    ("container_kvm_t", 0),
    ("container_engine_t", 31),
];

const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_ANNOTATIONS: &str = "container.seccomp.security.alpha.kubernetes.io/";
/// The version in which seccomp profiles became a field.
const SECCOMP_FIELD: u32 = 19;
/// The version since which a pod with users of its own may see all of /proc.
const OWN_USERS: u32 = 35;

fn knows(list: &[(&str, u32)], word: &str, minor: u32) -> bool {
    list.iter().any(|(known, since)| *known == word && *since <= minor)
}

pub(super) fn is_safe_profile(kind: &Value) -> bool {
    matches!(kind.as_str(), Some("RuntimeDefault" | "Localhost"))
}

/// The types of the profiles that are set and not safe: the pod's, and by container.
struct Profiles<'a> {
    pod: Option<&'a str>,
    containers: Vec<&'a str>,
    types: BTreeSet<&'a str>,
}

fn unsafe_profiles<'a>(pod: &Pod<'a>, field: &str) -> Profiles<'a> {
    let bad = |context: &'a Value| {
        let profile = context.get(field).filter(|profile| profile.is_object())?;
        (!is_safe_profile(&profile["type"])).then(|| profile["type"].as_str().unwrap_or(""))
    };
    let of_pod = bad(pod.context());
    let mut types: BTreeSet<&str> = of_pod.into_iter().collect();
    types.extend(pod.containers().filter_map(|container| bad(container.context())));
    let names = pod.names_where(|container| bad(container.context()).is_some());
    Profiles { pod: of_pod, containers: names, types }
}

pub(super) fn app_armor(pod: &Pod<'_>, _: u32) -> Option<Violation> {
    let allowed =
        |value: &str| matches!(value, "" | "runtime/default") || value.starts_with("localhost/");
    let found = unsafe_profiles(pod, "appArmorProfile");
    let mut annotations: Vec<String> = pod
        .annotations()
        .filter(|(key, value)| key.starts_with(APP_ARMOR_ANNOTATION) && !allowed(value))
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    annotations.sort();
    let mut who: Vec<String> =
        setters(found.pod.is_some(), &found.containers).into_iter().collect();
    if !annotations.is_empty() {
        who.push(plural("annotation", "annotations", annotations.len()).to_owned());
    }
    if who.is_empty() {
        return None;
    }
    let values: Vec<String> =
        found.types.into_iter().map(str::to_owned).chain(annotations).collect();
    let one = "forbidden AppArmor profile";
    let reason = plural(one, "forbidden AppArmor profiles", values.len());
    let detail =
        format!("{} must not set AppArmor profile type to {}", who.join(" and "), quoted(&values));
    Some(Violation::new(reason, detail))
}

fn added(container: Container<'_>) -> impl Iterator<Item = &str> {
    let added = container.context()["capabilities"]["add"].as_array().into_iter().flatten();
    added.filter_map(Value::as_str)
}

/// Who adds capabilities that are none of these, and which.
pub(super) fn added_beyond(pod: &Pod<'_>, allowed: &[&str]) -> Option<String> {
    let others = |container| added(container).filter(|name| !allowed.contains(name));
    let names = pod.names_where(|container| others(container).next().is_some());
    let found: BTreeSet<&str> = pod.containers().flat_map(others).collect();
    (!names.is_empty()).then(|| {
        format!(
            "{} must not include {} in securityContext.capabilities.add",
            containers(&names),
            quoted(found)
        )
    })
}

pub(super) fn capabilities(pod: &Pod<'_>, _: u32) -> Option<Violation> {
    let detail = added_beyond(pod, &CAPABILITIES)?;
    Some(Violation::new("non-default capabilities", detail))
}

pub(super) fn host_namespaces(pod: &Pod<'_>, _: u32) -> Option<Violation> {
    let shared: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|field| pod.spec[field] == true)
        .map(|field| format!("{field}=true"))
        .collect();
    (!shared.is_empty()).then(|| Violation::new("host namespaces", shared.join(", ")))
}

pub(super) fn host_path_volumes(pod: &Pod<'_>, _: u32) -> Option<Violation> {
    let names: Vec<&str> = pod
        .volumes()
        .filter(|volume| volume["hostPath"].is_object())
        .filter_map(|volume| volume["name"].as_str())
        .collect();
    let what = plural("volume", "volumes", names.len());
    (!names.is_empty())
        .then(|| Violation::new("hostPath volumes", format!("{what} {}", quoted(&names))))
}

pub(super) fn host_ports(pod: &Pod<'_>, _: u32) -> Option<Violation> {
    fn ports(container: Container<'_>) -> impl Iterator<Item = String> {
        let ports = container.0["ports"].as_array().into_iter().flatten();
        let ports = ports.filter_map(|port| port["hostPort"].as_i64());
        ports.filter(|port| *port != 0).map(|port| port.to_string())
    }
    let names = pod.names_where(|container| ports(container).next().is_some());
    let found: BTreeSet<String> = pod.containers().flat_map(ports).collect();
    let detail = format!(
        "{} {} {} {}",
        containers(&names),
        plural("uses", "use", names.len()),
        plural("hostPort", "hostPorts", found.len()),
        found.into_iter().collect::<Vec<_>>().join(", ")
    );
    (!names.is_empty()).then(|| Violation::new("hostPort", detail))
}

/// The hosts that probes and hooks name: they are asked from the node.
pub(super) fn hosts_of_probes(pod: &Pod<'_>, _: u32) -> Option<Violation> {
    const HANDLERS: [&str; 5] = [
        "/livenessProbe",
        "/readinessProbe",
        "/startupProbe",
        "/lifecycle/postStart",
        "/lifecycle/preStop",
    ];
    fn hosts(container: Container<'_>) -> impl Iterator<Item = &str> {
        let handlers = HANDLERS.into_iter().filter_map(move |at| container.0.pointer(at));
        let hosts = handlers.flat_map(|handler| {
            ["httpGet", "tcpSocket"].map(|action| handler[action]["host"].as_str().unwrap_or(""))
        });
        hosts.filter(|host| !host.is_empty())
    }
    let mut names = pod.names_where(|container| hosts(container).next().is_some());
    names.sort_unstable();
    let found: BTreeSet<&str> = pod.containers().flat_map(hosts).collect();
    let detail = format!(
        "{} {} {} {}",
        containers(&names),
        plural("uses", "use", names.len()),
        plural("probe or lifecycle host", "probe or lifecycle hosts", found.len()),
        quoted(found)
    );
    (!names.is_empty()).then(|| Violation::new("probe or lifecycle host", detail))
}

pub(super) fn privileged(pod: &Pod<'_>, _: u32) -> Option<Violation> {
    let names = pod.names_where(|container| container.context()["privileged"] == true);
    let detail = format!("{} must not set securityContext.privileged=true", containers(&names));
    (!names.is_empty()).then(|| Violation::new("privileged", detail))
}

pub(super) fn proc_mount(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    if minor >= OWN_USERS && pod.has_own_users() {
        return None;
    }
    any_proc_mount(pod)
}

/// A /proc that is not masked, whosever the users are.
pub(super) fn any_proc_mount(pod: &Pod<'_>) -> Option<Violation> {
    fn kind(container: Container<'_>) -> Option<&str> {
        container.context()["procMount"].as_str().filter(|kind| *kind != "Default")
    }
    let names = pod.names_where(|container| kind(container).is_some());
    let kinds: BTreeSet<&str> = pod.containers().filter_map(kind).collect();
    let detail = format!(
        "{} must not set securityContext.procMount to {}",
        containers(&names),
        quoted(kinds)
    );
    (!names.is_empty()).then(|| Violation::new("procMount", detail))
}

pub(super) fn selinux(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    let options = |context: &'_ Value| context["seLinuxOptions"].clone();
    let is_set =
        |options: &Value, field: &str| options[field].as_str().is_some_and(|text| !text.is_empty());
    let kind = |options: &Value| options["type"].as_str().unwrap_or("").to_owned();
    let bad = |options: &Value| {
        !knows(&SELINUX_TYPES, &kind(options), minor)
            || is_set(options, "user")
            || is_set(options, "role")
    };
    let names = pod.names_where(|container| bad(&options(container.context())));
    let who = setters(bad(&options(pod.context())), &names)?;
    let all: Vec<Value> = std::iter::once(options(pod.context()))
        .chain(pod.containers().map(|container| options(container.context())))
        .collect();
    let kinds: BTreeSet<String> =
        all.iter().map(kind).filter(|kind| !knows(&SELINUX_TYPES, kind, minor)).collect();
    let mut what = Vec::new();
    if !kinds.is_empty() {
        what.push(format!("{} {}", plural("type", "types", kinds.len()), quoted(&kinds)));
    }
    for field in ["user", "role"] {
        if all.iter().any(|options| is_set(options, field)) {
            what.push(format!("{field} may not be set"));
        }
    }
    let what = what.join("; ");
    let detail = format!("{who} set forbidden securityContext.seLinuxOptions: {what}");
    Some(Violation::new("seLinuxOptions", detail))
}

pub(super) fn seccomp(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    if minor < SECCOMP_FIELD {
        return seccomp_annotations(pod);
    }
    seccomp_fields(pod)
}

/// Profiles that are set, and are not safe.
pub(super) fn seccomp_fields(pod: &Pod<'_>) -> Option<Violation> {
    let found = unsafe_profiles(pod, "seccompProfile");
    let who = setters(found.pod.is_some(), &found.containers)?;
    let detail = format!(
        "{who} must not set securityContext.seccompProfile.type to {}",
        quoted(found.types)
    );
    Some(Violation::new("seccompProfile", detail))
}

fn seccomp_annotations(pod: &Pod<'_>) -> Option<Violation> {
    let allowed = |value: &str| {
        matches!(value, "runtime/default" | "docker/default") || value.starts_with("localhost/")
    };
    let names: BTreeSet<&str> = pod.containers().map(Container::name).collect();
    let counts = |key: &str| {
        key == SECCOMP_ANNOTATION
            || key.strip_prefix(SECCOMP_ANNOTATIONS).is_some_and(|name| names.contains(name))
    };
    let found: BTreeSet<String> = pod
        .annotations()
        .filter(|(key, value)| counts(key) && !allowed(value))
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    let what = plural("annotation", "annotations", found.len());
    let list = found.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    (!found.is_empty())
        .then(|| Violation::new("seccompProfile", format!("forbidden {what} {list}")))
}

pub(super) fn sysctls(pod: &Pod<'_>, minor: u32) -> Option<Violation> {
    let all = pod.context()["sysctls"].as_array().into_iter().flatten();
    let found: Vec<&str> = all
        .filter_map(|sysctl| sysctl["name"].as_str())
        .filter(|name| !knows(&SYSCTLS, name, minor))
        .collect();
    (!found.is_empty()).then(|| Violation::new("forbidden sysctls", found.join(", ")))
}

pub(super) fn windows_host_process(pod: &Pod<'_>, _: u32) -> Option<Violation> {
    let bad = |context: &Value| context["windowsOptions"]["hostProcess"] == true;
    let names = pod.names_where(|container| bad(container.context()));
    let who = setters(bad(pod.context()), &names)?;
    let detail = format!("{who} must not set securityContext.windowsOptions.hostProcess=true");
    Some(Violation::new("hostProcess", detail))
}
