//! Limits as the files of either cgroup version want them. Pure.

use crate::spec::Resources;

/// The kernel's and everybody's default period, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;

/// What the kernel accepts as v1 shares.
const CPU_SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// One file to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub controller: &'static str,
    pub file: &'static str,
    pub value: String,
    /// Not every kernel has the file.
    pub optional: bool,
}

fn setting(controller: &'static str, file: &'static str, value: impl ToString) -> Setting {
    Setting { controller, file, value: value.to_string(), optional: false }
}

fn optional(controller: &'static str, file: &'static str, value: impl ToString) -> Setting {
    Setting { optional: true, ..setting(controller, file, value) }
}

pub(super) fn v1(resources: &Resources) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(shares) = resources.cpu_shares {
        settings.push(setting("cpu", "cpu.shares", clamp_shares(shares)));
    }
    if let Some(period) = resources.cpu_period_us {
        settings.push(setting("cpu", "cpu.cfs_period_us", period));
    }
    if let Some(quota) = resources.cpu_quota_us {
        settings.push(setting("cpu", "cpu.cfs_quota_us", quota));
    }
    if let Some(bytes) = resources.memory_limit_bytes {
        // The bound with swap must never be below the one without: written first it lets that
        // grow, written last it lets that shrink. What came too early is refused, and repeated.
        settings.push(optional("memory", "memory.memsw.limit_in_bytes", bytes));
        settings.push(setting("memory", "memory.limit_in_bytes", bytes));
        settings.push(optional("memory", "memory.memsw.limit_in_bytes", bytes));
    }
    if let Some(tasks) = resources.pids_limit {
        settings.push(setting("pids", "pids.max", tasks));
    }
    settings
}

pub(super) fn v2(resources: &Resources) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(shares) = resources.cpu_shares {
        settings.push(setting("cpu", "cpu.weight", weight(shares)));
    }
    if resources.cpu_quota_us.is_some() || resources.cpu_period_us.is_some() {
        let quota = match resources.cpu_quota_us {
            Some(quota) if quota > 0 => quota.to_string(),
            _ => "max".to_owned(),
        };
        let period = resources.cpu_period_us.unwrap_or(CPU_PERIOD_US);
        settings.push(setting("cpu", "cpu.max", format!("{quota} {period}")));
    }
    if let Some(bytes) = resources.memory_limit_bytes {
        settings.push(setting("memory", "memory.max", bytes));
        settings.push(optional("memory", "memory.swap.max", 0));
    }
    if let Some(tasks) = resources.pids_limit {
        settings.push(setting("pids", "pids.max", tasks));
    }
    settings
}

fn clamp_shares(shares: u64) -> u64 {
    shares.clamp(*CPU_SHARES.start(), *CPU_SHARES.end())
}

/// The usual linear map of shares 2..262144 to weight 1..10000.
fn weight(shares: u64) -> u64 {
    let (low, high) = CPU_SHARES.into_inner();
    1 + (clamp_shares(shares) - low) * 9_999 / (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(resources: Resources, v1_expected: &[&str], v2_expected: &[&str]) {
        let text = |settings: Vec<Setting>| -> Vec<String> {
            settings.iter().map(|setting| format!("{}={}", setting.file, setting.value)).collect()
        };
        assert_eq!(text(v1(&resources)), v1_expected);
        assert_eq!(text(v2(&resources)), v2_expected);
    }

    #[test]
    fn no_limit_writes_nothing() {
        check(Resources::default(), &[], &[]);
    }

    #[test]
    fn every_limit_has_its_file_in_both_versions() {
        check(
            Resources {
                cpu_shares: Some(1024),
                cpu_quota_us: Some(50_000),
                cpu_period_us: Some(100_000),
                memory_limit_bytes: Some(1 << 20),
                pids_limit: Some(100),
            },
            &[
                "cpu.shares=1024",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=50000",
                "memory.memsw.limit_in_bytes=1048576",
                "memory.limit_in_bytes=1048576",
                "memory.memsw.limit_in_bytes=1048576",
                "pids.max=100",
            ],
            &[
                "cpu.weight=39",
                "cpu.max=50000 100000",
                "memory.max=1048576",
                "memory.swap.max=0",
                "pids.max=100",
            ],
        );
    }

    #[test]
    fn shares_stay_within_what_the_kernel_takes() {
        let with = |shares| Resources { cpu_shares: Some(shares), ..Resources::default() };
        check(with(0), &["cpu.shares=2"], &["cpu.weight=1"]);
        check(with(u64::MAX), &["cpu.shares=262144"], &["cpu.weight=10000"]);
    }

    #[test]
    fn a_quota_alone_gets_the_default_period_in_v2() {
        let resources = Resources { cpu_quota_us: Some(20_000), ..Resources::default() };
        check(resources, &["cpu.cfs_quota_us=20000"], &["cpu.max=20000 100000"]);
    }

    #[test]
    fn a_negative_quota_is_no_limit() {
        let resources = Resources { cpu_quota_us: Some(-1), ..Resources::default() };
        check(resources, &["cpu.cfs_quota_us=-1"], &["cpu.max=max 100000"]);
    }
}
