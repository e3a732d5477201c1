//! Memory and CPU time of processes, as the kernel counts them.

use std::fs;

/// The pids of a server and of the shims of its instance: every process of Sampan's own, none
/// of a pod's. The instance is named by its run directory.
pub fn own_processes(server: u32, run_dir: &str) -> Vec<u32> {
    let mut own = vec![server];
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&str> = line.split('\0').collect();
        if words.get(1) == Some(&"shim") && words.get(2).is_some_and(|w| w.starts_with(run_dir)) {
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
