//! Memory and CPU time of processes, as the kernel counts them.

use std::fs;

/// The pids of the server and of its shims: every process of Sampan's own, none of a pod's.
pub fn own_processes(server: u32) -> Vec<u32> {
    let mut own = vec![server];
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        if line.split(|byte| *byte == 0).nth(1) == Some(b"shim") {
            own.push(pid);
        }
    }
    own
}

/// Proportional set size in kB: shared pages are counted once over all who share them.
pub fn pss_kb(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("Pss:"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0)
    };
    pids.iter().map(of).sum()
}

/// CPU time used so far, in hundredths of a second.
pub fn cpu_ticks(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = text.rsplit(')').next().unwrap_or_default().to_owned();
        let fields: Vec<u64> =
            after_name.split_whitespace().skip(11).take(2).filter_map(|f| f.parse().ok()).collect();
        fields.iter().sum::<u64>()
    };
    pids.iter().map(of).sum()
}
