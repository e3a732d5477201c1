//! Which cgroup hierarchies this machine has, and where.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Directory, Group};

/// Where everybody mounts it.
const ROOT: &str = "/sys/fs/cgroup";

/// The v1 controllers that libcontainer puts processes under.
const V1_CONTROLLERS: &[&str] = &[
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "freezer",
    "hugetlb",
    "memory",
    "net_cls",
    "net_prio",
    "perf_event",
    "pids",
    "blkio",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// The machine's hierarchies.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: Group,
}

impl Layout {
    /// Looks at what is mounted.
    pub(crate) fn detect() -> io::Result<Layout> {
        Ok(Layout::parse(&fs::read_to_string("/proc/self/mountinfo")?))
    }

    fn parse(mountinfo: &str) -> Layout {
        let mounts: Vec<Mounted> = mountinfo.lines().filter_map(Mounted::parse).collect();
        let unified = mounts.iter().find(|mount| mount.kind == "cgroup2" && mount.point == ROOT);
        let (version, directories) = match unified {
            Some(mount) => (Version::V2, vec![mount.directory(Vec::new())]),
            None => (Version::V1, mounts.iter().filter_map(Mounted::v1).collect()),
        };
        Layout { root: Group { version, directories } }
    }

    /// The group of this name, directly below the root.
    pub(crate) fn group(&self, name: &str) -> Group {
        self.root.child(name)
    }

    /// Mount points of the v1 hierarchies that a container should see under `/sys/fs/cgroup`;
    /// none in v2, where one mount does it.
    pub(crate) fn shown(&self) -> Vec<PathBuf> {
        let shown = ["memory", "cpu", "cpuacct", "cpuset", "pids"];
        let is_shown = |directory: &&Directory| {
            directory.controllers.iter().any(|have| shown.contains(&have.as_str()))
        };
        self.root.directories.iter().filter(is_shown).map(|have| have.mount.clone()).collect()
    }
}

struct Mounted<'a> {
    kind: &'a str,
    point: &'a str,
    options: &'a str,
}

impl<'a> Mounted<'a> {
    /// A line of mountinfo: `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
    fn parse(line: &'a str) -> Option<Mounted<'a>> {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?;
        let mut after = after.split(' ');
        let kind = after.next()?;
        Some(Mounted { kind, point, options: after.nth(1)? })
    }

    fn v1(&self) -> Option<Directory> {
        if self.kind != "cgroup" || Path::new(self.point).parent() != Some(Path::new(ROOT)) {
            return None;
        }
        let known = |option: &&str| V1_CONTROLLERS.contains(option);
        let controllers: Vec<String> =
            self.options.split(',').filter(known).map(str::to_owned).collect();
        (!controllers.is_empty()).then(|| self.directory(controllers))
    }

    fn directory(&self, controllers: Vec<String>) -> Directory {
        Directory { controllers, mount: PathBuf::from(self.point), name: PathBuf::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
25 20 0:22 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
27 25 0:24 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
28 25 0:25 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
29 25 0:26 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw
30 20 0:27 / /elsewhere/pids rw,relatime - cgroup cgroup rw,pids
";

    const UNIFIED: &str = "\
25 20 0:22 / /sys/fs/cgroup rw,nosuid,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate
";

    fn check(mountinfo: &str, version: Version, files: &[(&str, &str, Option<&str>)]) {
        let group = Layout::parse(mountinfo).group("root").child("pod");
        assert_eq!(group.version, version);
        for (controller, file, expected) in files {
            let path = group.file(controller, file);
            assert_eq!(path.as_deref(), expected.map(Path::new), "{controller} {file}");
        }
        assert_eq!(group.name(), Path::new("/root/pod"));
    }

    #[test]
    fn v1_hierarchies_are_told_apart_by_their_controllers() {
        let memory = Some("/sys/fs/cgroup/memory/root/pod/cgroup.procs");
        let cpu = Some("/sys/fs/cgroup/cpu,cpuacct/root/pod/cpu.shares");
        check(
            HYBRID,
            Version::V1,
            &[
                ("memory", "cgroup.procs", memory),
                ("cpu", "cpu.shares", cpu),
                ("pids", "pids.max", None),
                ("systemd", "cgroup.procs", None),
            ],
        );
    }

    #[test]
    fn v2_has_one_directory_for_everything() {
        let memory = Some("/sys/fs/cgroup/root/pod/memory.max");
        let pids = Some("/sys/fs/cgroup/root/pod/pids.max");
        check(
            UNIFIED,
            Version::V2,
            &[("memory", "memory.max", memory), ("pids", "pids.max", pids)],
        );
    }
}
