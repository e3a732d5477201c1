//! The numbers of the process that every Prometheus client library has. Linux only.

use std::fs;

use super::text::Text;

/// What the kernel counts processor time and starts in, on every machine we know.
const TICKS_PER_SECOND: f64 = 100.0;

/// Adds what can be read; what cannot is left out.
pub(super) fn add(text: &mut Text) {
    if let Some(seconds) = cpu_seconds() {
        text.counter(
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
            seconds,
        );
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The directory that is being read is one of them.
        let count = open.count().saturating_sub(1);
        text.gauge("process_open_fds", "Number of open file descriptors.", count);
    }
    if let Some(max) = max_fds() {
        text.gauge("process_max_fds", "Maximum number of open file descriptors.", max);
    }
    for (name, field, help) in [
        ("process_resident_memory_bytes", "VmRSS:", "Resident memory size in bytes."),
        ("process_virtual_memory_bytes", "VmSize:", "Virtual memory size in bytes."),
    ] {
        if let Some(bytes) = memory_bytes(field) {
            text.gauge(name, help, bytes);
        }
    }
    if let Some(seconds) = start_seconds() {
        text.gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            seconds,
        );
    }
}

/// A field of `/proc/self/stat`, counted as proc(5) does, from the third on: the name before it may
/// have anything in it.
fn stat(number: usize) -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(number - 3)?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    Some((stat(14)? + stat(15)?) / TICKS_PER_SECOND)
}

fn start_seconds() -> Option<f64> {
    let stat_of_all = fs::read_to_string("/proc/stat").ok()?;
    let booted = stat_of_all.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(booted.parse::<f64>().ok()? + stat(22)? / TICKS_PER_SECOND)
}

fn memory_bytes(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

fn max_fds() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_can_be_read_here() {
        let mut text = Text::default();
        add(&mut text);
        let text = text.finish();
        for name in ["cpu_seconds_total", "open_fds", "max_fds", "start_time_seconds"] {
            assert!(text.contains(&format!("\nprocess_{name} ")), "{name} in {text}");
        }
        assert!(memory_bytes("VmRSS:").unwrap() > 1 << 20);
        assert!(start_seconds().unwrap() > 1.6e9);
    }
}
