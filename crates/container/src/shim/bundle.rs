//! A container's spec in OCI form, as libcontainer wants to read it. Pure.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use libcontainer::oci_spec::OciSpecError;
use libcontainer::oci_spec::runtime::{
    Linux, LinuxBuilder, LinuxDevice, LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType,
    Mount, MountBuilder, Process, ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
};

use super::passwd::Identity;
use crate::spec::{ContainerSpec, MountKind, Propagation};

/// Hidden from containers: what tells about, or acts on, the machine as a whole.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/scsi",
    "/proc/sched_debug",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Visible, and not to be written.
const READ_ONLY: &[&str] =
    &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What a bundle is made from, beside the container's spec.
pub(super) struct Surroundings<'a> {
    /// Where the root file system is mounted.
    pub root: &'a Path,
    /// The container's cgroup, from the hierarchy's root.
    pub cgroup: PathBuf,
    /// Where the container's v1 groups are mounted together; `None` in v2.
    pub hierarchies: Option<PathBuf>,
    /// The pod's shared memory.
    pub shared_memory: PathBuf,
    pub pid_namespace: PidNamespace,
    /// Devices beside the default ones.
    pub devices: Vec<LinuxDevice>,
}

/// Which pid namespace a container gets.
pub(super) enum PidNamespace {
    Own,
    Host,
    /// The one at this path.
    Shared(PathBuf),
}

/// What libcontainer has to know of a process; the rest is [`super::program::Program`]'s.
pub(super) struct ProcessPart<'a> {
    pub identity: &'a Identity,
    pub no_new_privileges: bool,
    pub terminal: bool,
}

/// The process part of a spec, also used for execs.
pub(super) fn process(part: &ProcessPart<'_>) -> Result<Process, OciSpecError> {
    let identity = part.identity;
    let mut user = UserBuilder::default().uid(identity.uid).gid(identity.gid);
    if !identity.groups.is_empty() {
        user = user.additional_gids(identity.groups.clone());
    }
    let mut process = ProcessBuilder::default()
        .terminal(part.terminal)
        .user(user.build()?)
        // Program, environment, directory and capabilities are the executor's: placeholders.
        .args(vec!["program".to_owned()])
        .env(vec!["PATH=/".to_owned()])
        .cwd("/")
        .build()?;
    process.set_capabilities(None).set_rlimits(None);
    process.set_no_new_privileges(part.no_new_privileges.then_some(true));
    Ok(process)
}

/// The whole spec.
pub(super) fn spec(
    container: &ContainerSpec,
    identity: &Identity,
    around: &Surroundings<'_>,
) -> Result<Spec, OciSpecError> {
    let process = process(&ProcessPart {
        identity,
        no_new_privileges: container.security.no_new_privileges,
        terminal: container.tty,
    })?;
    let root = RootBuilder::default()
        .path(around.root)
        .readonly(container.security.read_only_root)
        .build()?;
    let mut spec = SpecBuilder::default()
        .version("1.0.2")
        .root(root)
        .process(process)
        .mounts(mounts(container, around)?)
        .linux(linux(container, around)?)
        .build()?;
    spec.set_hostname(None).set_annotations(Some(HashMap::new()));
    Ok(spec)
}

fn linux(container: &ContainerSpec, around: &Surroundings<'_>) -> Result<Linux, OciSpecError> {
    let security = &container.security;
    let paths = |given: &Option<Vec<String>>, usual: &[&str]| match given {
        _ if security.privileged => Vec::new(),
        Some(given) => given.clone(),
        None => usual.iter().map(|path| (*path).to_owned()).collect(),
    };
    let listens = |mount: &crate::spec::Mount| mount.propagation != Propagation::Private;
    let propagation = if container.mounts.iter().any(listens) { "slave" } else { "private" };
    let mut linux = LinuxBuilder::default()
        .namespaces(namespaces(around)?)
        .cgroups_path(&around.cgroup)
        .rootfs_propagation(propagation)
        .masked_paths(paths(&security.masked_paths, MASKED))
        .readonly_paths(paths(&security.read_only_paths, READ_ONLY))
        .devices(around.devices.clone())
        .build()?;
    // Limits and device rules are ours (`crate::cgroup`).
    linux.set_resources(None);
    Ok(linux)
}

/// Network, ipc and uts are inherited from the shim.
fn namespaces(around: &Surroundings<'_>) -> Result<Vec<LinuxNamespace>, OciSpecError> {
    let fresh = |typ| LinuxNamespaceBuilder::default().typ(typ).build();
    let mut namespaces =
        vec![fresh(LinuxNamespaceType::Mount)?, fresh(LinuxNamespaceType::Cgroup)?];
    match &around.pid_namespace {
        PidNamespace::Own => namespaces.push(fresh(LinuxNamespaceType::Pid)?),
        PidNamespace::Host => {}
        PidNamespace::Shared(path) => namespaces.push(
            LinuxNamespaceBuilder::default()
                .typ(LinuxNamespaceType::Pid)
                .path(path.clone())
                .build()?,
        ),
    }
    Ok(namespaces)
}

fn mounts(
    container: &ContainerSpec,
    around: &Surroundings<'_>,
) -> Result<Vec<Mount>, OciSpecError> {
    let access = if container.security.privileged { "rw" } else { "ro" };
    let shared_memory = around.shared_memory.to_string_lossy();
    let kernel = ["nosuid", "noexec", "nodev"];
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &kernel)?,
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"])?,
        mount("/dev/pts", "devpts", "devpts", TERMINALS)?,
        mount("/dev/shm", "bind", &shared_memory, &["rbind", "nosuid", "noexec", "nodev"])?,
        mount("/dev/mqueue", "mqueue", "mqueue", &kernel)?,
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access])?,
    ];
    mounts.push(cgroup_mount(around, container.security.privileged)?);
    // The container's own mounts win over the default ones of the same place.
    mounts.retain(|have| container.mounts.iter().all(|own| own.target != *have.destination()));
    for own in &container.mounts {
        mounts.push(own_mount(own)?);
    }
    Ok(mounts)
}

const TERMINALS: &[&str] =
    &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];

/// libcontainer's own v1 mounts would let a container write its limits, and take their time; so
/// what the shim has mounted together is bound, read-only throughout.
fn cgroup_mount(around: &Surroundings<'_>, privileged: bool) -> Result<Mount, OciSpecError> {
    let access = if privileged { ["rw", "rw"] } else { ["ro", "rro"] };
    match &around.hierarchies {
        None => {
            let options = ["nosuid", "noexec", "nodev", access[0]];
            mount("/sys/fs/cgroup", "cgroup", "cgroup", &options)
        }
        Some(tree) => {
            let options = ["rbind", "nosuid", "noexec", "nodev", access[1]];
            mount("/sys/fs/cgroup", "bind", &tree.to_string_lossy(), &options)
        }
    }
}

fn own_mount(own: &crate::spec::Mount) -> Result<Mount, OciSpecError> {
    let target = own.target.to_string_lossy();
    let access = if own.read_only { "ro" } else { "rw" };
    match own.kind {
        MountKind::Bind => {
            let propagation = match own.propagation {
                Propagation::Private => "rprivate",
                Propagation::HostToContainer => "rslave",
                Propagation::Bidirectional => "rshared",
            };
            let source = own.source.to_string_lossy();
            mount(&target, "bind", &source, &["rbind", propagation, access])
        }
        MountKind::Tmpfs { size_bytes, mode } => {
            let mode = format!("mode={:o}", mode.unwrap_or(0o1777));
            let size = size_bytes.map(|bytes| format!("size={bytes}"));
            let mut options = vec!["nosuid", "nodev", access, &mode];
            options.extend(size.as_deref());
            mount(&target, "tmpfs", "tmpfs", &options)
        }
    }
}

fn mount(target: &str, kind: &str, source: &str, options: &[&str]) -> Result<Mount, OciSpecError> {
    MountBuilder::default()
        .destination(target)
        .typ(kind)
        .source(source)
        .options(options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>())
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Security;

    fn around(pid_namespace: PidNamespace) -> Surroundings<'static> {
        Surroundings {
            root: Path::new("/run/root"),
            cgroup: "/sampan/pod/a".into(),
            hierarchies: None,
            shared_memory: "/run/shm".into(),
            pid_namespace,
            devices: Vec::new(),
        }
    }

    /// What is found at a JSON pointer of the spec made from this container.
    fn check(container: &ContainerSpec, pointer: &str, expected: serde_json::Value) {
        let spec = spec(container, &Identity::default(), &around(PidNamespace::Own)).unwrap();
        let json = serde_json::to_value(spec).unwrap();
        let found = json.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(found, expected, "{pointer}");
    }

    fn mount_of(container: &ContainerSpec, target: &str) -> Option<serde_json::Value> {
        let spec = spec(container, &Identity::default(), &around(PidNamespace::Own)).unwrap();
        let mounts = spec.mounts().clone().unwrap();
        let found: Vec<_> =
            mounts.into_iter().filter(|mount| mount.destination() == Path::new(target)).collect();
        assert!(found.len() <= 1, "{target} is mounted once");
        found.into_iter().next().map(|mount| serde_json::to_value(mount).unwrap())
    }

    #[test]
    fn what_the_executor_does_is_left_out() {
        let plain = ContainerSpec::default();
        check(&plain, "/process/capabilities", serde_json::Value::Null);
        check(&plain, "/process/rlimits", serde_json::Value::Null);
        check(&plain, "/process/oomScoreAdj", serde_json::Value::Null);
        check(&plain, "/linux/resources", serde_json::Value::Null);
        check(&plain, "/hostname", serde_json::Value::Null);
    }

    #[test]
    fn no_new_privileges_is_true_or_absent() {
        let mut container = ContainerSpec::default();
        check(&container, "/process/noNewPrivileges", serde_json::Value::Null);
        container.security.no_new_privileges = true;
        check(&container, "/process/noNewPrivileges", true.into());
    }

    #[test]
    fn privileged_masks_nothing() {
        let mut container = ContainerSpec::default();
        check(&container, "/linux/maskedPaths/3", "/proc/kcore".into());
        container.security = Security { privileged: true, ..Security::default() };
        check(&container, "/linux/maskedPaths", serde_json::json!([]));
        check(&container, "/linux/readonlyPaths", serde_json::json!([]));
    }

    #[test]
    fn own_mounts_win_over_default_ones() {
        let mut container = ContainerSpec::default();
        assert_eq!(mount_of(&container, "/dev/shm").unwrap()["source"], "/run/shm");
        container.mounts = vec![crate::spec::Mount::tmpfs("/dev/shm", Some(4096))];
        let shm = mount_of(&container, "/dev/shm").unwrap();
        assert_eq!(shm["type"], "tmpfs");
        assert!(shm["options"].as_array().unwrap().contains(&"size=4096".into()));
    }

    #[test]
    fn binds_say_how_they_propagate_and_whether_they_can_be_written() {
        let mut own = crate::spec::Mount::bind("/data", "/mnt").read_only();
        own.propagation = Propagation::HostToContainer;
        let container = ContainerSpec { mounts: vec![own], ..ContainerSpec::default() };
        let options = mount_of(&container, "/mnt").unwrap()["options"].clone();
        assert_eq!(options, serde_json::json!(["rbind", "rslave", "ro"]));
        check(&container, "/linux/rootfsPropagation", "slave".into());
        check(&ContainerSpec::default(), "/linux/rootfsPropagation", "private".into());
    }

    #[test]
    fn namespaces_that_the_shim_has_are_inherited() {
        let kinds = |pid| -> Vec<String> {
            let spec = spec(&ContainerSpec::default(), &Identity::default(), &around(pid)).unwrap();
            let linux = spec.linux().clone().unwrap();
            let namespaces = linux.namespaces().clone().unwrap();
            namespaces.iter().map(|ns| format!("{} {:?}", ns.typ(), ns.path())).collect()
        };
        assert_eq!(kinds(PidNamespace::Own), ["mnt None", "cgroup None", "pid None"]);
        assert_eq!(kinds(PidNamespace::Host), ["mnt None", "cgroup None"]);
        let shared = kinds(PidNamespace::Shared("/proc/7/ns/pid".into()));
        assert_eq!(shared[2], "pid Some(\"/proc/7/ns/pid\")");
    }
}
