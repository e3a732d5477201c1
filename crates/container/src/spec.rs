//! What a caller asks for: pods, containers, execs. Plain data; it travels to the shim as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A pod: the namespaces and the cgroup that its containers share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PodSpec {
    /// Names the pod's run directory and cgroup: letters, digits, `_`, `-`, `.`; at most 64.
    pub id: String,
    /// Host name in the pod's uts namespace; empty leaves the host's.
    pub hostname: String,
    /// NIS domain name in the pod's uts namespace; empty leaves the host's.
    pub domain: String,
    /// Whose network the pod uses.
    pub network: PodNetwork,
    /// One pid namespace for all containers of the pod, with a small init process of its own.
    pub share_processes: bool,
    /// The containers see the host's processes.
    pub host_pid: bool,
    /// The pod uses the host's ipc namespace.
    pub host_ipc: bool,
    /// Kernel settings written inside the pod's namespaces (`net.ipv4.ip_forward` form).
    pub sysctls: BTreeMap<String, String>,
    /// Opaque to this crate; handed back at adoption.
    pub labels: BTreeMap<String, String>,
    /// Limits of the pod as a whole.
    pub resources: Resources,
}

/// Whose network a pod uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodNetwork {
    /// A network namespace of its own, with only `lo` (up) in it.
    #[default]
    Own,
    /// The host's.
    Host,
}

/// A container to be made in a pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Unique in the pod: letters, digits, `_`, `-`, `.`; at most 64.
    pub id: String,
    /// Where the root file system comes from.
    pub rootfs: RootFs,
    /// Program and arguments; a program without a slash is searched in `PATH` of `env`.
    pub args: Vec<String>,
    /// Environment, in order; a later entry of the same name wins.
    pub env: Vec<(String, String)>,
    /// Working directory, made when missing; empty means `/`.
    pub cwd: String,
    /// Who the process is.
    pub user: User,
    /// Mounts beside the default ones, in order.
    pub mounts: Vec<Mount>,
    /// Limits of this container.
    pub resources: Resources,
    /// What the process may do.
    pub security: Security,
    /// Give the process a pseudo terminal.
    pub tty: bool,
    /// Keep stdin open for attaching; otherwise it is `/dev/null`.
    pub stdin: bool,
    /// Close stdin when the first attached client goes.
    pub stdin_once: bool,
    /// A running container of the pod whose pid namespace it joins; otherwise it has the pod's, or
    /// one of its own.
    #[serde(default)]
    pub shares_processes_of: Option<String>,
    /// Where its output goes.
    pub log: LogSpec,
    /// `oom_score_adj` of the process; set as far as the machine allows.
    pub oom_score_adj: Option<i32>,
}

/// An overlay root file system. Making and removing the directories is the caller's business.
///
/// What is written is not synced to disk (a volatile overlay): after a crash of the machine
/// `upper` is to be thrown away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Read-only layers, top first.
    pub lower: Vec<PathBuf>,
    /// What the container writes goes here.
    pub upper: PathBuf,
    /// Overlay's scratch directory, on the same file system as `upper`.
    pub work: PathBuf,
}

/// A user or a group, by number or by its name in the root file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    /// A number, used as it is.
    Id(u32),
    /// A name, looked up in `/etc/passwd` or `/etc/group` of the root file system.
    Name(String),
}

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user.
    pub user: Principal,
    /// The primary group; `None` takes the one in `/etc/passwd`, or 0.
    pub group: Option<Principal>,
    /// Groups beside those in which `/etc/group` lists the user.
    pub additional_groups: Vec<u32>,
}

/// A mount into a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Path on the host; unused for a tmpfs.
    pub source: PathBuf,
    /// Absolute path in the container; made when missing.
    pub target: PathBuf,
    /// Mounted read-only.
    pub read_only: bool,
    /// What is mounted.
    pub kind: MountKind,
    /// How mounts made later on one side show on the other.
    pub propagation: Propagation,
}

/// What a [`Mount`] mounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// `source` itself, with all mounts below it.
    Bind,
    /// A fresh file system in memory.
    Tmpfs {
        /// Bound on its size; `None` is the kernel's default (half of memory).
        size_bytes: Option<u64>,
        /// Mode of its root directory; `None` is 1777.
        mode: Option<u32>,
    },
}

/// How mounts made later on one side of a bind mount show on the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    /// Not at all.
    #[default]
    Private,
    /// The host's show in the container.
    HostToContainer,
    /// Asked for as both ways; the pod's own mount namespace keeps what the container mounts
    /// from the host, so it is [`Propagation::HostToContainer`] in effect.
    Bidirectional,
}

/// Limits of a pod or a container; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Weight against others, in cgroup v1 shares (1024 = one CPU's worth).
    pub cpu_shares: Option<u64>,
    /// Microseconds of CPU per period.
    pub cpu_quota_us: Option<i64>,
    /// The period, in microseconds; 100,000 when only a quota is given.
    pub cpu_period_us: Option<u64>,
    /// Bytes of memory before the OOM killer comes; swap does not add to it.
    pub memory_limit_bytes: Option<u64>,
    /// Number of tasks.
    pub pids_limit: Option<u64>,
}

/// What a container's processes may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    /// All capabilities, all devices, nothing masked, no seccomp.
    pub privileged: bool,
    /// The root file system cannot be written.
    pub read_only_root: bool,
    /// Set-uid programs gain nothing.
    pub no_new_privileges: bool,
    /// Capabilities beside the default set: `NET_ADMIN`, `CAP_NET_ADMIN` or `ALL`.
    pub add_capabilities: Vec<String>,
    /// Capabilities taken from the default set; applied first when it is `ALL`, last otherwise.
    pub drop_capabilities: Vec<String>,
    /// Which system calls are allowed.
    pub seccomp: Seccomp,
    /// Paths hidden from the container; `None` is the usual list.
    pub masked_paths: Option<Vec<String>>,
    /// Paths made read-only; `None` is the usual list.
    pub read_only_paths: Option<Vec<String>>,
}

/// Which system calls a container may make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    /// The allow-list that Docker and containerd use by default.
    #[default]
    Default,
    /// All.
    Unconfined,
}

/// Where a container's output goes: lines in CRI format, rotated by size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSpec {
    /// The current file; rotated ones get `.1` (newest), `.2`, … Its directory is made when
    /// missing. Empty means that no log is kept.
    pub path: PathBuf,
    /// A file is rotated before it grows over this; 0 means never.
    pub max_bytes: u64,
    /// How many files are kept, the current one included; at least 1.
    pub max_files: u32,
}

/// A further process in a running container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExecSpec {
    /// The container.
    pub container: String,
    /// Program and arguments.
    pub args: Vec<String>,
    /// Environment beside the container's own; wins over it.
    pub env: Vec<(String, String)>,
    /// Working directory; `None` is the container's.
    pub cwd: Option<String>,
    /// Who the process is; `None` is the container's user.
    pub user: Option<User>,
    /// Give it a pseudo terminal of this size. Output then comes on stdout only.
    pub tty: Option<Size>,
    /// Whether stdin is wanted; otherwise it is `/dev/null`.
    pub stdin: bool,
    /// Whether stdout is wanted; otherwise it is `/dev/null`.
    pub stdout: bool,
    /// Whether stderr is wanted; otherwise it is `/dev/null`.
    pub stderr: bool,
}

/// A wish for a running container's own stdio.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachSpec {
    /// The container.
    pub container: String,
    /// Whether stdin is wanted; the container must have been made with one.
    pub stdin: bool,
    /// Whether stdout is wanted.
    pub stdout: bool,
    /// Whether stderr is wanted; a container with a terminal has none.
    pub stderr: bool,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters per line.
    pub columns: u16,
}

impl User {
    /// User and group 0.
    pub fn root() -> User {
        User::id(0, 0)
    }

    /// By numbers.
    pub fn id(uid: u32, gid: u32) -> User {
        User {
            user: Principal::Id(uid),
            group: Some(Principal::Id(gid)),
            additional_groups: Vec::new(),
        }
    }

    /// An image's `user`, `uid`, `user:group`, `uid:gid`, `uid:group`; empty is user 0.
    pub fn parse(text: &str) -> User {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let group = group.filter(|group| !group.is_empty()).map(Principal::parse);
        User { user: Principal::parse(user), group, additional_groups: Vec::new() }
    }
}

impl Default for User {
    /// User 0 with what `/etc/passwd` and `/etc/group` say about it.
    fn default() -> User {
        User { user: Principal::Id(0), group: None, additional_groups: Vec::new() }
    }
}

impl Principal {
    /// A number if it looks like one, else a name; empty is 0.
    pub fn parse(text: &str) -> Principal {
        match text.parse() {
            Ok(id) => Principal::Id(id),
            Err(_) if text.is_empty() => Principal::Id(0),
            Err(_) => Principal::Name(text.to_owned()),
        }
    }
}

impl Mount {
    /// A private bind mount of a host path.
    pub fn bind(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Mount {
        Mount {
            source: source.into(),
            target: target.into(),
            read_only: false,
            kind: MountKind::Bind,
            propagation: Propagation::Private,
        }
    }

    /// A fresh file system in memory.
    pub fn tmpfs(target: impl Into<PathBuf>, size_bytes: Option<u64>) -> Mount {
        Mount {
            source: PathBuf::new(),
            target: target.into(),
            read_only: false,
            kind: MountKind::Tmpfs { size_bytes, mode: None },
            propagation: Propagation::Private,
        }
    }

    /// The same, read-only.
    pub fn read_only(mut self) -> Mount {
        self.read_only = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_user(text: &str, user: Principal, group: Option<Principal>) {
        let parsed = User::parse(text);
        assert_eq!((parsed.user, parsed.group), (user, group), "{text}");
    }

    #[test]
    fn image_users_parse() {
        let name = |text: &str| Principal::Name(text.to_owned());
        check_user("", Principal::Id(0), None);
        check_user("1000", Principal::Id(1000), None);
        check_user("1000:100", Principal::Id(1000), Some(Principal::Id(100)));
        check_user("app", name("app"), None);
        check_user("app:", name("app"), None);
        check_user("app:staff", name("app"), Some(name("staff")));
        check_user(":7", Principal::Id(0), Some(Principal::Id(7)));
    }
}
