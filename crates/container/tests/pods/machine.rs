//! What tests could leave on the machine: mounts, cgroups, processes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long what was killed may take to be seen gone.
const GONE_MAX: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Snapshot {
    mounts: BTreeSet<String>,
    groups: BTreeSet<String>,
    shims: BTreeSet<String>,
}

impl Snapshot {
    /// Mounts that we see, cgroups of this instance, and processes that are ours by their name
    /// or program.
    pub fn take(cgroup_root: &str) -> Snapshot {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let ours = |line: &&str| line.contains("overlay") || line.contains("/pods/");
        Snapshot {
            mounts: mounts.lines().filter(ours).map(str::to_owned).collect(),
            groups: groups(cgroup_root),
            shims: processes(),
        }
    }
}

impl Snapshot {
    /// Whether everything was there before. (What has gone since was somebody else's.)
    fn is_within(&self, before: &Snapshot) -> bool {
        self.mounts.is_subset(&before.mounts)
            && self.groups.is_subset(&before.groups)
            && self.shims.is_subset(&before.shims)
    }
}

/// Waits until the machine has nothing that it had not then.
pub fn wait_until_like(before: &Snapshot, cgroup_root: &str) {
    let deadline = Instant::now() + GONE_MAX;
    loop {
        let now = Snapshot::take(cgroup_root);
        if now.is_within(before) {
            return;
        }
        assert!(Instant::now() < deadline, "left behind: {now:?}, before: {before:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn groups(cgroup_root: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut look = |top: &Path| {
        if top.join(cgroup_root).exists() {
            found.insert(top.join(cgroup_root).display().to_string());
        }
    };
    look(Path::new("/sys/fs/cgroup"));
    for entry in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        look(&entry.path());
    }
    found
}

/// Living children of this program and shims or helpers anywhere that came from it.
fn processes() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let Ok(status) = fs::read_to_string(path.join("status")) else { continue };
        let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("");
        let name = line("Name:\t");
        if line("State:\t").starts_with('Z') {
            continue;
        }
        if name == "helper" || name.starts_with("youki:") {
            found.insert(format!("{name} {}", path.display()));
        }
        let is_ours = fs::read_link(path.join("exe")).ok() == std::env::current_exe().ok();
        if name.starts_with("sampan-") && is_ours {
            found.insert(format!("{name} {}", path.display()));
        }
    }
    found
}
