//! Facts about this box: what it has, what is left, what it runs.

use std::fs;
use std::path::Path;

/// What does not change while the box is up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub cpus: u64,
    pub memory_bytes: u64,
    pub kernel: String,
    pub os_image: String,
    pub machine_id: String,
    pub boot_id: String,
    pub system_uuid: String,
}

/// USER_HZ, in which the kernel counts for its users on every machine we run on.
const TICKS_PER_SECOND: u64 = 100;

/// The time that all processors together have worked since the start, in nanoseconds.
pub(crate) fn cpu_nanos() -> u64 {
    worked(&text("/proc/stat")).saturating_mul(1_000_000_000 / TICKS_PER_SECOND)
}

/// The ticks of a /proc/stat that were neither idle nor waiting.
fn worked(stat: &str) -> u64 {
    const IDLE: usize = 3;
    const WAITING: usize = 4;
    // What guests took is in what users took.
    const COUNTED: usize = 8;
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or("");
    let ticks = line.split_whitespace().take(COUNTED).enumerate();
    let busy = ticks.filter(|(index, _)| !matches!(*index, IDLE | WAITING));
    busy.filter_map(|(_, ticks)| ticks.parse::<u64>().ok()).sum()
}

/// What is left of the box's means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    pub disk_total_bytes: u64,
    pub tasks: u64,
    pub tasks_max: u64,
}

impl Machine {
    /// Reads the facts; one that cannot be read is left empty.
    pub(crate) fn read() -> Self {
        let id = line("/etc/machine-id");
        let uuid = line("/sys/class/dmi/id/product_uuid");
        Self {
            cpus: std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64),
            memory_bytes: meminfo(&text("/proc/meminfo"), "MemTotal"),
            kernel: line("/proc/sys/kernel/osrelease"),
            os_image: os_name(&text("/etc/os-release")),
            boot_id: line("/proc/sys/kernel/random/boot_id"),
            system_uuid: if uuid.is_empty() { id.clone() } else { uuid },
            machine_id: id,
        }
    }
}

impl Left {
    /// Reads what is left, for a data directory.
    pub(crate) fn read(data_dir: &Path) -> Self {
        let disk = nix::sys::statvfs::statvfs(data_dir).ok();
        let bytes = |blocks: u64, unit: u64| blocks.saturating_mul(unit);
        let load = text("/proc/loadavg");
        let tasks = load.split_whitespace().nth(3).and_then(|tasks| tasks.split_once('/'));
        Self {
            memory_bytes: meminfo(&text("/proc/meminfo"), "MemAvailable"),
            disk_bytes: disk.map_or(0, |d| bytes(d.blocks_available(), d.fragment_size())),
            disk_total_bytes: disk.map_or(0, |d| bytes(d.blocks(), d.fragment_size())),
            tasks: tasks.and_then(|(_, all)| all.parse().ok()).unwrap_or(0),
            tasks_max: line("/proc/sys/kernel/pid_max").parse().unwrap_or(u64::MAX),
        }
    }
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn line(path: &str) -> String {
    text(path).trim().to_owned()
}

/// A field of /proc/meminfo, in bytes.
fn meminfo(text: &str, field: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// PRETTY_NAME of an os-release file.
fn os_name(text: &str) -> String {
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "Linux".to_owned(), |name| name.trim_matches('"').to_owned())
}

/// The architecture by its Go name, as Kubernetes writes it.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:       24576 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(meminfo(text, "MemTotal"), 24576 * 1024);
        assert_eq!(meminfo(text, "MemAvailable"), 1 << 20);
        assert_eq!(meminfo(text, "None"), 0);
    }

    #[test]
    fn idle_processors_do_no_work() {
        let stat = "cpu  10 1 5 1000 50 2 3 4 9 9\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(worked(stat), 10 + 1 + 5 + 2 + 3 + 4);
        assert_eq!(worked(""), 0);
    }

    #[test]
    fn the_os_is_named_as_it_names_itself() {
        assert_eq!(os_name("ID=x\nPRETTY_NAME=\"Debian 13\"\n"), "Debian 13");
        assert_eq!(os_name(""), "Linux");
    }

    #[test]
    fn this_box_has_cpus_and_memory_left() {
        let machine = Machine::read();
        let left = Left::read(Path::new("/"));
        assert!(machine.cpus > 0 && machine.memory_bytes > left.memory_bytes);
        assert!(left.disk_total_bytes >= left.disk_bytes && left.tasks > 0);
    }
}
