//! Reading what a group uses, which processes are in it, and whether the OOM killer came.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};

use super::layout::Version;
use super::{Group, annotate};
use crate::state::Stats;

impl Group {
    /// What the group and those below it use. What this machine does not count is 0.
    pub(crate) fn stats(&self) -> io::Result<Stats> {
        let memory_bytes =
            self.number("memory", self.per("memory.usage_in_bytes", "memory.current"))?;
        let inactive = self.per("total_inactive_file", "inactive_file");
        let inactive = self.field("memory", "memory.stat", inactive)?;
        let cpu_nanos = match self.version {
            Version::V1 => self.number("cpuacct", "cpuacct.usage")?,
            Version::V2 => self.field("cpu", "cpu.stat", "usage_usec")? * 1_000,
        };
        Ok(Stats {
            memory_bytes,
            working_set_bytes: memory_bytes.saturating_sub(inactive),
            cpu_nanos,
            pids: self.number("pids", "pids.current")?,
        })
    }

    /// How many processes the OOM killer has taken from this very group.
    pub(crate) fn oom_kills(&self) -> io::Result<u64> {
        self.field("memory", self.per("memory.oom_control", "memory.events"), "oom_kill")
    }

    /// The processes of the group and those below it, in any hierarchy.
    pub(crate) fn processes(&self) -> io::Result<BTreeSet<i32>> {
        let mut processes = BTreeSet::new();
        for directory in &self.directories {
            for group in super::removal::tree(&directory.path())? {
                let path = group.join("cgroup.procs");
                match fs::read_to_string(&path) {
                    Ok(text) => {
                        processes.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()))
                    }
                    Err(error) if is_absent(&error) => {}
                    Err(error) => return Err(annotate(error, "read", &path)),
                }
            }
        }
        // 0 is a process that our pid namespace cannot see; to kill it would be to kill us.
        processes.remove(&0);
        Ok(processes)
    }

    fn per(&self, v1: &'static str, v2: &'static str) -> &'static str {
        match self.version {
            Version::V1 => v1,
            Version::V2 => v2,
        }
    }

    fn number(&self, controller: &str, file: &str) -> io::Result<u64> {
        Ok(self.read(controller, file)?.trim().parse().unwrap_or(0))
    }

    fn field(&self, controller: &str, file: &str, name: &str) -> io::Result<u64> {
        Ok(field_of(&self.read(controller, file)?, name))
    }

    /// A controller's file; empty when this machine has no such controller or file.
    fn read(&self, controller: &str, file: &str) -> io::Result<String> {
        let Some(path) = self.file(controller, file) else { return Ok(String::new()) };
        match fs::read_to_string(&path) {
            Err(error) if is_absent(&error) => Ok(String::new()),
            Err(error) => Err(annotate(error, "read", &path)),
            Ok(text) => Ok(text),
        }
    }
}

/// Not there, or removed between open and read.
fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ENODEV)
}

/// The number after `name` in a file of `name number` lines; 0 when there is none.
fn field_of(text: &str, name: &str) -> u64 {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, name: &str, expected: u64) {
        assert_eq!(field_of(text, name), expected, "{name} in {text:?}");
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let oom_control = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        check(oom_control, "oom_kill", 3);
        check(oom_control, "oom", 0);
        check("low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n", "oom", 1);
        check("usage_usec 12345\nuser_usec 1\n", "usage_usec", 12345);
        check("", "usage_usec", 0);
        check("usage_usec what\n", "usage_usec", 0);
    }
}
