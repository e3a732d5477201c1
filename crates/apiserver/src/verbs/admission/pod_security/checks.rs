//! Which checks a level has, and since when.

use super::level::{Level, LevelVersion};
use super::pod::Pod;
use super::{baseline, restricted};

/// What a pod may not do and does.
#[derive(Debug, PartialEq)]
pub(super) struct Violation {
    pub(super) reason: String,
    /// Whom and what, where the reason is not all.
    pub(super) detail: String,
}

impl Violation {
    pub(super) fn new(reason: &str, detail: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), detail: detail.into() }
    }
}

struct Check {
    /// The minor version that brought it.
    since: u32,
    /// From this version on the restricted level has a stricter one in its place.
    replaced: u32,
    /// Given the minor version it judges by.
    run: fn(&Pod<'_>, u32) -> Option<Violation>,
}

const NEVER: u32 = u32::MAX;
/// Later than every version there is a check for, and earlier than [`NEVER`].
const LATEST: u32 = 1_000;

const fn check(since: u32, run: fn(&Pod<'_>, u32) -> Option<Violation>) -> Check {
    Check { since, replaced: NEVER, run }
}

const fn replaced(run: fn(&Pod<'_>, u32) -> Option<Violation>, replaced: u32) -> Check {
    Check { since: 0, replaced, run }
}

/// In the order of upstream's names for them, as their texts are listed.
const BASELINE: [Check; 12] = [
    check(0, baseline::app_armor),
    replaced(baseline::capabilities, 22),
    check(0, baseline::host_namespaces),
    replaced(baseline::host_path_volumes, 0),
    check(0, baseline::host_ports),
    check(34, baseline::hosts_of_probes),
    check(0, baseline::privileged),
    replaced(baseline::proc_mount, 35),
    check(0, baseline::selinux),
    replaced(baseline::seccomp, 19),
    check(0, baseline::sysctls),
    check(0, baseline::windows_host_process),
];

const RESTRICTED: [Check; 7] = [
    check(8, restricted::privilege_escalation),
    check(22, restricted::capabilities),
    check(35, restricted::proc_mount),
    check(0, restricted::volumes),
    check(0, restricted::run_as_non_root),
    check(23, restricted::run_as_user),
    check(19, restricted::seccomp),
];

/// Everything that a pod of this level may not do and does.
pub(super) fn evaluate(level: LevelVersion, pod: &Pod<'_>) -> Vec<Violation> {
    let minor = level.version.minor().min(LATEST);
    let due = |check: &&Check| check.since <= minor;
    let run = |check: &Check| (check.run)(pod, minor);
    match level.level {
        Level::Privileged => Vec::new(),
        Level::Baseline => BASELINE.iter().filter(due).filter_map(run).collect(),
        Level::Restricted => {
            let kept = BASELINE.iter().filter(|check| check.replaced > minor);
            kept.chain(&RESTRICTED).filter(due).filter_map(run).collect()
        }
    }
}

#[cfg(test)]
mod tests;
